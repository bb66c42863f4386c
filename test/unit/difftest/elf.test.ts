import { describe, expect, it } from 'vitest';
import { writeElf } from '../../../src/difftest/host/elf.ts';

describe('static executables', () => {
  it.each([
    [32, 52, 32],
    [64, 64, 56],
  ] as const)('ELF%d: one PT_LOAD per segment and PT_GNU_STACK without execution', (bits, headerSize, entrySize) => {
    const image = writeElf(bits, 0x40_0000, [
      { address: 0x40_0000, size: 3, content: Uint8Array.of(1, 2, 3), permissions: 'rx' },
      { address: 0x50_0000, size: 0x2000, permissions: 'rw' },
    ]);
    const view = new DataView(image.buffer);
    expect([...image.subarray(0, 6)]).toEqual([0x7f, 0x45, 0x4c, 0x46, bits / 32, 1]);
    expect(view.getUint16(16, true)).toBe(2); // ET_EXEC
    expect(view.getUint16(18, true)).toBe(bits === 64 ? 62 : 3);
    expect(view.getUint16(bits === 64 ? 56 : 44, true)).toBe(3);
    const types = [0, 1, 2].map((index) => view.getUint32(headerSize + index * entrySize, true));
    expect(types).toEqual([1, 1, 0x6474_e551]);
    const offset = view.getUint32(headerSize + (bits === 64 ? 8 : 4), true);
    expect(offset % 0x1000).toBe(0);
    expect([...image.subarray(offset, offset + 3)]).toEqual([1, 2, 3]);
  });

  it('a segment must start at a page boundary', () => {
    expect(() => writeElf(64, 0, [{ address: 0x40_0010, size: 1, permissions: 'r' }])).toThrow(RangeError);
  });
});
