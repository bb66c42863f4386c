/**
 * The instruction table turned inside out: per code width, from opcode map, opcode byte, ModR/M and prefixes to the
 * patterns that match. Two patterns that match the same bytes are an error, found when the table loads.
 */
import { type EncodingPattern, type Mode, parseEncodings } from './encoding.ts';
import type { InstructionRow } from './instruction.ts';

/** How many immediates a pattern reads and how: one entry per field, in order. */
export interface ImmediateField {
  /** Width in bits, or how it follows: 'v' and 'z' the operand size, 'a' the address size. */
  readonly width: 8 | 16 | 'v' | 'z' | 'a';
  readonly signed: boolean;
}

/** A pattern as the decoder meets it. */
export interface Candidate {
  readonly pattern: EncodingPattern;
  /** Bits 1 << PREFIX_CLASS. */
  readonly prefixMask: number;
  /** Bits 16, 32, 64 are accepted sizes. */
  readonly operandSizeMask: number;
  readonly addressSizeMask: number;
  /** The opcode is also a `+r` one: with REX.B it names another register, so it is not this instruction (90 is NOP, 41 90 is not). */
  readonly exceptRexB: boolean;
  readonly readsMemory: boolean;
  readonly immediates: readonly ImmediateField[];
  /** Which of the operands (if any) is a memory offset or the source string. */
  readonly implicitMemory: 'none' | 'offset' | 'string';
  readonly regLimit: 'none' | 'segment' | 'writtenSegment' | 'control' | 'debug';
}

/** What an opcode byte leads to. */
export interface OpcodeSlot {
  readonly hasModrm: boolean;
  /** Without ModR/M: the candidates. */
  readonly candidates: readonly Candidate[];
  /** With ModR/M, memory form: by reg. */
  readonly memory: readonly (readonly Candidate[])[];
  /** With ModR/M, register form: by reg and rm. */
  readonly register: readonly (readonly Candidate[])[];
}

/** Opcode slots of one code width, by map and opcode byte. */
export type DecodeTable = readonly (readonly (OpcodeSlot | undefined)[])[];

/** @throws TypeError naming row and encoding when one is wrong or two collide. */
export function createDecodeTables(rows: readonly InstructionRow[]): Readonly<Record<Mode, DecodeTable>> {
  const patterns = parseEncodings(rows);
  return { 16: createTable(patterns, 16), 32: createTable(patterns, 32), 64: createTable(patterns, 64) };
}

const NO_CANDIDATES: readonly Candidate[] = [];

function createTable(patterns: readonly EncodingPattern[], mode: Mode): DecodeTable {
  const byOpcode = new Map<number, EncodingPattern[]>();
  for (const pattern of patterns) {
    if (!pattern.modes.includes(mode)) continue;
    const count = pattern.low === 'register' ? 8 : pattern.low === 'condition' ? 16 : 1;
    for (let low = 0; low < count; low++) {
      const key = (pattern.map << 8) | pattern.opcode | low;
      const found = byOpcode.get(key);
      if (found) found.push(pattern);
      else byOpcode.set(key, [pattern]);
    }
  }
  const table: (OpcodeSlot | undefined)[][] = [0, 1, 2, 3].map(() => new Array(256).fill(undefined));
  for (const [key, found] of byOpcode) table[key >> 8][key & 0xff] = createSlot(found);
  return table;
}

function createSlot(patterns: readonly EncodingPattern[]): OpcodeSlot {
  const hasModrm = patterns[0].modrm !== 'none';
  const other = patterns.find(({ modrm }) => (modrm !== 'none') !== hasModrm);
  if (other !== undefined)
    throw new TypeError(`${describe(patterns[0])} and ${describe(other)}: with and without ModR/M`);

  const registerLow = patterns.some(({ low }) => low === 'register');
  const candidates = new Map(
    patterns.map((pattern) => [pattern, createCandidate(pattern, registerLow && pattern.low === 'none')]),
  );
  const lists = new Map<string, readonly Candidate[]>([['', NO_CANDIDATES]]);
  /** The candidates that accept, most specific first; equal sets share one list. */
  const choose = (accepts: (pattern: EncodingPattern) => boolean): readonly Candidate[] => {
    let key = '';
    for (let index = 0; index < patterns.length; index++) {
      if (accepts(patterns[index])) key += String.fromCharCode(index);
    }
    const known = lists.get(key);
    if (known) return known;
    const sorted = patterns.filter(accepts).sort((a, b) => specificity(b) - specificity(a));
    checkDistinct(sorted);
    const list = sorted.map((pattern) => candidates.get(pattern)!);
    lists.set(key, list);
    return list;
  };
  if (!hasModrm) {
    return { hasModrm, candidates: choose(() => true), memory: [], register: [] };
  }
  const matches = (pattern: EncodingPattern, modrm: number): boolean => {
    const memory = modrm < 0xc0;
    if (!pattern.anyMod && (memory ? pattern.form === 'register' : pattern.form === 'memory')) return false;
    switch (pattern.modrm) {
      case 'byte':
        return pattern.modrmValue === modrm;
      case 'byteWithRegister':
        return pattern.modrmValue === (modrm & 0xf8);
      case 'digit':
        return pattern.modrmValue === ((modrm >> 3) & 7);
      default:
        return true;
    }
  };
  return {
    hasModrm,
    candidates: NO_CANDIDATES,
    memory: Array.from({ length: 8 }, (_, reg) => choose((pattern) => matches(pattern, reg << 3))),
    register: Array.from({ length: 64 }, (_, low) => choose((pattern) => matches(pattern, 0xc0 | low))),
  };
}

/** Order in which candidates are tried: mandatory prefixes, then exact opcodes, then those with a register in them. */
const specificity = (pattern: EncodingPattern): number =>
  (pattern.mandatoryPrefix !== 0 ? 8 : 0) +
  (pattern.noPrefix ? 4 : 0) +
  (pattern.modrm === 'byte' ? 2 : 0) +
  (pattern.modrm === 'byteWithRegister' ? 1 : 0) +
  (pattern.low === 'none' ? 1 : 0);

/** Candidates of one slot must differ in specificity or in what they accept. */
function checkDistinct(sorted: readonly EncodingPattern[]): void {
  sorted.forEach((pattern, index) => {
    for (const other of sorted.slice(index + 1)) {
      if (
        specificity(pattern) === specificity(other) &&
        (pattern.prefixMask & other.prefixMask) !== 0 &&
        pattern.operandSizes.some((size) => other.operandSizes.includes(size)) &&
        pattern.addressSizes.some((size) => other.addressSizes.includes(size))
      ) {
        throw new TypeError(`${describe(pattern)} and ${describe(other)} have the same bytes`);
      }
    }
  });
}

const describe = (pattern: EncodingPattern): string =>
  `row ${pattern.row.mnemonic}, encoding '${pattern.encoding.join(', ')}'`;

function createCandidate(pattern: EncodingPattern, exceptRexB: boolean): Candidate {
  const sources = pattern.operands.map(({ kind }) => kind.source);
  return {
    pattern,
    prefixMask: pattern.prefixMask,
    operandSizeMask: pattern.operandSizes.reduce((mask, size) => mask | size, 0),
    addressSizeMask: pattern.addressSizes.reduce((mask, size) => mask | size, 0),
    exceptRexB,
    readsMemory: pattern.modrm !== 'none' && !pattern.anyMod,
    immediates: immediateFields(pattern),
    implicitMemory: sources.includes('memoryOffset') ? 'offset' : sources.includes('stringSource') ? 'string' : 'none',
    regLimit: sources.includes('segment')
      ? pattern.writesSegment
        ? 'writtenSegment'
        : 'segment'
      : sources.includes('control')
        ? 'control'
        : sources.includes('debug')
          ? 'debug'
          : 'none',
  };
}

/** The immediate fields that follow opcode, ModR/M and displacement, in order. */
export function immediateFields(pattern: EncodingPattern): ImmediateField[] {
  return pattern.operands.flatMap(({ kind }): ImmediateField[] => {
    switch (kind.source) {
      case 'immediate':
      case 'relative':
        return [
          {
            width: (kind.encodedWidth ?? kind.width) as ImmediateField['width'],
            signed: kind.encodedWidth !== undefined,
          },
        ];
      case 'farPointer':
        return [
          { width: 'z', signed: false },
          { width: 16, signed: false },
        ];
      case 'memoryOffset':
        return [{ width: 'a', signed: false }];
      default:
        return [];
    }
  });
}
