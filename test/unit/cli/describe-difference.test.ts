import { describe, expect, it } from 'vitest';
import { describeDifference } from '../../../src/cli/describe-difference.ts';
import type { LockstepDifference } from '../../../src/difftest/lockstep/lockstep.ts';

const place = {
  selector: 0x10,
  ip: 0xc0100000,
  linear: 0xc0100000,
  width: 32,
  bytes: Uint8Array.of(1, 0xd8, 0x90),
} as const;
const difference: LockstepDifference = {
  equal: false,
  kind: 'instruction',
  start: 1_234_567,
  end: 1_234_568,
  place,
  lastPlace: place,
  fields: [{ name: 'eax', values: ['00000001', '00000002'] }],
  bytes: [{ physical: 0x1234, values: [0xab, 0xcd] }],
  pages: [1, 0x203],
};
const NAMES = ['fast', 'slow'] as const;
/** With runs of spaces as one. */
const linesOf = (what: LockstepDifference) =>
  describeDifference(what, NAMES)
    .split('\n')
    .map((line) => line.trim().replaceAll(/ +/g, ' '));

describe('a difference as text', () => {
  it('says where, shows the code there, and what is on either side', () => {
    expect(linesOf(difference)).toEqual([
      'fast and slow agree up to instruction 1,234,567 and differ after the next, 1,234,568',
      'there, at 0010:c0100000:',
      'c0100000 01d8 add eax, ebx',
      'c0100002 90 nop',
      'fast slow',
      'eax 00000001 00000002',
      'byte 00001234 ab cd',
      "2 of memory's pages differ: 00001h 00203h",
    ]);
  });

  it('a piece has two ends', () => {
    const lines = linesOf({
      ...difference,
      kind: 'piece',
      end: 1_234_600,
      lastPlace: { ...place, ip: 0xc0100002, linear: 0xc0100002, bytes: Uint8Array.of(0x90) },
    });
    expect(lines[0]).toBe(
      'fast and slow agree up to instruction 1,234,567, and differ after 1,234,600 if all between is run in one piece',
    );
    expect(lines.slice(4, 6)).toEqual(['before the last of them, at 0010:c0100002:', 'c0100002 90 nop']);
  });

  it('what was seen only once has no place; what is there from power-on, no count', () => {
    expect(
      linesOf({ ...difference, kind: 'unrepeatable', place: undefined, lastPlace: undefined }).slice(0, 2),
    ).toEqual([
      'fast and slow agree up to instruction 1,234,567 and differed at 1,234,568, but the same runs did not show it again',
      'fast slow',
    ]);
    expect(linesOf({ ...difference, start: 0, end: 0 })[0]).toBe('fast and slow differ at power-on');
  });

  it('code that is not mapped, and more pages than are listed', () => {
    const lines = linesOf({
      ...difference,
      place: { ...place, bytes: new Uint8Array() },
      pages: Array.from({ length: 20 }, (_, page) => page),
    });
    expect(lines[2]).toBe('(nothing is mapped)');
    expect(lines.at(-1)).toMatch(/^20 of memory's pages differ: 00000h .* 0000fh …$/);
  });
});
