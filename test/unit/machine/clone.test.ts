/** Machines that begin as each other's equals and share what neither has written since. */
import { describe, expect, it } from 'vitest';
import { assembleDemo } from '../../../src/cli/demo.ts';
import type { BootImage } from '../../../src/machine/boot.ts';
import type { EngineName, Pc, PcOptions } from '../../../src/machine/pc.ts';
import { randomCounts, runUpTo } from '../../support/save-restore.ts';
import { realModeBoot, testPc } from '../../support/test-pc.ts';

const ENGINES: readonly EngineName[] = ['interpreter', 'jit', 'auto', 'reference'];
const MIB = 2 ** 20;
const demo: BootImage = {
  pieces: [{ address: 0x7c00, bytes: assembleDemo() }],
  entry: { mode: 'real', ip: 0x7c00 },
};
const options = (engine: EngineName, boot = demo): PcOptions & Parameters<typeof testPc>[0] =>
  ({ engine, boot, memoryBytes: 2 * MIB }) as never;
const type = (pc: Pc, text: string) => pc.serial.send(new TextEncoder().encode(text));
/** Counts up in one page, page after page, and in code that it writes itself. */
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
  jmp again`);

describe.each(ENGINES)('a clone on the %s', (engine) => {
  it('goes on as the original does, begun at any count', () => {
    const random = randomCounts(7);
    const original = testPc(options(engine));
    for (let round = 0; round < 6; round++) {
      type(original, 'tasks\rtick');
      runUpTo(original, original.instructions + 1 + random(30_000));
      const clone = testPc({ ...options(engine), cloneOf: original });
      expect(clone.stateHash()).toBe(original.stateHash());
      const end = original.instructions + (engine === 'reference' ? 3_000 : 300_000);
      // One after the other, and in turns: neither may see what the other does.
      if (round % 2 === 0) for (const pc of [clone, original]) runUpTo(pc, end);
      else
        for (let at = original.instructions; at < end; at += 1_111)
          for (const pc of [original, clone]) runUpTo(pc, Math.min(at, end));
      for (const pc of [original, clone]) runUpTo(pc, end);
      expect(clone.stateHash()).toBe(original.stateHash());
      clone.dispose();
    }
    original.dispose();
  });

  it('of a machine that writes all over its memory and its code leaves it as it would have been alone', () => {
    const length = engine === 'reference' ? 2_000 : 12_000;
    const alone = testPc(options(engine, WRITER));
    const original = testPc(options(engine, WRITER));
    runUpTo(original, length);
    const clones = Array.from({ length: 4 }, () => testPc({ ...options(engine, WRITER), cloneOf: original }));
    for (const [index, pc] of clones.entries()) runUpTo(pc, length + 1 + index * 77);
    const second = testPc({ ...options(engine, WRITER), cloneOf: clones[3] });
    for (const pc of [original, second, ...clones]) runUpTo(pc, 2 * length);
    runUpTo(alone, 2 * length);
    for (const pc of [original, second, ...clones]) expect(pc.stateHash()).toBe(alone.stateHash());
    const { frames } = original.processor.pool;
    for (const pc of [original, ...clones]) pc.dispose();
    // The last holder: what the others had has been given back.
    expect(frames.inUse).toBe(second.memory.framesInUse);
    runUpTo(second, 3 * length);
    runUpTo(alone, 3 * length);
    expect(second.stateHash()).toBe(alone.stateHash());
    for (const pc of [second, alone]) pc.dispose();
  });
});

it('a clone of a machine of other parts is refused, and nothing is held for it', () => {
  const original = testPc(options('interpreter'));
  const { inUse } = original.processor.pool.frames;
  expect(() => testPc({ ...options('interpreter'), memoryBytes: 4 * MIB, cloneOf: original })).toThrow(
    'the snapshot is of a machine with memoryBytes 2097152, not 4194304',
  );
  expect(original.processor.pool.frames.inUse).toBe(inUse);
  original.dispose();
  expect(() => testPc({ ...options('interpreter'), cloneOf: original })).toThrow('test is disposed');
});

it('three hundred clones, made and disposed, leave the pool as large as ten do', () => {
  const original = testPc(options('auto', WRITER));
  runUpTo(original, 50_000);
  const { pool } = original.processor;
  const round = () => {
    const clone = testPc({ ...options('auto', WRITER), cloneOf: original });
    runUpTo(clone, 51_000);
    clone.dispose();
  };
  for (let count = 0; count < 10; count++) round();
  const [bytes, frames] = [pool.memory.buffer.byteLength, pool.frames.inUse];
  for (let count = 0; count < 290; count++) round();
  expect([pool.memory.buffer.byteLength, pool.frames.inUse]).toEqual([bytes, frames]);
  original.dispose();
});

it('a reset of a clone boots it anew, and the original not', () => {
  const original = testPc(options('auto'));
  runUpTo(original, 40_000);
  const clone = testPc({ ...options('auto'), cloneOf: original });
  const before = original.stateHash();
  clone.reset();
  const fresh = testPc(options('auto'));
  expect(clone.memory.copyOut(0x7c00, 512)).toEqual(fresh.memory.copyOut(0x7c00, 512));
  runUpTo(clone, clone.instructions + 1000);
  expect(original.stateHash()).toBe(before);
  for (const pc of [original, clone, fresh]) pc.dispose();
});

describe.each(ENGINES)('a checkpoint on the %s', (engine) => {
  it('is come back to as often as one likes, in the same state, and what follows is the same', () => {
    const random = randomCounts(9);
    const pc = testPc(options(engine, WRITER));
    runUpTo(pc, 3_000);
    const checkpoint = pc.checkpoint();
    const [start, hash] = [pc.instructions, pc.stateHash()];
    runUpTo(pc, start + 2_000);
    const after = pc.stateHash();
    for (let round = 0; round < 20; round++) {
      pc.revert(checkpoint);
      expect([pc.instructions, pc.stateHash()]).toEqual([start, hash]);
      // Not only code that has been there is run: something else is written, too.
      if (round % 3 === 2) {
        pc.memory.write(0x7c00 + random(200), random(256), 1);
        pc.memory.write(0x10_0000 + 4096 * random(20), 0x1234_5678, 4);
        runUpTo(pc, start + random(3_000));
        continue;
      }
      runUpTo(pc, start + 2_000);
      expect(pc.stateHash()).toBe(after);
    }
    checkpoint.memory.dispose();
    pc.dispose();
  });

  it('knows where RAM answered, and what chips were doing', () => {
    const pc = testPc(options(engine));
    type(pc, 'tasks\rtick');
    runUpTo(pc, 25_000);
    const shadow = (value: number) => {
      pc.processor.ports.write(0xcf8, 0x8000_0058, 4);
      pc.processor.ports.write(0xcfd, value, 1);
      pc.processor.ports.write(0xcfe, value, 1);
    };
    shadow(0x22);
    pc.memory.write(0xf_0000, 0x55, 1);
    const checkpoint = pc.checkpoint();
    const hash = pc.stateHash();
    runUpTo(pc, 30_000);
    shadow(0x33);
    pc.memory.write(0xf_0000, 0x66, 1);
    pc.revert(checkpoint);
    expect(pc.stateHash()).toBe(hash);
    shadow(0x33);
    expect(pc.memory.read(0xf_0000, 1)).toBe(0x55);
    checkpoint.memory.dispose();
    pc.dispose();
  });

  it('holds what was, and gives it back', () => {
    const pc = testPc(options(engine, WRITER));
    runUpTo(pc, 2_000);
    const { frames } = pc.processor.pool;
    const before = frames.inUse;
    const checkpoint = pc.checkpoint();
    for (let round = 0; round < 5; round++) {
      runUpTo(pc, pc.instructions + 3_000);
      pc.revert(checkpoint);
    }
    expect(frames.inUse).toBe(before);
    checkpoint.memory.dispose();
    expect([frames.inUse, pc.memory.framesShared]).toEqual([before, 0]);
    pc.dispose();
  });
});

it('a reset clears what is to be zero, in a clone, too', () => {
  const boot: BootImage = { ...realModeBoot('inc word [0x9000]\nhlt'), zeros: [{ address: 0x9000, length: 16 }] };
  const original = testPc({ ...options('auto', boot) });
  original.run({ instructions: 10 });
  const clone = original.clone('clone');
  for (const pc of [original, clone]) {
    expect(pc.memory.read(0x9000, 2)).toBe(1);
    for (let round = 0; round < 2; round++) {
      pc.reset();
      expect(pc.memory.read(0x9000, 2)).toBe(0);
      pc.run({ instructions: 10 });
    }
    pc.dispose();
  }
});
