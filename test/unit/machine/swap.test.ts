/** Machines of which pages are sent away at any moment: they cannot tell. */
import { describe, expect, it } from 'vitest';
import { assembleDemo } from '../../../src/cli/demo.ts';
import type { BootImage } from '../../../src/machine/boot.ts';
import type { EngineName, Pc } from '../../../src/machine/pc.ts';
import { flatBoot } from '../../support/flat-boot.ts';
import { MapSwap } from '../../support/map-swap.ts';
import { randomCounts, runUpTo } from '../../support/save-restore.ts';
import { realModeBoot, testPc } from '../../support/test-pc.ts';

const ENGINES: readonly EngineName[] = ['interpreter', 'jit', 'reference'];
const PAGE = 4096;

/** Counts up in one page, page after page, and in code that it writes itself; and has no translations for long. */
const WRITER = realModeBoot(`
  mov ax, 0x2000
  mov ds, ax
again: inc dword [0]
  mov bx, [0]
  shl bx, 8
  inc word [bx]
  inc byte [cs:patched + 1]
patched: mov cl, 0
  add [0xfff0], cl
  mov eax, cr3
  mov cr3, eax
  jmp again`);

/**
 * With paging, 4 MiB twice: adds to words of pages without a pattern, by both addresses; now and then it clears the
 * accessed and dirty bits of a page and does not flush, copies a page, runs code that it has copied there, loads CR3.
 */
const PAGED: BootImage = {
  pieces: [
    {
      address: 0x7c00,
      bytes: flatBoot(`
  mov es, ax
  mov ss, ax
  mov esp, 0x7000
  mov dword [0x10000], 0x11003
  mov dword [0x10004], 0x11003
  mov edi, 0x11000
  mov eax, 3
fill: mov [edi], eax
  add eax, 4096
  add edi, 4
  cmp edi, 0x12000
  jb fill
  mov eax, 0x10000
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80010000
  mov cr0, eax
  mov ebx, 12345
again: imul ebx, ebx, 1103515245
  add ebx, 12345
  mov esi, ebx
  shr esi, 10
  and esi, 0x6fffff
  mov eax, esi
  and eax, 0x3fffff
  cmp eax, 0x100000
  jb again
  and esi, -4
  add [esi], ebx
  test ebx, 0x1f00
  jnz next
  mov eax, esi
  shr eax, 12
  and eax, 0x3ff
  and dword [0x11000 + eax * 4], -0x61
  test ebx, 0x6000
  jnz next
  mov edi, esi
  and edi, -4096
  push esi
  mov esi, 0x18000
  mov ecx, 1024
  rep movsd
  pop esi
  mov edi, esi
  and edi, -4096
  mov dword [edi], 0xc3c3ff40
  mov byte [edi], 0x40
  mov byte [edi + 1], 0xc3
  call edi
  test ebx, 0x10000
  jnz next
  mov eax, 0x10000
  mov cr3, eax
next: jmp again`),
    },
  ],
  entry: { mode: 'real', ip: 0x7c00 },
};
const DEMO: BootImage = { pieces: [{ address: 0x7c00, bytes: assembleDemo() }], entry: { mode: 'real', ip: 0x7c00 } };

describe.each(ENGINES)('a machine on the %s of which pages are swapped out', (engine) => {
  it.each([
    ['that writes into its code', WRITER, 1_600],
    ['with paging', PAGED, 20_000],
    ['with interrupts', DEMO, 30_000],
  ])('%s goes on as one that has all in memory', (_, boot, step) => {
    const steps = engine === 'reference' ? 3 : 6;
    const length = engine === 'reference' ? step / 10 : step;
    const random = randomCounts(11);
    const [plain, swapped] = [testPc({ engine, boot }), testPc({ engine, boot })];
    const swap = new MapSwap();
    for (let round = 1; round <= steps; round++) {
      for (const pc of [plain, swapped]) pc.serial.send(new TextEncoder().encode('tasks\r'));
      const ended = runUpTo(plain, round * length);
      for (let count = swapped.instructions, met: string | undefined; count < round * length && !met; ) {
        swapped.swapOut((1 + random(200)) * PAGE, swap);
        count = Math.min(count + 1 + random(Math.ceil(length / 4)), round * length);
        met = runUpTo(swapped, count);
        if (met) expect(met).toBe(ended);
      }
      expect(swapped.stateHash()).toBe(plain.stateHash());
      expect(swapped.time).toBe(plain.time);
    }
    expect(swapped.swaps.out).toBeGreaterThan(20);
    expect(swapped.memorySwapped).toBe(swap.size * PAGE);
    expect(swapped.memoryInUse + swapped.memorySwapped).toBe(plain.memoryInUse);
    const { frames } = swapped.processor.pool;
    swapped.dispose();
    plain.dispose();
    expect([frames.inUse, swap.size]).toEqual([0, 0]);
  });
});

describe('a machine of which pages are swapped out', () => {
  const create = (): { pc: Pc; swap: MapSwap } => {
    const pc = testPc({ boot: PAGED });
    runUpTo(pc, 200_000);
    const swap = new MapSwap();
    pc.swapOut(300 * PAGE, swap);
    return { pc, swap };
  };

  it('can be cloned, saved, and brought back, whatever is where', () => {
    const { pc, swap } = create();
    const plain = testPc({ boot: PAGED });
    runUpTo(plain, 200_000);
    const now = plain.stateHash();
    // That drops translations, too, which a guest can see that clears accessed bits and does not flush.
    // A clone has yet to decode its code, and who is brought back, anew: where code is watched, writes look for their
    // translations each time, which shows in accessed bits.
    const plainClone = plain.clone('clone');
    plain.checkpoint().memory.dispose();
    const [later, cloneLater] = [plain, plainClone].map((one) => {
      runUpTo(one, 260_000);
      return one.stateHash();
    });
    plainClone.dispose();
    expect(pc.stateHash()).toBe(now);
    expect(swap.size).toBeGreaterThan(30);
    const clone = pc.clone('clone');
    const checkpoint = pc.checkpoint();
    for (const one of [clone, pc]) {
      runUpTo(one, 230_000);
      one.swapOut(100 * PAGE, swap);
      runUpTo(one, 260_000);
      expect(one.stateHash()).toBe(one === clone ? cloneLater : later);
    }
    for (let round = 0; round < 3; round++) {
      pc.revert(checkpoint);
      expect(pc.stateHash()).toBe(now);
      pc.swapOut(100 * PAGE, swap);
      runUpTo(pc, 260_000);
      pc.swapOut(100 * PAGE, swap);
      expect(pc.stateHash()).toBe(cloneLater);
    }
    const { frames } = pc.processor.pool;
    checkpoint.memory.dispose();
    pc.dispose();
    expect(frames.inUse).toBe(clone.memory.framesInUse);
    clone.dispose();
    plain.dispose();
    expect([frames.inUse, swap.size]).toEqual([0, 0]);
  });

  it('keeps what has no room', () => {
    const pc = testPc({ boot: PAGED });
    runUpTo(pc, 200_000);
    const swap = new MapSwap();
    swap.room = 10;
    const before = pc.memoryInUse;
    expect(pc.swapOut(50 * PAGE, swap)).toBe(10 * PAGE);
    expect(pc.swapOut(50 * PAGE, swap)).toBe(0);
    expect([pc.memorySwapped, pc.memoryInUse]).toEqual([10 * PAGE, before - 10 * PAGE]);
    pc.dispose();
    expect(swap.size).toBe(0);
  });

  it('ends with an error that names page and cause where one cannot be read, and so do those who look', () => {
    const { pc, swap } = create();
    swap.failure = new Error('the disk is gone');
    const exit = pc.run({ instructions: 1_000_000 });
    expect(exit.reason).toBe('error');
    const expected = /page [0-9A-F]+h of its memory cannot be had: the disk is gone$/;
    expect((exit as { error: Error }).error.message).toMatch(expected);
    expect(() => pc.stateHash()).toThrow(expected);
    expect(() => [...pc.memory.contents()]).toThrow(expected);
    pc.dispose();
    expect(swap.size).toBe(0);
  });

  it('takes those first that were not touched for a while', () => {
    const { pc, swap } = create();
    const before = pc.swaps.in;
    // Much of what went at first comes back; then what is touched all the time stays.
    for (let round = 0; round < 5; round++) {
      runUpTo(pc, pc.instructions + 20_000);
      pc.swapOut(8 * PAGE, swap);
    }
    expect(pc.swaps.in).toBeGreaterThan(before);
    expect(pc.memory.pagesParked).toBeGreaterThan(0);
    pc.dispose();
  });
});
