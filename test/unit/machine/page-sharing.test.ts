/** Machines in one pool, with scans for equal pages at random counts in between: each does what it would have done alone. */
import { describe, expect, it } from 'vitest';
import { assembleDemo } from '../../../src/cli/demo.ts';
import type { BootImage } from '../../../src/machine/boot.ts';
import type { EngineName, Pc } from '../../../src/machine/pc.ts';
import { SharedPool } from '../../../src/machine/shared-pool.ts';
import { randomCounts, runUpTo } from '../../support/save-restore.ts';
import { sharedCode } from '../../support/shared-code.ts';
import { realModeBoot, testPc } from '../../support/test-pc.ts';

const ENGINES: readonly EngineName[] = ['interpreter', 'jit', 'auto', 'reference'];
const MEMORY = { memoryBytes: 2 * 2 ** 20 };
const demo: BootImage = {
  pieces: [{ address: 0x7c00, bytes: assembleDemo() }],
  entry: { mode: 'real', ip: 0x7c00 },
};

/**
 * Round after round it writes the number of the round into sixteen pages, so many words of each, and zeros into sixteen others; runs code in
 * four pages that are equal, of which it patches one; and adds up what it finds.
 */
const writer = (words: number) =>
  realModeBoot(`
  xor bp, bp
  mov bx, 0x3000
copy: mov es, bx
  mov si, routine
  xor di, di
  mov cx, routine_end - routine
  rep movsb
  add bx, 0x100
  cmp bx, 0x3400
  jb copy
round: inc bp
  mov bx, 0x1000
fill: mov es, bx
  xor di, di
  mov ax, bp
  shr ax, 3
  mov cx, ${words}
  rep stosw
  add bx, 0x100
  cmp bx, 0x2000
  jb fill
clear: mov es, bx
  xor di, di
  xor ax, ax
  mov cx, ${words}
  rep stosw
  add bx, 0x100
  cmp bx, 0x3000
  jb clear
run: mov es, bx
  mov [target + 2], bx
  mov dx, bp
  test dl, 7
  jnz same
  cmp bh, 0x32
  jne same
  inc byte [es:patched - routine + 2]
same: call far [target]
  add bx, 0x100
  cmp bx, 0x3400
  jb run
  mov bx, 0x1000
sum: mov es, bx
  add [total], ax
  mov ax, [es:0x80]
  add [total], ax
  add bx, 0x100
  cmp bx, 0x3000
  jb sum
  jmp round
target: dw 0, 0
total: dw 0
routine: add ax, [total]
patched: add ax, 0x1234
  retf
routine_end:`);

/** Two that boot the same, in one pool; and one by itself. */
function createTrio(engine: EngineName, boot: BootImage) {
  const pool = new SharedPool(sharedCode());
  const create = (shared: SharedPool | undefined) => testPc({ engine, boot, ...MEMORY, pool: shared });
  return { pool, pcs: [create(pool), create(pool)], alone: create(undefined) };
}

describe.each(ENGINES)('on the %s', (engine) => {
  // The reference engine is slow: rounds of the program are all that counts.
  const [steps, stride, words] = engine === 'reference' ? [24, 1_500, 24] : [60, 60_000, 2048];
  const boot = writer(words);

  it('code that patches itself, pages that are filled and cleared: all as if alone', () => {
    const random = randomCounts(5);
    const { pool, pcs, alone } = createTrio(engine, boot);
    let end = 0;
    for (let step = 0; step < steps; step++) {
      end += random(2 * stride);
      for (const pc of pcs) {
        while (pc.instructions < end) {
          runUpTo(pc, Math.min(end, pc.instructions + 1 + random(stride)));
          pool.scanner.scan(random(40_000));
        }
      }
      if (step % 6 !== 5) continue;
      runUpTo(alone, end);
      for (const pc of pcs) expect(pc.stateHash()).toBe(alone.stateHash());
    }
    const { merged, parted, zeros } = pool.scanner.figures;
    expect(merged).toBeGreaterThan(engine === 'reference' ? 20 : 200);
    expect(Math.min(parted, zeros)).toBeGreaterThan(engine === 'reference' ? 5 : 50);
    for (const pc of [...pcs, alone]) pc.dispose();
    expect(pool.disposed).toBe(true);
  });

  it('clones, checkpoints, what was saved and restored, and resets', () => {
    const random = randomCounts(8);
    const { pool, pcs, alone } = createTrio(engine, boot);
    const scan = () => pool.scanner.scan(random(60_000));
    const [one, two] = pcs;
    const length = 4 * stride;
    for (const pc of [one, two]) runUpTo(pc, length);
    scan();
    const checkpoint = one.checkpoint();
    const before = one.stateHash();
    const clone = two.clone('clone');
    for (const pc of [clone, one, two])
      while (pc.instructions < 2 * length) {
        runUpTo(pc, Math.min(2 * length, pc.instructions + 1 + random(stride)));
        scan();
      }
    runUpTo(alone, 2 * length);
    for (const pc of [one, two, clone]) expect(pc.stateHash()).toBe(alone.stateHash());
    one.revert(checkpoint);
    expect(one.stateHash()).toBe(before);
    scan();
    runUpTo(one, 2 * length);
    expect(one.stateHash()).toBe(alone.stateHash());
    const saved = one.save();
    const pages = [...one.memory.contents()].map((page) => ({ ...page, bytes: page.bytes.slice() }));
    const restored = testPc({ engine, boot, ...MEMORY, pool });
    restored.restore(saved, pages);
    scan();
    two.reset();
    const fresh = testPc({ engine, boot, ...MEMORY });
    expect(two.memory.copyOut(0x7c00, 512)).toEqual(fresh.memory.copyOut(0x7c00, 512));
    for (const pc of [restored, one, clone, two]) {
      runUpTo(pc, pc.instructions + stride);
      scan();
    }
    runUpTo(alone, 2 * length + stride);
    for (const pc of [restored, one, clone]) expect(pc.stateHash()).toBe(alone.stateHash());
    checkpoint.memory.dispose();
    for (const pc of [one, two, clone]) pc.dispose();
    expect(pool.pool.frames.inUse).toBe(usedBy(restored));
    for (const pc of [restored, alone, fresh]) pc.dispose();
  });
});

/** Frames that a machine holds, each counted once. */
function usedBy({ memory }: Pc): number {
  const frames = new Set<number>();
  for (let page = 0; page < memory.pages; page++) frames.add((memory.mapEntry(page) & ~0xfff) >>> 0);
  frames.delete(0);
  return frames.size;
}

it('two guests that have booted the same share nearly all that they hold', () => {
  const { pool, pcs, alone } = createTrio('auto', demo);
  for (const pc of [...pcs, alone]) runUpTo(pc, 2_000_000);
  const before = pool.pool.frames.inUse;
  while (pool.scanner.figures.rounds < 3) pool.scanner.scan(1000);
  expect(pool.pool.frames.inUse).toBeLessThan(0.6 * before);
  for (const pc of pcs) {
    expect(pc.memoryShared).toBeGreaterThan(0.8 * pc.memoryInUse);
    expect(pc.stateHash()).toBe(alone.stateHash());
  }
  for (const pc of [...pcs, alone]) pc.dispose();
});

it('one that cannot be made leaves nothing in the pool that it was to be in', () => {
  const pool = new SharedPool(sharedCode());
  const first = testPc({ boot: demo, ...MEMORY, pool });
  const { inUse } = pool.pool.frames;
  const free = () => {
    const address = pool.pool.allocate(64);
    pool.pool.release(address, 64);
    return address;
  };
  const lowest = free();
  for (let round = 0; round < 3; round++) {
    expect(() => testPc({ boot: demo, ...MEMORY, pool, cpu: 'i387' })).toThrow('i387');
    expect(() => testPc({ boot: demo, memoryBytes: 2 ** 33, pool })).toThrow('memory size');
  }
  expect([pool.pool.frames.inUse, free()]).toEqual([inUse, lowest]);
  first.dispose();
  expect(pool.disposed).toBe(true);
});
