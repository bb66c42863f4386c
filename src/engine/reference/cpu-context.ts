/** The machine that the reference evaluator works on, made of a `Cpu`: state block, MMU and helpers. */
import type { Cpu } from '../../cpu/cpu.ts';
import { GuestFault, VECTOR } from '../../cpu/fault.ts';
import { EFLAGS, readEflags, STATUS_MASK, writeEflags } from '../../cpu/flags.ts';
import type { Helper, HelperValue } from '../../cpu/helper.ts';
import { isLongMode } from '../../cpu/processor-mode.ts';
import { FIELD_KINDS, type FieldName } from '../../cpu/state-layout.ts';
import type { Width } from '../../ir/value.ts';
import type { DecodedInstruction } from '../../isa/decoded-instruction.ts';
import type { Place, SegmentRef } from '../../isa/operand.ts';
import { GPR, SEGMENT } from '../../isa/semantics.ts';
import { type Bits, defined, maskOf } from './bits.ts';
import type { HelperArgument, MemoryAccess, ReferenceContext } from './evaluate.ts';

/** What an instruction wrote that the manual leaves undefined. Names as in `Place`; masks of bits. */
export interface UndefinedResults {
  register(number: number, mask: bigint): void;
  flags(mask: number): void;
  memory(segment: number, offset: bigint, mask: bigint): void;
  state(name: string, mask: bigint): void;
  /** Control flow or an address hangs on an undefined bit. */
  decision(what: string): void;
}

export class CpuContext implements ReferenceContext {
  /** Told about undefined results; difftest listens. */
  listener: UndefinedResults | undefined;
  /** A helper raised a trap: the instruction goes on, and the trap is raised after it. */
  onTrap: (trap: GuestFault) => void = () => {};
  readonly #cpu: Cpu;
  readonly #helpers: Readonly<Record<string, Helper>>;
  #instruction!: DecodedInstruction;
  #longMode = false;
  #effectiveAddress: bigint | undefined;

  constructor(cpu: Cpu, helpers: Readonly<Record<string, Helper>>) {
    this.#cpu = cpu;
    this.#helpers = helpers;
  }

  /** The instruction that the following calls are about; `state.ip` and `state.nextIp` are its. */
  begin(instruction: DecodedInstruction): void {
    this.#instruction = instruction;
    this.#longMode = isLongMode(this.#cpu.state);
    this.#effectiveAddress = undefined;
  }

  input(name: string, width: Width): bigint {
    const { reg, rm, immediates } = this.#instruction;
    const { state } = this.#cpu;
    switch (name) {
      case 'reg':
        return BigInt(reg);
      case 'rm':
        return BigInt(rm);
      case 'segment':
        return BigInt(this.#segment('operand'));
      case 'immediate':
        return BigInt.asUintN(width, immediates[0]);
      case 'immediate2':
        return BigInt.asUintN(width, immediates[1]);
      case 'ip':
        return BigInt.asUintN(width, BigInt(state.ip));
      case 'nextIp':
        return BigInt.asUintN(width, BigInt(state.nextIp));
      case 'ea':
        this.#effectiveAddress ??= this.#computeEffectiveAddress();
        return this.#effectiveAddress;
      default:
        throw new TypeError(`unknown input ${name}`);
    }
  }

  /** SDM Vol. 1, "Specifying an Offset". */
  #computeEffectiveAddress(): bigint {
    const { memory, addressSize, row, operandSize } = this.#instruction;
    if (memory === undefined) throw new TypeError(`${row.mnemonic}: no memory operand`);
    const { state } = this.#cpu;
    let sum = BigInt(memory.displacement);
    if (memory.base === 'ip') sum += BigInt(state.nextIp);
    else if (memory.base !== undefined) sum += state.reg64(memory.base);
    if (row.addressAfterPop && memory.base === GPR.rSP) sum += BigInt(operandSize / 8);
    if (memory.index !== undefined) sum += state.reg64(memory.index) << BigInt(memory.scale);
    return BigInt.asUintN(addressSize, sum);
  }

  readPlace(place: Place, width: Width): Bits {
    const { state } = this.#cpu;
    switch (place.space) {
      case 'gpr':
        return defined(this.#readRegister(place.register, width, place.high ?? false));
      case 'field':
        return defined(this.#readRegister(...this.#byteRegister(this.#field(place), width)));
      case 'selector':
        return defined(BigInt(state.segments[this.#selectorNumber(place)].selector));
      case 'flag':
        return defined(readEflags(state) & flagBit(place.flag) ? 1n : 0n);
      case 'state':
        return defined(BigInt.asUintN(width, BigInt(state[fieldName(place.name)])));
    }
  }

  writePlace(place: Place, bits: Bits, width: Width): void {
    const { state } = this.#cpu;
    switch (place.space) {
      case 'gpr':
        this.#writeRegister(place.register, width, place.high ?? false, bits);
        break;
      case 'field':
        this.#writeRegister(...this.#byteRegister(this.#field(place), width), bits);
        break;
      case 'selector':
        throw new TypeError('a selector is written by a helper, not by a write statement');
      case 'flag':
        this.setFlag(place.flag, bits);
        break;
      case 'state': {
        const name = fieldName(place.name);
        const fields = state as unknown as Record<FieldName, number | bigint>;
        fields[name] = FIELD_KINDS[name] === 'u64' ? bits.value : Number(bits.value);
        this.listener?.state(name, bits.undefined);
      }
    }
  }

  #field(place: Extract<Place, { space: 'field' }>): number {
    return place.field === 'reg' ? this.#instruction.reg : this.#instruction.rm;
  }

  #selectorNumber(place: Extract<Place, { space: 'selector' }>): number {
    return place.segment === 'reg' ? this.#instruction.reg : place.segment;
  }

  /** Byte registers 4..7 without REX are AH, CH, DH, BH. */
  #byteRegister(number: number, width: Width): [register: number, width: Width, high: boolean] {
    const high = width === 8 && number >= 4 && number < 8 && !this.#instruction.rex;
    return [high ? number - 4 : number, width, high];
  }

  #readRegister(register: number, width: Width, high: boolean): bigint {
    return BigInt.asUintN(width, this.#cpu.state.reg64(register) >> (high ? 8n : 0n));
  }

  /** A 32-bit write clears the upper half; narrower ones leave the other bits as they are. SDM Vol. 1, "General-Purpose Registers in 64-Bit Mode". */
  #writeRegister(register: number, width: Width, high: boolean, bits: Bits): void {
    const { state } = this.#cpu;
    const shift = high ? 8n : 0n;
    const replaced = width >= 32 ? maskOf(64) : maskOf(width) << shift;
    state.setReg64(register, (state.reg64(register) & ~replaced) | (bits.value << shift));
    this.listener?.register(register, bits.undefined << shift);
  }

  setFlag(name: string, bits: Bits): void {
    const { state } = this.#cpu;
    const mask = flagBit(name);
    if (mask & STATUS_MASK) writeEflags(state, (readEflags(state) & ~mask) | (bits.value ? mask : 0));
    else state.flagsOther = ((state.flagsOther & ~mask) | (bits.value ? mask : 0)) >>> 0;
    if (bits.undefined) this.listener?.flags(mask);
  }

  #segment(segment: SegmentRef): number {
    if (segment !== 'operand') return segment;
    const { memory, row } = this.#instruction;
    if (memory === undefined) throw new TypeError(`${row.mnemonic}: no memory operand`);
    return memory.segment;
  }

  load(ref: SegmentRef, { offset, width, intent }: MemoryAccess & { intent: 'read' | 'modify' }): Bits {
    const { mmu } = this.#cpu;
    const segment = this.#segment(ref);
    const at = Number(offset);
    if (intent === 'modify') mmu.probeWriteSegment(segment, at, width / 8);
    if (width === 64) return defined(mmu.readSegment64(segment, at));
    return defined(BigInt(mmu.readSegment(segment, at, bytesOf(width))));
  }

  store(ref: SegmentRef, { offset, width }: MemoryAccess, bits: Bits): void {
    const { mmu } = this.#cpu;
    const segment = this.#segment(ref);
    const at = Number(offset);
    if (width === 64) mmu.writeSegment64(segment, at, bits.value);
    else mmu.writeSegment(segment, at, Number(bits.value), bytesOf(width));
    if (bits.undefined) this.listener?.memory(segment, offset, bits.undefined);
  }

  checkStore(ref: SegmentRef, { offset, width }: MemoryAccess): void {
    this.#cpu.mmu.probeWriteSegment(this.#segment(ref), Number(offset), width / 8);
  }

  jump(target: bigint): void {
    this.checkTarget(target);
    this.#cpu.state.nextIp = Number(target);
  }

  /** SDM Vol. 2, JMP, CALL, RET: #GP(0) if the target is beyond the code segment limit or not canonical. */
  checkTarget(target: bigint): void {
    const { state } = this.#cpu;
    const limit = state.segments[SEGMENT.CS].limit;
    const outside = this.#longMode ? BigInt.asUintN(64, BigInt.asIntN(48, target)) !== target : target > BigInt(limit);
    if (outside) this.raise({ vector: VECTOR.GP, errorCode: 0, cause: JUMP_CAUSE[this.#longMode ? 'long' : 'legacy'] });
  }

  raise(fault: { vector: number; errorCode?: number; cause: string }): never {
    const { vector, errorCode, cause } = fault;
    throw new GuestFault({ vector, ...(errorCode !== undefined && { errorCode }), cause: { check: cause } });
  }

  callHelper(name: string, args: readonly HelperArgument[], results: readonly Width[]): readonly Bits[] {
    const helper = this.#helpers[name] as ((cpu: Cpu, ...args: HelperValue[]) => ReturnType<Helper>) | undefined;
    if (helper === undefined) throw new TypeError(`no helper ${name}`);
    let answer: ReturnType<Helper>;
    try {
      answer = helper(this.#cpu, ...args.map(({ value, width }) => (width === 64 ? value : Number(value))));
    } catch (fault) {
      if (!(fault instanceof GuestFault) || fault.kind !== 'trap') throw fault;
      this.onTrap(fault);
    }
    const values = Array.isArray(answer) ? (answer as readonly HelperValue[]) : [answer as HelperValue];
    return results.map((width, index) => defined(BigInt.asUintN(width, BigInt(values[index]))));
  }

  undefinedDecision(what: string): void {
    this.listener?.decision(what);
  }
}

const JUMP_CAUSE = {
  legacy: 'branch target beyond the code segment limit',
  long: 'branch target is not canonical',
} as const;

const flagBit = (name: string): number => EFLAGS[name as keyof typeof EFLAGS];

function fieldName(name: string): FieldName {
  if (!Object.hasOwn(FIELD_KINDS, name)) throw new TypeError(`no state field ${name}`);
  return name as FieldName;
}

function bytesOf(width: Width): 1 | 2 | 4 {
  if (width !== 8 && width !== 16 && width !== 32) throw new TypeError(`no memory access of ${width} bits`);
  return (width / 8) as 1 | 2 | 4;
}
