/**
 * Guest time in ns as a function of instructions retired: piecewise linear, never decreasing, in exact integer
 * arithmetic, so that it is the same on every host however often it is asked for. A piece begins where a halted processor
 * has waited or where time was corrected from outside.
 */

/** Slopes are whole numbers of this unit: 2^-16 ns per instruction. */
export const SLOPE_UNITS_PER_NS = 65_536;
/**
 * Guest time that one instruction takes by default, in ns. Less means fewer timer ticks in a program, and in a boot
 * longer waits for the serial port: Debian's 686 kernel takes 2743 million instructions at 4 ns, 2781 at 3, 3005 at 1; a shell loop 356, 355, 354.
 */
export const DEFAULT_INSTRUCTION_TIME = 4;
/** From 2^-16 ns to about a millisecond per instruction: products below stay under 2^53. */
const SLOPE = { LEAST: 1, MOST: 2 ** 36 } as const;
const MOST_INSTRUCTIONS = 0x7fff_ffff;

/** A new piece: from `instructions` retired on, guest time is `time` (ns) and rises by `slope` per instruction. */
export interface TimeCorrection {
  readonly instructions: number;
  readonly time: number;
  /** In units of 2^-16 ns. */
  readonly slope: number;
  /** So many ns more have gone by in which the guest was ready and others ran: it is told, if it wants to know. */
  readonly stolen?: number | undefined;
}

/** The nearest slope for so many ns per instruction. */
export const slopeOf = (nanoseconds: number): number =>
  Math.min(Math.max(Math.round(nanoseconds * SLOPE_UNITS_PER_NS), SLOPE.LEAST), SLOPE.MOST);

export class GuestTime {
  #instructions = 0;
  #time = 0;
  #slope: number;

  /** Starts at 0 with no instructions retired. */
  constructor(slope: number) {
    this.#slope = slope;
  }

  /** In units of 2^-16 ns per instruction. */
  get slope(): number {
    return this.#slope;
  }

  /** The present piece: by it alone, time goes on elsewhere exactly as here. */
  get piece(): TimeCorrection {
    return { instructions: this.#instructions, time: this.#time, slope: this.#slope };
  }

  /** Replaces the present piece by one that `piece` gave. */
  set piece({ instructions, time, slope }: TimeCorrection) {
    this.#instructions = instructions;
    this.#time = time;
    this.#slope = slope;
  }

  /** What `at` leaves out by giving whole ns, in units of 2^-16 ns. */
  fractionAt(instructions: number): number {
    const rest = (instructions - this.#instructions) % SLOPE_UNITS_PER_NS;
    return (rest * this.#slope) % SLOPE_UNITS_PER_NS;
  }

  /** Guest time when so many have retired; not before the present piece. */
  at(instructions: number): number {
    const passed = instructions - this.#instructions;
    const product = passed * this.#slope;
    if (product <= Number.MAX_SAFE_INTEGER) return this.#time + Math.floor(product / SLOPE_UNITS_PER_NS);
    // 2^16 instructions take a whole number of ns.
    const rest = passed % SLOPE_UNITS_PER_NS;
    const whole = (passed - rest) / SLOPE_UNITS_PER_NS;
    return this.#time + whole * this.#slope + Math.floor((rest * this.#slope) / SLOPE_UNITS_PER_NS);
  }

  /** How many instructions after `instructions` bring guest time to `time` or beyond: at least 1, at most 2^31 - 1. */
  instructionsUntil(time: number, instructions: number): number {
    if (time === Number.POSITIVE_INFINITY) return MOST_INSTRUCTIONS;
    const span = time - this.#time;
    const rest = span % this.#slope;
    const whole = (span - rest) / this.#slope;
    const passed = whole * SLOPE_UNITS_PER_NS + Math.ceil((rest * SLOPE_UNITS_PER_NS) / this.#slope);
    return Math.min(Math.max(1, passed - (instructions - this.#instructions)), MOST_INSTRUCTIONS);
  }

  /** Begins a piece: with `instructions` retired it is `time`, or what it was before, if that is later. */
  passTo(time: number, instructions: number, slope: number = this.#slope): void {
    const now = this.at(instructions);
    if (time <= now && slope === this.#slope) return;
    this.#time = Math.max(time, now);
    this.#instructions = instructions;
    this.#slope = slope;
  }
}
