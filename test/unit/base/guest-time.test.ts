import { describe, expect, it } from 'vitest';
import { GuestTime, SLOPE_UNITS_PER_NS, slopeOf } from '../../../src/base/guest-time.ts';

const UNITS = BigInt(SLOPE_UNITS_PER_NS);
/** The definition. */
const exact = (slope: number, instructions: number): number => Number((BigInt(slope) * BigInt(instructions)) / UNITS);

const SLOPES = [
  2 ** 36 - 1,
  2 ** 35 + 12_347,
  1,
  2,
  65_535,
  65_536,
  65_537,
  slopeOf(0.3),
  slopeOf(4),
  slopeOf(27.7),
  slopeOf(1000),
  2 ** 36,
];
const COUNTS = [
  0,
  1,
  2,
  3,
  65_535,
  65_536,
  65_537,
  1_000_003,
  2 ** 31 + 1,
  2 ** 32 + 54_321,
  2 ** 32 - 77_777,
  2 ** 40 + 12_345,
];

describe('guest time', () => {
  it('is the floor of slope times instructions, exactly, as long as it is a safe integer', () => {
    for (const slope of SLOPES) {
      for (const count of COUNTS) {
        if (exact(slope, count) > Number.MAX_SAFE_INTEGER) continue;
        expect([slope, count, new GuestTime(slope).at(count)]).toEqual([slope, count, exact(slope, count)]);
      }
    }
  });

  it('reaches an alarm after the least number of instructions that get there', () => {
    for (const slope of SLOPES) {
      const time = new GuestTime(slope);
      for (const from of [0, 1, 77, 65_537, 2 ** 33 + 5]) {
        if (exact(slope, from) > 2 ** 52) continue;
        for (const span of [1, 2, 3, 1000, 999_999, 1_000_000]) {
          const alarm = time.at(from) + span;
          const steps = time.instructionsUntil(alarm, from);
          if (steps === 0x7fff_ffff) continue;
          expect(time.at(from + steps)).toBeGreaterThanOrEqual(alarm);
          expect(steps === 1 || time.at(from + steps - 1) < alarm).toBe(true);
        }
      }
    }
  });

  it('takes at least one instruction to an alarm that is due, and at most 2^31 - 1 to one that is far', () => {
    const time = new GuestTime(slopeOf(4));
    expect(time.instructionsUntil(100, 1000)).toBe(1);
    expect(time.instructionsUntil(Number.POSITIVE_INFINITY, 0)).toBe(0x7fff_ffff);
    expect(time.instructionsUntil(2 ** 52, 0)).toBe(0x7fff_ffff);
  });

  it('goes on from where it was corrected, and never back', () => {
    const time = new GuestTime(slopeOf(4));
    time.passTo(1000, 100);
    expect([time.at(100), time.at(101)]).toEqual([1000, 1004]);
    time.passTo(500, 200, slopeOf(2));
    expect([time.at(200), time.at(201)]).toEqual([1400, 1402]);
    time.passTo(5000, 300);
    expect([time.at(300), time.at(310), time.slope]).toEqual([5000, 5020, slopeOf(2)]);
  });

  it('tells what it leaves out: what decides when the next whole ns comes', () => {
    const time = new GuestTime(slopeOf(0.25));
    expect([1, 2, 3, 4].map((count) => time.fractionAt(count))).toEqual([16_384, 32_768, 49_152, 0]);
    expect(new GuestTime(2 ** 36 - 1).fractionAt(2 ** 17 + 1)).toBe(65_535);
  });
});

describe('a slope', () => {
  it('is the nearest in units of 2^-16 ns, within bounds', () => {
    expect([0, 1, 1.5, 4, 1e12].map(slopeOf)).toEqual([1, 65_536, 98_304, 262_144, 2 ** 36]);
  });
});
