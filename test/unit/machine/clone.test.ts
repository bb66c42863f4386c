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
