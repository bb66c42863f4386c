/**
 * Chooses the encoding of an instruction in assembly text: every pattern of the mnemonic is held against the operands,
 * for every operand size, and the shortest result wins; among equals the first of the table.
 */
import { UserError } from '../base/errors.ts';
import type { OperandValue } from './assembler-operand.ts';
import type { MemoryOperand } from './decoded-instruction.ts';
import { encodePattern, type PatternFields } from './encode-instruction.ts';
import {
  bitsOf,
  type EncodingPattern,
  type Mode,
  operandSizeOf,
  type PatternOperand,
  SIZES,
  type Size,
} from './encoding.ts';
import type { MnemonicUse } from './mnemonics.ts';

/** Prefix words before an instruction. */
export interface InstructionPrefixes {
  readonly lock: boolean;
  readonly repeat: 'none' | 'repe' | 'repne';
  readonly segment: number | undefined;
  readonly operandSize: Size | undefined;
  readonly addressSize: Size | undefined;
}

export interface InstructionText {
  readonly mnemonic: string;
  readonly uses: readonly MnemonicUse[];
  readonly prefixes: InstructionPrefixes;
  readonly operands: readonly OperandValue[];
  readonly mode: Mode;
  /** Where the instruction starts. */
  readonly address: bigint;
  /** It must not become shorter than in the pass before, or passes would not end. */
  readonly minimumLength: number;
}

/**
 * Encodes an instruction.
 * @throws UserError when no encoding fits, or several that differ in the size of a memory operand
 */
export function encodeText(text: InstructionText): number[] {
  let best: number[] | undefined;
  let reason: string | undefined;
  const memoryWidths = new Set<number>();
  for (const use of text.uses) {
    for (const operandSize of SIZES) {
      const fields = matchPattern(use, operandSize, text);
      if (fields === undefined) continue;
      for (const displacementSize of [fields.displacementSize, 8, 32] as const) {
        const bytes = encodeUse(use, { ...fields, displacementSize }, text);
        if (typeof bytes === 'string') {
          reason ??= bytes;
          break;
        }
        if (fields.unsizedWidth !== undefined) memoryWidths.add(fields.unsizedWidth);
        if (bytes.length >= text.minimumLength) {
          if (best === undefined || bytes.length < best.length) best = bytes;
          break;
        }
        if (fields.memory === undefined) break;
      }
    }
  }
  if (memoryWidths.size > 1) throw new UserError('the size of the memory operand is missing (byte, word, dword, …)');
  if (best === undefined) throw new UserError(reason ?? `no form of '${text.mnemonic}' takes these operands`);
  return best;
}

interface MatchedFields extends PatternFields {
  /** Relative operand: its target. */
  readonly target: bigint | undefined;
  /** RIP-relative memory operand: its target. */
  readonly memoryTarget: bigint | undefined;
  /** Width that the pattern gives a memory operand written without one. */
  readonly unsizedWidth: number | undefined;
}

const FWAIT = 0x9b;

function encodeUse(use: MnemonicUse, fields: MatchedFields, text: InstructionText): number[] | string {
  if (!use.waits) return encodeAt(use.pattern, fields, text);
  const bytes = encodeAt(use.pattern, fields, { ...text, address: text.address + 1n });
  return typeof bytes === 'string' ? bytes : [FWAIT, ...bytes];
}

/** Encodes with what depends on the length of the result: relative targets. */
function encodeAt(pattern: EncodingPattern, fields: MatchedFields, text: InstructionText): number[] | string {
  const first = encodePattern(pattern, fields);
  if (typeof first === 'string' || (fields.target === undefined && fields.memoryTarget === undefined)) return first;
  const end = text.address + BigInt(first.length);
  let { memory, immediates } = fields;
  if (fields.memoryTarget !== undefined) {
    const displacement = BigInt.asIntN(fields.addressSize, fields.memoryTarget - end);
    memory = { ...memory!, displacement: Number(displacement) };
  }
  if (fields.target !== undefined) {
    immediates = [BigInt.asIntN(text.mode === 64 ? 64 : fields.operandSize, fields.target - end)];
  }
  return encodePattern(pattern, { ...fields, memory, immediates: immediates ?? [] });
}

/** The fields with which a pattern expresses the text, if it does with this operand size. */
function matchPattern(use: MnemonicUse, operandSize: Size, text: InstructionText): MatchedFields | undefined {
  const { pattern } = use;
  const { prefixes, operands, mode } = text;
  if (use.operandSizes !== undefined && !use.operandSizes.includes(operandSize)) return undefined;
  if (!pattern.modes.includes(mode) || !pattern.operandSizes.includes(operandSize)) return undefined;
  if (prefixes.operandSize !== undefined && prefixes.operandSize !== operandSize) return undefined;
  const written = pattern.operands.filter(isWritten);
  const fields =
    collectFields(written, operands, { operandSize, mode }) ??
    collectFields(written, withOmitted(use, written, text), { operandSize, mode }) ??
    (pattern.row.commutative ? collectFields(written, [...operands].reverse(), { operandSize, mode }) : undefined);
  if (fields === undefined) return undefined;
  if (fields.needsRex && fields.high) return undefined;

  // A size other than the usual one must be visible in the text.
  const usual = operandSizeOf(pattern, mode, false, false);
  const said = fields.tellsSize || use.operandSizes !== undefined || prefixes.operandSize !== undefined;
  if (operandSize !== usual && !said && pattern.operandSizes.includes(usual)) return undefined;

  const addressSize = fields.addressSize ?? prefixes.addressSize ?? impliedAddressSize(pattern, mode);
  return {
    mode,
    operandSize,
    addressSize,
    condition: use.condition,
    reg: fields.reg,
    rm: fields.rm,
    memory: fields.memory,
    immediates: fields.immediates,
    lock: prefixes.lock,
    repeat: prefixes.repeat,
    segmentOverride: prefixes.segment,
    rex: fields.needsRex,
    displacementSize: fields.displacementSize,
    target: fields.target,
    memoryTarget: fields.memoryTarget,
    unsizedWidth: fields.unsizedWidth,
  };
}

/** The fields that the operands fill, if all are of the right kind. */
function collectFields(
  written: readonly PatternOperand[],
  operands: readonly OperandValue[],
  { operandSize, mode }: { readonly operandSize: Size; readonly mode: Mode },
): FieldCollector | undefined {
  if (written.length !== operands.length) return undefined;
  const fields = new FieldCollector(operandSize, mode);
  const onlyOperand = written.length === 1;
  const matches = written.every((operand, index) => fields.match(operand, operands[index], { onlyOperand }));
  return matches ? fields : undefined;
}

/** Puts in what text may leave out: immediates with a usual value, x87 registers. */
function withOmitted(
  { pattern: { row } }: MnemonicUse,
  written: readonly PatternOperand[],
  { operands, uses }: InstructionText,
): readonly OperandValue[] {
  const usual = written.map(({ name }) => row.omitted?.[name]);
  if (operands.length === 0 && usual.every((value) => value !== undefined)) {
    return usual.map((value) => ({ kind: 'immediate', value, size: undefined, distance: undefined }));
  }
  const isStack = written.length > 0 && written.every((operand) => isTop(operand) || operand.kind.source === 'stack87');
  if (!isStack) return operands;
  // ST0 beside another register: `fadd st3`.
  if (operands.length === 1 && written.length === 2)
    return written.map((operand) => (isTop(operand) ? stackRegister(0) : operands[0]));
  // ST1 and ST0, where the order leaves no doubt: `faddp`, `fxch`, but not `fadd`.
  const orders = new Set(uses.map(({ pattern }) => pattern.operands.filter(isWritten).findIndex(isTop)));
  const isPlain = orders.size === 1 || written.length === 1;
  return operands.length === 0 && isPlain ? written.map((operand) => stackRegister(isTop(operand) ? 0 : 1)) : operands;
}

const isTop = ({ kind }: PatternOperand): boolean => kind.fixedClass === 'stack87';
const stackRegister = (number: number): OperandValue => ({
  kind: 'register',
  register: { class: 'stack87', number, width: 80 },
});

/** Operands that appear in assembly text. */
export const isWritten = ({ implicit, kind }: PatternOperand): boolean =>
  !implicit && kind.source !== 'stringSource' && kind.source !== 'stringDestination';

/** JECXZ and its like: the name stands for an address size. */
const impliedAddressSize = (pattern: EncodingPattern, mode: Mode): Size =>
  pattern.addressSizes.includes(mode) ? mode : pattern.addressSizes[0];

class FieldCollector {
  reg = 0;
  rm = 0;
  memory: MemoryOperand | undefined;
  immediates: bigint[] = [];
  needsRex = false;
  high = false;
  tellsSize = false;
  addressSize: Size | undefined;
  displacementSize: 0 | 8 | 16 | 32 = 0;
  target: bigint | undefined;
  memoryTarget: bigint | undefined;
  unsizedWidth: number | undefined;
  readonly #operandSize: Size;
  readonly #mode: Mode;

  constructor(operandSize: Size, mode: Mode) {
    this.#operandSize = operandSize;
    this.#mode = mode;
  }

  #bits(width: number | 'v' | 'z' | 'a'): number {
    return bitsOf(width, this.#operandSize, this.#mode);
  }

  /** Takes an operand's value into the fields, if it is of the pattern's kind. */
  match(pattern: PatternOperand, value: OperandValue, { onlyOperand }: { onlyOperand: boolean }): boolean {
    const { kind } = pattern;
    const bits = this.#bits(kind.width);
    switch (kind.source) {
      case 'reg':
        return this.#register(value, 'gpr', bits, kind.width, (number) => (this.reg = number));
      case 'opcode':
      case 'rmReg':
        return this.#register(value, 'gpr', bits, kind.width, (number) => (this.rm = number));
      case 'rm':
        if (value.kind === 'register') {
          return this.#register(value, 'gpr', bits, kind.width, (number) => (this.rm = number));
        }
        return this.#memory(value, bits, kind.width, 'no');
      case 'memory':
        return this.#memory(value, bits, kind.width, pattern.kindName !== 'mfar' ? 'no' : onlyOperand ? 'must' : 'may');
      case 'memoryOffset':
        if (value.kind !== 'memory' || value.offset === undefined) return false;
        if (!this.#memory(value, bits, kind.width, 'no')) return false;
        this.unsizedWidth = undefined; // the accumulator says it
        this.immediates.push(BigInt.asUintN(value.addressSize, value.offset));
        return true;
      case 'segment':
        return this.#register(value, 'segment', 16, 16, (number) => (this.reg = number));
      case 'control':
      case 'debug':
        return this.#register(value, kind.source, 0, 0, (number) => (this.reg = number));
      case 'stack87':
        return this.#register(value, 'stack87', 80, 80, (number) => (this.rm = number));
      case 'fixed':
        if (kind.fixedClass === 'constant') return value.kind === 'immediate' && value.value === BigInt(kind.fixed!);
        return (
          value.kind === 'register' &&
          value.register.number === kind.fixed &&
          !value.register.high &&
          this.#register(value, kind.fixedClass!, bits, kind.width, () => {})
        );
      case 'immediate':
        return value.kind === 'immediate' && this.#immediate(pattern, value);
      case 'relative':
        if (value.kind !== 'immediate') return false;
        if (value.distance !== undefined && (value.distance === 'short') !== (kind.encodedWidth === 8)) return false;
        if (value.size !== undefined) {
          if (value.size !== bits) return false;
          this.tellsSize = true;
        }
        this.target = value.value;
        this.immediates.push(0n);
        return true;
      case 'farPointer':
        if (value.kind !== 'far' || (value.size !== undefined && value.size !== bits)) return false;
        if (value.size !== undefined) this.tellsSize = true;
        if (!fits(value.offset, bits) || !fits(value.selector, 16)) return false;
        this.immediates.push(BigInt.asUintN(bits, value.offset), BigInt.asUintN(16, value.selector));
        return true;
      default:
        return false;
    }
  }

  #register(
    value: OperandValue,
    registerClass: string,
    bits: number,
    width: number | string,
    set: (number: number) => void,
  ): boolean {
    if (value.kind !== 'register') return false;
    const { register } = value;
    if (register.class !== registerClass || register.width !== bits) return false;
    if (typeof width !== 'number') this.tellsSize = true;
    if (register.needsRex) this.needsRex = true;
    if (register.high) this.high = true;
    set(register.number);
    return true;
  }

  #memory(value: OperandValue, bits: number, width: number | string, far: 'no' | 'may' | 'must'): boolean {
    if (value.kind !== 'memory') return false;
    if (far === 'no' ? value.far : far === 'must' && !value.far) return false;
    if (value.size !== undefined) {
      if (bits !== 0 && value.size !== bits) return false;
      if (typeof width !== 'number') this.tellsSize = true;
    } else if (bits !== 0) this.unsizedWidth = bits;
    this.memory = value.memory;
    this.addressSize = value.addressSize;
    this.displacementSize = value.displacementSize;
    this.memoryTarget = value.target;
    return true;
  }

  #immediate({ kind }: PatternOperand, { value, size }: OperandValue & { kind: 'immediate' }): boolean {
    const bits = this.#bits(kind.width);
    const encoded = kind.encodedWidth === undefined ? bits : this.#bits(kind.encodedWidth);
    if (size !== undefined) {
      if (size === bits) this.tellsSize ||= typeof kind.width !== 'number';
      else if (size !== encoded) return false;
    }
    if (!fits(value, bits)) return false;
    if (kind.encodedWidth === undefined) {
      this.immediates.push(BigInt.asUintN(bits, value));
      return true;
    }
    const signed = BigInt.asIntN(bits, value);
    if (BigInt.asIntN(encoded, signed) !== signed) return false;
    this.immediates.push(signed);
    return true;
  }
}

/** Whether a value can be taken as `bits` bits, signed or unsigned. */
const fits = (value: bigint, bits: number): boolean => value < 1n << BigInt(bits) && value >= -(1n << BigInt(bits - 1));
