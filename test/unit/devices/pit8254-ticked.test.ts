/**
 * The timer computes everything from the time of the access. Here it is compared, pulse by pulse, with a counter that
 * is ticked the way the datasheet describes it.
 */
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/difftest/random.ts';
import { createPit } from '../../support/devices.ts';

/** One counter of an 82C54, clocked. Counts are numbers, not digits. */
class TickedCounter {
  out = 0;
  nullCount = true;
  counting: number | undefined;
  gate = 1;
  readonly #mode: number;
  readonly #modulus: number;
  #register: number | undefined;
  #loads = false;
  #trigger = false;
  #odd = false;
  #strobes = false;
  #waitsForByte = false;

  constructor(mode: number, modulus: number) {
    this.#mode = mode;
    this.#modulus = modulus;
    this.out = mode === 0 ? 0 : 1;
  }

  firstByte(): void {
    this.#waitsForByte = true;
    if (this.#mode === 0) this.out = 0;
  }

  write(count: number): void {
    this.#waitsForByte = false;
    this.#register = count === 0 ? this.#modulus : count;
    this.nullCount = true;
    if (this.#mode === 0) this.out = 0;
    const waitsForCycle = (this.#mode === 2 || this.#mode === 3) && this.counting !== undefined;
    if (this.#mode !== 1 && this.#mode !== 5 && !waitsForCycle) this.#loads = true;
  }

  setGate(level: 0 | 1): void {
    if (level > this.gate && [1, 2, 3, 5].includes(this.#mode)) this.#trigger = true;
    if (level === 0 && (this.#mode === 2 || this.#mode === 3)) this.out = 1;
    this.gate = level;
  }

  clock(): void {
    const loads = (this.#loads || this.#trigger) && this.#register !== undefined;
    this.#trigger = false;
    if (loads) {
      this.#load();
      this.out = this.#mode <= 1 ? 0 : 1;
      this.#strobes = true;
      return;
    }
    if (this.#mode >= 4) this.out = 1;
    const enabled = this.gate === 1 || this.#mode === 1 || this.#mode === 5;
    if (this.counting === undefined || !enabled || (this.#mode === 0 && this.#waitsForByte)) return;
    if (this.#mode === 2) {
      if (this.counting === 1) this.#load();
      else this.counting--;
      this.out = this.counting === 1 ? 0 : 1;
    } else if (this.#mode === 3) {
      const last = this.#odd && this.out === 1 ? 0 : 2;
      if (this.counting === last) {
        this.#load();
        this.out ^= 1;
      } else this.counting -= 2;
    } else {
      this.counting = this.counting === 0 ? this.#modulus - 1 : this.counting - 1;
      if (this.counting !== 0 || !this.#strobes) return;
      this.#strobes = false;
      this.out = this.#mode <= 1 ? 1 : 0;
    }
  }

  #load(): void {
    this.#loads = false;
    this.nullCount = false;
    this.#odd = this.#register! % 2 === 1;
    this.counting = this.#mode === 3 ? this.#register! - (this.#odd ? 1 : 0) : this.#register!;
  }
}

const digits = (value: number) => Number.parseInt(String(value), 16);

/** Runs both for `pulses` CLK pulses under random counts and gates; returns what happened and the first difference. */
function compare(mode: number, bcd: 0 | 1, seed: number, pulses: number) {
  const random = new Random(seed);
  const { pit, at, out0 } = createPit();
  const modulus = bcd ? 10_000 : 65_536;
  const ticked = new TickedCounter(mode, modulus);
  const covered = { loads: 0, outEdges: 0, gates: 0 };
  pit.writePort(3, 0x30 | (mode << 1) | bcd);
  let firstByte: number | undefined;
  let lastOut = ticked.out;
  for (let pulse = 0; pulse < pulses; pulse++) {
    if (pulse > 0) {
      at(pulse);
      const wasNull = ticked.nullCount;
      ticked.clock();
      if (wasNull && !ticked.nullCount) covered.loads++;
    }
    for (let actions = random.below(3); actions > 0; actions--) {
      const action = random.below(24);
      if (action === 0) {
        covered.gates++;
        const level = random.below(3) === 0 ? 0 : 1;
        pit.setGate(0, level);
        ticked.setGate(level);
      } else if (action === 1 || firstByte !== undefined) {
        if (firstByte === undefined) {
          firstByte = 2 + random.below(14);
          pit.writePort(0, bcd ? digits(firstByte) : firstByte);
          ticked.firstByte();
        } else if (action < 8) {
          pit.writePort(0, 0);
          ticked.write(firstByte);
          firstByte = undefined;
        }
      }
    }
    pit.writePort(3, 0xc2);
    const status = pit.readPort(0);
    const count = pit.readPort(0) | (pit.readPort(0) << 8);
    const expected = (ticked.out << 7) | (ticked.nullCount ? 0x40 : 0);
    const wanted = ticked.counting === undefined ? undefined : ticked.counting % modulus;
    const countMatches = wanted === undefined || count === (bcd ? digits(wanted) : wanted);
    if ((status & 0xc0) !== expected || out0.level !== ticked.out || !countMatches) {
      return { covered, difference: { pulse, status: status & 0xc0, expected, count, wanted, line: out0.level } };
    }
    if (ticked.out !== lastOut) covered.outEdges++;
    lastOut = ticked.out;
  }
  return { covered, difference: undefined };
}

describe('82C54 against a counter that is ticked', () => {
  const CASES = [0, 1, 2, 3, 4, 5].flatMap((mode) => [0, 1].map((bcd) => [mode, bcd as 0 | 1] as const));
  it.each(CASES)('mode %i, BCD = %i: OUT, NULL COUNT and count agree at every pulse', (mode, bcd) => {
    const total = { loads: 0, outEdges: 0, gates: 0 };
    for (let seed = 1; seed <= 10; seed++) {
      const { covered, difference } = compare(mode, bcd, seed * 1000 + mode * 10 + bcd, 2000);
      expect(difference, `seed ${seed}`).toBeUndefined();
      for (const key of ['loads', 'outEdges', 'gates'] as const) total[key] += covered[key];
    }
    expect(total.loads).toBeGreaterThan(100);
    expect(total.outEdges).toBeGreaterThan(200);
    expect(total.gates).toBeGreaterThan(200);
  });
});
