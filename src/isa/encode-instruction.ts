/**
 * The encoder: the decoder's inverse. From a row, one of its encodings and the values of the fields to bytes.
 * `{ ...decoded, mode }` of a decoded instruction is such a set of fields.
 */
import { ADDRESS_FORMS_16, defaultSegment } from './address-form.ts';
import { immediateFields } from './decode-table.ts';
import type { MemoryOperand } from './decoded-instruction.ts';
import {
  addressSizeOf,
  bitsOf,
  type EncodingPattern,
  type Mode,
  operandSizeOf,
  PREFIX_CLASS,
  parseEncoding,
  type Size,
} from './encoding.ts';
import type { InstructionRow } from './instruction.ts';
import { GPR, SEGMENT } from './semantics.ts';

/** Fields that every pattern shares; see `DecodedInstruction` for their meaning. */
export interface PatternFields {
  readonly mode: Mode;
  readonly operandSize: Size;
  readonly addressSize: Size;
  readonly condition?: number;
  readonly reg?: number;
  readonly rm?: number;
  readonly memory?: MemoryOperand | undefined;
  readonly immediates?: readonly bigint[];
  readonly lock?: boolean;
  readonly repeat?: 'none' | 'repe' | 'repne';
  /** A prefix to write whether or not it is needed; without it one is written when `memory.segment` is not the default. */
  readonly segmentOverride?: number | undefined;
  /** Write a REX prefix even if all its bits are 0. */
  readonly rex?: boolean;
  /** At least this many bits of displacement (8, or the full size for anything larger); default: as few as possible. */
  readonly displacementSize?: 0 | 8 | 16 | 32;
}

export interface InstructionFields extends PatternFields {
  readonly row: InstructionRow;
  /** Position in `row.encodings`. */
  readonly encodingIndex: number;
}

/**
 * Encodes one instruction. LOCK and repeat prefixes are written where asked for, also where they make it invalid.
 * @throws TypeError when the fields cannot be encoded
 */
export function encodeInstruction(fields: InstructionFields): Uint8Array {
  const pattern = parseEncoding(fields.row, fields.encodingIndex);
  const bytes = encodePattern(pattern, fields);
  if (typeof bytes === 'string')
    throw new TypeError(`${fields.row.mnemonic}, '${pattern.encoding.join(', ')}': ${bytes}`);
  return Uint8Array.from(bytes);
}

const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65] as const;
const MAPS = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]] as const;

/** ModR/M.mod and rm with the bits that go into REX, SIB and displacement. */
interface EncodedMemory {
  readonly mod: number;
  readonly low: number;
  readonly sib?: number;
  readonly displacement: readonly [value: bigint, bits: number];
  readonly rexX: boolean;
  readonly rexB: boolean;
}

/** Bytes, or why there are none. */
export function encodePattern(pattern: EncodingPattern, fields: PatternFields): number[] | string {
  const { mode, operandSize, addressSize, reg = 0, rm = 0, immediates = [] } = fields;
  if (!pattern.modes.includes(mode)) return `not in ${mode}-bit mode`;
  if (!pattern.operandSizes.includes(operandSize)) return `no operand size ${operandSize}`;
  if (!pattern.addressSizes.includes(addressSize)) return `no address size ${addressSize}`;
  const prefix67 = addressSize !== mode;
  if (addressSizeOf(mode, prefix67) !== addressSize) return `no address size ${addressSize} in ${mode}-bit mode`;
  const sizePrefixes = (
    [
      [false, false],
      [true, false],
      [false, true],
    ] as const
  ).find(
    ([prefix66, rexW]) =>
      !(prefix66 && pattern.noPrefix) &&
      !(rexW && mode !== 64) &&
      operandSizeOf(pattern, mode, prefix66, rexW) === operandSize,
  );
  if (sizePrefixes === undefined) return `no operand size ${operandSize} in ${mode}-bit mode`;
  const [prefix66, rexW] = sizePrefixes;
  const repeat = fields.repeat ?? 'none';
  const repeatByte = repeat === 'none' ? undefined : repeat === 'repe' ? 0xf3 : 0xf2;
  if (repeatByte !== undefined && !(pattern.prefixMask & (1 << PREFIX_CLASS[repeatByte])))
    return 'no repeat prefix possible';

  const usesModrm = pattern.modrm !== 'none';
  let rex = rexW ? 8 : 0;
  let modrm: number | undefined;
  let memory: EncodedMemory | undefined;
  if (pattern.modrm === 'byte') modrm = pattern.modrmValue;
  else if (pattern.modrm === 'byteWithRegister') modrm = pattern.modrmValue | rm;
  else if (usesModrm) {
    const regField = pattern.modrm === 'register' ? reg : pattern.modrmValue;
    if (regField >= 8) rex |= 4;
    if (fields.memory !== undefined) {
      if (pattern.form === 'register') return 'no memory operand possible';
      const encoded = encodeMemory(fields.memory, addressSize, mode, fields.displacementSize ?? 0);
      if (typeof encoded === 'string') return encoded;
      memory = encoded;
      if (encoded.rexX) rex |= 2;
      if (encoded.rexB) rex |= 1;
      modrm = (encoded.mod << 6) | ((regField & 7) << 3) | encoded.low;
    } else {
      if (pattern.form === 'memory') return 'no register operand possible';
      if (rm >= 8) rex |= 1;
      modrm = 0xc0 | ((regField & 7) << 3) | (rm & 7);
    }
  } else if (pattern.low === 'register' && rm >= 8) rex |= 1;
  const hasRex = rex !== 0 || fields.rex === true;
  if (hasRex && mode !== 64) return 'this register exists only in 64-bit mode';
  if (hasRex && fields.rex !== true && usesHighByte(pattern, fields))
    return 'AH, CH, DH, BH cannot stand next to what needs REX';

  const bytes: number[] = [];
  const segment = fields.segmentOverride ?? neededOverride(fields.memory, mode);
  if (segment === 'none') return 'this segment cannot be chosen in 64-bit mode';
  if (fields.lock) bytes.push(0xf0);
  if (repeatByte !== undefined && repeatByte !== pattern.mandatoryPrefix) bytes.push(repeatByte);
  if (segment !== undefined) bytes.push(SEGMENT_PREFIXES[segment]);
  if (prefix67) bytes.push(0x67);
  if (prefix66) bytes.push(0x66);
  if (pattern.mandatoryPrefix !== 0) bytes.push(pattern.mandatoryPrefix);
  if (hasRex) bytes.push(0x40 | rex);
  const low = pattern.low === 'register' ? rm & 7 : pattern.low === 'condition' ? (fields.condition ?? 0) : 0;
  bytes.push(...MAPS[pattern.map], pattern.opcode | low);
  if (modrm !== undefined) bytes.push(modrm);
  if (memory?.sib !== undefined) bytes.push(memory.sib);
  if (memory !== undefined) pushLittleEndian(bytes, ...memory.displacement);

  const immediateWidths = immediateFields(pattern);
  if (immediateWidths.length !== immediates.length) return `${immediateWidths.length} immediates needed`;
  for (const [index, { width, signed }] of immediateWidths.entries()) {
    const bits = bitsOf(width, operandSize, addressSize);
    const value = immediates[index];
    if ((signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value)) !== value) {
      return `immediate ${value} does not fit ${bits} bits`;
    }
    pushLittleEndian(bytes, value, bits);
  }
  return bytes;
}

/** Whether a byte register operand is one of AH, CH, DH, BH (4..7 without REX). */
function usesHighByte(pattern: EncodingPattern, { reg = 0, rm = 0, memory }: PatternFields): boolean {
  return pattern.operands.some(({ kind }) => {
    if (kind.width !== 8) return false;
    if (kind.source === 'reg') return reg >= 4 && reg < 8;
    const inRm = kind.source === 'opcode' || kind.source === 'rmReg' || (kind.source === 'rm' && memory === undefined);
    return inRm && rm >= 4 && rm < 8;
  });
}

function neededOverride(memory: MemoryOperand | undefined, mode: Mode): number | undefined | 'none' {
  if (memory === undefined || memory.segment === defaultSegment(memory.base)) return undefined;
  return mode === 64 && memory.segment < SEGMENT.FS ? 'none' : memory.segment;
}

function encodeMemory(
  { base, index, scale, displacement }: MemoryOperand,
  addressSize: Size,
  mode: Mode,
  displacementSize: number,
): EncodedMemory | string {
  if (!Number.isSafeInteger(displacement)) return 'displacement is not an integer';
  const value = BigInt.asIntN(addressSize, BigInt(displacement));
  const full = addressSize === 16 ? 16 : 32;
  if (addressSize === 64 && BigInt.asIntN(32, value) !== value) return 'displacement does not fit 32 bits';
  /** mod for a form with a base: displacement of 0, 8 or all bits; `needsOne`: mod 0 means something else. */
  const sized = (needsOne: boolean): { mod: number; displacement: readonly [bigint, number] } => {
    if (value === 0n && displacementSize === 0 && !needsOne) return { mod: 0, displacement: [0n, 0] };
    if (BigInt.asIntN(8, value) === value && displacementSize <= 8) return { mod: 1, displacement: [value, 8] };
    return { mod: 2, displacement: [value, full] };
  };

  if (addressSize === 16) {
    const none = { rexX: false, rexB: false };
    if (base === undefined && index === undefined) return { mod: 0, low: 6, displacement: [value, 16], ...none };
    const low = ADDRESS_FORMS_16.findIndex(
      (form) => (form.base === base && form.index === index) || (form.base === index && form.index === base),
    );
    if (low < 0 || scale !== 0) return 'no such 16-bit address';
    return { low, ...sized(low === 6), ...none };
  }
  if (index === GPR.rSP) return 'rSP cannot be an index';
  if (base === 'ip') {
    if (mode !== 64 || index !== undefined) return 'no such RIP-relative address';
    return { mod: 0, low: 5, displacement: [value, 32], rexX: false, rexB: false };
  }
  const rexX = (index ?? 0) >= 8;
  const sibIndex = index === undefined ? 4 : index & 7;
  if (base === undefined) {
    if (index === undefined && mode !== 64) return { mod: 0, low: 5, displacement: [value, 32], rexX, rexB: false };
    return { mod: 0, low: 4, sib: (scale << 6) | (sibIndex << 3) | 5, displacement: [value, 32], rexX, rexB: false };
  }
  const rexB = base >= 8;
  const size = sized((base & 7) === GPR.rBP);
  if (index === undefined && (base & 7) !== GPR.rSP) return { low: base & 7, ...size, rexX, rexB };
  return { low: 4, sib: (scale << 6) | (sibIndex << 3) | (base & 7), ...size, rexX, rexB };
}

function pushLittleEndian(bytes: number[], value: bigint, bits: number): void {
  const unsigned = BigInt.asUintN(bits, value);
  for (let shift = 0; shift < bits; shift += 8) bytes.push(Number((unsigned >> BigInt(shift)) & 0xffn));
}
