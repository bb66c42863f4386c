/** Evaluates bound statements on registers and flags, and notes the whole state wherever somebody could see it. */
import type { Bits } from '../../src/engine/reference/bits.ts';
import { evaluateStatements, type HelperArgument, type ReferenceContext } from '../../src/engine/reference/evaluate.ts';
import type { Statement } from '../../src/ir/statement.ts';
import type { Width } from '../../src/ir/value.ts';
import type { Place, SegmentRef } from '../../src/isa/operand.ts';

const END = new Error('the sequence ends here');

export class StateTrail implements ReferenceContext {
  readonly #state = new Map<string, bigint>();
  readonly #trail: string[] = [];
  #random: bigint;

  constructor(seed: bigint) {
    this.#random = seed;
    for (let register = 0; register < 8; register++) this.#state.set(`gpr ${register}`, this.#draw(32));
    for (const flag of ['CF', 'PF', 'AF', 'ZF', 'SF', 'OF', 'DF']) this.#state.set(flag, this.#draw(1));
  }

  /** Of a register by number, or of a flag by name. */
  valueOf(what: number | string): number {
    return Number(this.#state.get(typeof what === 'number' ? `gpr ${what}` : what));
  }

  /** The states seen, up to the fault or jump that ends the sequence. */
  run(sequence: readonly (readonly Statement<Place, SegmentRef>[])[]): readonly string[] {
    try {
      for (const statements of sequence) evaluateStatements(statements, this);
      this.#see('end');
    } catch (error) {
      if (error !== END) throw error;
    }
    return this.#trail;
  }

  #draw(width: number): bigint {
    this.#random = BigInt.asUintN(64, this.#random * 6364136223846793005n + 1442695040888963407n);
    return BigInt.asUintN(width, this.#random >> 20n);
  }

  #see(event: string): void {
    const state = [...this.#state].map(([name, value]) => `${name}=${value}`).sort();
    this.#trail.push(`${event}: ${state.join(' ')}`);
  }

  input(name: string): bigint {
    throw new TypeError(`input ${name} in a bound form`);
  }

  readPlace(place: Place, width: Width): Bits {
    if (place.space === 'gpr') {
      const value = this.#state.get(`gpr ${place.register}`)! >> (place.high ? 8n : 0n);
      return { value: BigInt.asUintN(width, value), undefined: 0n };
    }
    if (place.space === 'flag') return { value: this.#state.get(place.flag)!, undefined: 0n };
    // What no statement of these tests writes need not be told apart.
    return { value: this.#state.get(Object.values(place).join()) ?? 0n, undefined: 0n };
  }

  writePlace(place: Place, { value }: Bits, width: Width): void {
    if (place.space === 'flag') this.setFlag(place.flag, { value, undefined: 0n });
    else if (place.space === 'gpr') {
      const name = `gpr ${place.register}`;
      const shift = place.high ? 8n : 0n;
      const mask = ((1n << BigInt(width)) - 1n) << shift;
      this.#state.set(name, (this.#state.get(name)! & ~mask) | (value << shift));
    } else this.#state.set(Object.values(place).join(), value);
  }

  setFlag(name: string, { value }: Bits): void {
    this.#state.set(name, value);
  }

  load(segment: SegmentRef, { offset, width }: { offset: bigint; width: Width }): Bits {
    this.#see(`load ${segment}:${offset}`);
    return { value: this.#draw(width), undefined: 0n };
  }
  store(segment: SegmentRef, { offset }: { offset: bigint }, { value }: Bits): void {
    this.#see(`store ${segment}:${offset} ${value}`);
  }
  checkStore(segment: SegmentRef, { offset }: { offset: bigint }): void {
    this.#see(`check ${segment}:${offset}`);
  }
  checkTarget(target: bigint): void {
    this.#see(`check ${target}`);
  }
  jump(target: bigint): never {
    this.#see(`jump ${target}`);
    throw END;
  }
  raise({ vector }: { vector: number }): never {
    this.#see(`fault ${vector}`);
    throw END;
  }
  /** A helper may look at everything and change everything. */
  callHelper(name: string, args: readonly HelperArgument[], results: readonly Width[]): readonly Bits[] {
    this.#see(`${name} ${args.map(({ value }) => value)}`);
    for (const known of this.#state.keys()) {
      if (!known.startsWith('gpr') && !known.includes(',')) this.#state.set(known, this.#draw(1));
    }
    return results.map((width) => ({ value: this.#draw(width), undefined: 0n }));
  }
}
