/** A machine for the reference evaluator that has random contents and does nothing: it writes down what it is asked. */
import type { Random } from '../../src/difftest/random.ts';
import type { Bits } from '../../src/engine/reference/bits.ts';
import {
  evaluateStatements,
  type HelperArgument,
  type MemoryAccess,
  type ReferenceContext,
} from '../../src/engine/reference/evaluate.ts';
import type { Statement } from '../../src/ir/statement.ts';
import type { Width } from '../../src/ir/value.ts';
import type { DecodedInstruction } from '../../src/isa/decoded-instruction.ts';
import type { Place, SegmentRef } from '../../src/isa/operand.ts';
import { GPR } from '../../src/isa/semantics.ts';

const defined = (value: bigint): Bits => ({ value, undefined: 0n });

export interface RecordedMachine {
  readonly registers: readonly bigint[];
  /** Values of flags, fields, selectors, memory and helpers' results, in the order of their first use. */
  readonly seed: bigint;
  readonly ip: bigint;
}

export const randomMachine = (random: Random): RecordedMachine => ({
  registers: Array.from({ length: 16 }, () => random.bits(random.oneIn(2) ? 64 : 6)),
  seed: random.bits(60),
  ip: random.bits(20),
});

/** Effects of an instruction's statements, a line each, up to the fault that ends it. */
export function recordEffects(
  statements: readonly Statement<Place, SegmentRef>[],
  instruction: DecodedInstruction,
  machine: RecordedMachine,
): string[] {
  const recorder = new EffectRecorder(instruction, machine);
  try {
    evaluateStatements(statements, recorder);
  } catch (error) {
    if (error !== FAULT) recorder.lines.push(String(error));
  }
  return recorder.lines;
}

const FAULT = new Error('a fault ends the instruction');

class EffectRecorder implements ReferenceContext {
  readonly lines: string[] = [];
  readonly #instruction: DecodedInstruction;
  readonly #machine: RecordedMachine;
  readonly #registers: bigint[];
  readonly #effectiveAddress: bigint | undefined;
  #drawn = 0n;

  constructor(instruction: DecodedInstruction, machine: RecordedMachine) {
    this.#instruction = instruction;
    this.#machine = machine;
    this.#registers = [...machine.registers];
    this.#effectiveAddress = this.#computeEffectiveAddress();
  }

  #computeEffectiveAddress(): bigint | undefined {
    const { memory, addressSize, operandSize, row, length } = this.#instruction;
    if (memory === undefined) return undefined;
    const { base, index, scale, displacement } = memory;
    const start = base === 'ip' ? this.#machine.ip + BigInt(length) : base === undefined ? 0n : this.#registers[base];
    const popped = row.addressAfterPop && base === GPR.rSP ? BigInt(operandSize / 8) : 0n;
    const scaled = index === undefined ? 0n : this.#registers[index] << BigInt(scale);
    return BigInt.asUintN(addressSize, start + scaled + BigInt(displacement) + popped);
  }

  input(name: string, width: Width): bigint {
    const { reg, rm, immediates, length, memory } = this.#instruction;
    const { ip } = this.#machine;
    const values: Record<string, bigint | number | undefined> = {
      reg,
      rm,
      ip,
      nextIp: ip + BigInt(length),
      segment: memory?.segment,
      immediate: immediates[0],
      immediate2: immediates[1],
      ea: this.#effectiveAddress,
    };
    return BigInt.asUintN(width, BigInt(values[name]!));
  }

  readPlace(place: Place, width: Width): Bits {
    if (place.space !== 'gpr' && place.space !== 'field') return this.#draw(width);
    const [register, shift] = this.#register(place);
    return defined(BigInt.asUintN(width, this.#registers[register] >> shift));
  }

  writePlace(place: Place, value: Bits, width: Width): void {
    if (place.space === 'gpr' || place.space === 'field') {
      const [register, shift] = this.#register(place);
      const mask = width >= 32 ? -1n : ((1n << BigInt(width)) - 1n) << shift;
      this.#registers[register] = BigInt.asUintN(64, (this.#registers[register] & ~mask) | (value.value << shift));
      this.#say('register', register, shift, width, value.value, value.undefined);
    } else this.#say('write', place.space, Object.values(place).join(), width, value.value, value.undefined);
  }

  #register(place: Extract<Place, { space: 'gpr' | 'field' }>): [register: number, shift: bigint] {
    if (place.space === 'gpr') return [place.register, place.high ? 8n : 0n];
    const number = this.#instruction[place.field];
    const high = place.width === 8 && !this.#instruction.rex && number >= 4 && number < 8;
    return high ? [number - 4, 8n] : [number, 0n];
  }

  load(segment: SegmentRef, { offset, width, intent }: MemoryAccess & { intent: string }): Bits {
    this.#say('load', this.#segment(segment), offset, width, intent);
    return this.#draw(width);
  }
  store(segment: SegmentRef, { offset, width, checked }: MemoryAccess & { checked: boolean }, value: Bits): void {
    this.#say('store', this.#segment(segment), offset, width, checked, value.value, value.undefined);
  }
  checkStore(segment: SegmentRef, { offset, width }: MemoryAccess): void {
    this.#say('check store', this.#segment(segment), offset, width);
  }
  setFlag(name: string, value: Bits): void {
    this.#say('flag', name, value.value, value.undefined);
  }
  checkTarget(target: bigint): void {
    this.#say('check', target);
  }
  jump(target: bigint): void {
    this.#say('jump', target);
  }
  raise(fault: { readonly vector: number; readonly errorCode?: number; readonly cause: string }): never {
    this.#say('raise', fault.vector, fault.errorCode, fault.cause);
    throw FAULT;
  }
  callHelper(name: string, args: readonly HelperArgument[], results: readonly Width[]): readonly Bits[] {
    this.#say('call', name, ...args.map(({ value, width }) => `${value}/${width}`));
    return results.map((width) => this.#draw(width));
  }

  #segment(segment: SegmentRef): number {
    return segment === 'operand' ? this.#instruction.memory!.segment : segment;
  }

  /** The next value of something that both sides look at in the same order. */
  #draw(width: Width): Bits {
    this.#drawn += 0x9e37_79b9_7f4a_7c15n;
    const mixed = BigInt.asUintN(64, (this.#machine.seed ^ this.#drawn) * 0xbf58_476d_1ce4_e5b9n);
    return defined(BigInt.asUintN(width, (mixed << 64n) | (mixed >> 29n)));
  }

  #say(...words: readonly unknown[]): void {
    this.lines.push(words.join(' '));
  }
}
