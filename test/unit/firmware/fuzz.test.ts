/** Calls that no program would make: each comes to an end, and nothing is thrown. */
import { describe, expect, it } from 'vitest';
import { expectSoundBios, fuzzBios } from '../../support/bios-fuzz.ts';
import { bootImage, createBiosMachine } from '../../support/bios-machine.ts';

describe('random calls of the BIOS', () => {
  it.each([1, 2])('in real-address mode, seed %i', (seed) => {
    expectSoundBios(fuzzBios(4000, { seed, mode: 'real' }));
  });

  it.each([3, 4])('in virtual-8086 mode with pages missing, seed %i', (seed) => {
    expectSoundBios(fuzzBios(4000, { seed, mode: 'virtual-8086' }));
  });
});

it('a page fault leaves nothing behind that would be done twice', () => {
  const run = (missing: boolean) => fuzzBios(4000, { seed: 6, mode: 'virtual-8086', missing });
  const [whole, parts] = [run(false), run(true)];
  expect(whole.faults).toBeLessThan(parts.faults / 10);
  expect(parts.faults).toBeGreaterThan(20);
  const first = parts.digest.findIndex((hash, index) => hash !== whole.digest[index]);
  expect(first).toBe(-1);
});

it('a string of nothing but line feeds moves the screen once', () => {
  const [strings, frame] = [0x4_0000, 0x2_0000];
  const { pc, run } = createBiosMachine({ floppy: bootImage('cli\nhlt') });
  expect(run()).toBe('halted');
  const { memory } = pc;
  for (let at = 0; at < 8192; at++) memory.write(strings + at, 10, 1);
  for (let at = 0; at < 48; at += 4) memory.write(frame + at, 0, 4);
  memory.write(frame, strings >>> 4, 2);
  memory.write(frame + 28, 0xffff, 4); // CX
  memory.write(frame + 32, 0x1301, 4); // AX
  memory.write(frame + 40, 0x10, 2);
  memory.write(frame + 25, 24, 1); // DH
  memory.write(0xb_8000 + 24 * 160, 0x0741, 2);
  let accesses = 0;
  for (const name of ['readMemory', 'writeMemory'] as const) {
    const access = pc.vga[name].bind(pc.vga) as (...given: number[]) => number;
    Object.assign(pc.vga, {
      [name](...given: number[]) {
        accesses++;
        return access(...given);
      },
    });
  }
  pc.processor.ports.write(0xce0, 0x2000_0000, 4);
  expect(accesses).toBeGreaterThan(4000);
  expect(accesses).toBeLessThan(10_000);
  expect(pc.screen().every((row) => row.trim() === '')).toBe(true);
});

it('what a boot has come to is part of the state: a reset forgets it, a snapshot brings it back', () => {
  const { pc, run, tried } = createBiosMachine({ floppies: 0, disks: [new Uint8Array(2 ** 20)] });
  run(300_000);
  const { state } = pc.bios!;
  expect(state.boot.tried).toEqual(tried[0]);
  const saved = structuredClone(state);
  pc.reset();
  expect(state.boot).toEqual({ next: 0, tried: [], goesOn: false, chosen: null });
  run(300_000);
  expect(tried[1]).toEqual(tried[0]);
  // INT 18h goes on behind what was tried.
  Object.assign(state, structuredClone(saved), { boot: { next: 1, tried: ['before'], goesOn: true, chosen: null } });
  const frame = 0x2_0000;
  for (let at = 0; at < 48; at += 4) pc.memory.write(frame + at, 0, 4);
  pc.memory.write(frame + 40, 0x19, 2);
  pc.processor.ports.write(0xce0, 0x2000_0000, 4);
  expect(state.boot.next).toBe(2);
  expect(state.boot.tried[0]).toBe('before');
});
