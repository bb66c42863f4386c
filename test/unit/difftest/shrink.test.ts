import { describe, expect, it } from 'vitest';
import { shrink } from '../../../src/difftest/shrink.ts';
import type { Vector } from '../../../src/difftest/vector.ts';

const vector: Vector = {
  mode: 32,
  code: Uint8Array.of(0x90),
  window: 0x70_0000,
  initial: {
    registers: [11n, 22n, 33n, 44n, 55n, 66n, 77n, 88n],
    flags: 0xad7,
    memory: new Uint8Array(64).fill(9),
  },
};

describe('shrinking', () => {
  it('keeps what the failure needs and clears the rest', () => {
    const failing = ({ initial }: Vector) =>
      initial.registers[3] > 40n && (initial.flags & 0x40) !== 0 && initial.memory[17] === 9;
    const small = shrink(vector, (candidates) => candidates.map(failing)).initial;
    expect(small.registers).toEqual([0n, 0n, 0n, 44n, 0n, 0n, 0n, 0n]);
    expect(small.flags).toBe(0x242);
    expect(small.memory.reduce((sum, byte) => sum + byte, 0)).toBe(9);
    expect(small.memory[17]).toBe(9);
  });

  it('leaves a vector alone of which every part matters', () => {
    expect(shrink(vector, (candidates) => candidates.map(() => false))).toBe(vector);
  });

  it('copes with simplifications that do not go together', () => {
    const failing = ({ initial }: Vector) => initial.registers[0] !== 0n || initial.registers[1] !== 0n;
    const small = shrink(vector, (candidates) => candidates.map(failing)).initial.registers;
    expect(small.slice(2)).toEqual([0n, 0n, 0n, 0n, 0n, 0n]);
    expect(small[0] === 0n).not.toBe(small[1] === 0n);
  });
});
