/**
 * Reads the encoding notation of `instruction.ts` into patterns: what the decoder looks up and the assembler writes.
 * Everything that can be wrong about a row's encodings is found here, when the table loads.
 */
import type { Access, Encoding, InstructionRow } from './instruction.ts';
import { OPERAND_KINDS, type OperandKind, type OperandKindName } from './operand-kind.ts';

export type Size = 16 | 32 | 64;
/** Code width: CS.D, or 64 for 64-bit mode. */
export type Mode = 16 | 32 | 64;
export const SIZES: readonly Size[] = [16, 32, 64];

/** Prefixes that choose an instruction: none of them, 66, F3, F2, as bit numbers of `EncodingPattern.prefixMask`. */
export const PREFIX_CLASS = { none: 0, 102: 1, 243: 2, 242: 3 } as const;

/** One operand of a pattern. */
export interface PatternOperand {
  readonly name: string;
  readonly kindName: OperandKindName;
  readonly kind: OperandKind;
  readonly access: Access;
  /** Not written in assembly text. */
  readonly implicit: boolean;
}

export interface EncodingPattern {
  readonly row: InstructionRow;
  readonly encoding: Encoding;
  readonly encodingIndex: number;
  /** 0: none. */
  readonly mandatoryPrefix: 0 | 0x66 | 0xf2 | 0xf3;
  /** None of 66, F2, F3 may stand (`np`). */
  readonly noPrefix: boolean;
  /** Prefix classes it accepts, one bit each (`PREFIX_CLASS`). */
  readonly prefixMask: number;
  /** 0: one-byte opcodes; 1: 0F; 2: 0F 38; 3: 0F 3A. */
  readonly map: 0 | 1 | 2 | 3;
  /** The last opcode byte, its variable bits 0. */
  readonly opcode: number;
  /** What the opcode byte's low bits carry: nothing, a register (3 bits), a condition (4 bits). */
  readonly low: 'none' | 'register' | 'condition';
  /** none; `/r`; `/x`; `/0`..`/7`; a whole byte (register form), with or without a register in its low bits. */
  readonly modrm: 'none' | 'register' | 'ignored' | 'digit' | 'byte' | 'byteWithRegister';
  /** The digit or the whole byte. */
  readonly modrmValue: number;
  /** Which ModR/M.mod it accepts. */
  readonly form: 'register' | 'memory' | 'either';
  readonly anyMod: boolean;
  readonly modes: readonly Mode[];
  /** Operand and address sizes it accepts. */
  readonly operandSizes: readonly Size[];
  readonly addressSizes: readonly Size[];
  /** Operand size in 64-bit mode: as usual, 64 by default (`d64`), always 64 (`f64`). */
  readonly size64: 'usual' | 'default' | 'forced';
  readonly operands: readonly PatternOperand[];
  /** LOCK may stand if the operand in ModR/M.rm is memory. */
  readonly lockable: boolean;
  /** The register in ModR/M.reg is a segment register that is written: CS is not allowed. */
  readonly writesSegment: boolean;
}

/** Immediate words and the operand kinds they announce. */
const IMMEDIATE_WORDS: Readonly<Record<string, readonly OperandKindName[]>> = {
  ib: ['imm8', 'imm8s'],
  iw: ['imm16'],
  iz: ['immz'],
  iv: ['immv'],
  cb: ['rel8'],
  cz: ['relz'],
  cp: ['far'],
};
const MANDATORY = new Set([0x66, 0xf2, 0xf3]);
const LEGACY_PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);

/** All patterns of a table. @throws TypeError naming row and encoding when one is wrong. */
export function parseEncodings(rows: readonly InstructionRow[]): EncodingPattern[] {
  return rows.flatMap((row) => {
    checkRow(row);
    return row.encodings.map((_, index) => parseEncoding(row, index));
  });
}

function checkRow(row: InstructionRow): void {
  const fail = (message: string): never => {
    throw new TypeError(`row ${row.mnemonic}: ${message}`);
  };
  if (row.mnemonic !== row.mnemonic.toLowerCase()) fail('the mnemonic must be lower case');
  if (row.encodings.length === 0) fail('no encodings');
  for (const name of row.implicit ?? []) {
    if (!Object.hasOwn(row.operands, name)) fail(`implicit operand ${name} is not an operand`);
  }
}

/** Parses one encoding. @throws TypeError naming row and encoding when it is wrong. */
export function parseEncoding(row: InstructionRow, encodingIndex: number): EncodingPattern {
  const encoding = row.encodings[encodingIndex];
  const [text, ...kindNames] = encoding;
  const fail = (message: string): never => {
    throw new TypeError(`row ${row.mnemonic}, encoding '${encoding.join(', ')}': ${message}`);
  };

  const bytes: number[] = [];
  const immediates: string[] = [];
  const flags = new Set<string>();
  let suffix: string | undefined;
  let slash: string | undefined;
  for (const word of text.split(' ')) {
    const byte = /^([0-9A-F]{2})(\+r|\+cc|\+i)?$/.exec(word);
    if (byte) {
      if (suffix !== undefined || slash !== undefined || immediates.length > 0) fail(`${word} follows the opcode`);
      bytes.push(Number.parseInt(byte[1], 16));
      suffix = byte[2];
    } else if (/^\/[0-7rx]$/.test(word)) {
      if (slash !== undefined) fail('two ModR/M words');
      if (immediates.length > 0) fail('ModR/M after an immediate');
      slash = word[1];
    } else if (Object.hasOwn(IMMEDIATE_WORDS, word)) {
      immediates.push(word);
    } else if (/^(np|o16|o32|o64|a16|a32|a64|i64|n64|d64|f64|anymod)$/.test(word)) {
      if (flags.has(word)) fail(`${word} twice`);
      flags.add(word);
    } else fail(`unknown word '${word}'`);
  }

  // The opcode bytes: mandatory prefix, map, opcode, ModR/M byte.
  let at = 0;
  let mandatoryPrefix: EncodingPattern['mandatoryPrefix'] = 0;
  if (bytes.length > 1 && MANDATORY.has(bytes[0])) mandatoryPrefix = bytes[at++] as 0x66 | 0xf2 | 0xf3;
  let map: EncodingPattern['map'] = 0;
  if (bytes[at] === 0x0f) {
    map = 1;
    at++;
    if (bytes[at] === 0x38 || bytes[at] === 0x3a) map = bytes[at++] === 0x38 ? 2 : 3;
  }
  if (at >= bytes.length) fail('no opcode byte');
  const opcode = bytes[at++];
  if (map === 0 && LEGACY_PREFIXES.has(opcode)) fail('the opcode is a prefix');
  const modrmByte = bytes[at++];
  if (at <= bytes.length - 1) fail('too many bytes');
  if (modrmByte !== undefined && slash !== undefined) fail('a ModR/M byte and a ModR/M word');
  if (modrmByte !== undefined && modrmByte < 0xc0) fail('a whole ModR/M byte must be a register form');
  if (mandatoryPrefix !== 0 && flags.has('np')) fail('np with a mandatory prefix');

  const lowBits = suffix === '+cc' ? 15 : suffix === undefined ? 0 : 7;
  if (((modrmByte ?? opcode) & lowBits) !== 0) fail(`low bits before ${suffix} are not 0`);
  if (suffix === '+i' && modrmByte === undefined) fail('+i needs a ModR/M byte');
  if (suffix !== undefined && suffix !== '+i' && modrmByte !== undefined) fail(`${suffix} on a ModR/M byte`);
  if ((suffix === '+cc') !== row.mnemonic.endsWith('cc')) fail('+cc and a mnemonic in cc go together');

  // The operands.
  const names = Object.keys(row.operands);
  if (kindNames.length > names.length) fail('more operand kinds than the row has operands');
  const operands = kindNames.map((kindName, position): PatternOperand => {
    if (!Object.hasOwn(OPERAND_KINDS, kindName)) fail(`unknown operand kind ${kindName}`);
    const name = names[position];
    return {
      name,
      kindName,
      kind: OPERAND_KINDS[kindName],
      access: row.operands[name],
      implicit: row.implicit?.includes(name) ?? false,
    };
  });
  const inSource = (...sources: OperandKind['source'][]) =>
    operands.filter((operand) => sources.includes(operand.kind.source));
  const expectCount = (what: string, found: number, expected: number) => {
    if (found !== expected) fail(`${found} operands in ${what}, expected ${expected}`);
  };
  const rmOperands = inSource('rm', 'memory', 'rmReg');
  expectCount("the opcode's low bits", inSource('opcode').length, suffix === '+r' ? 1 : 0);
  expectCount('ModR/M.reg', inSource('reg', 'segment', 'control', 'debug').length, slash === 'r' ? 1 : 0);
  if (slash === undefined) expectCount('ModR/M.rm', rmOperands.length, 0);
  else expectCount('ModR/M.rm', rmOperands.length, 1);
  if (inSource('stack87').length > 1 || (inSource('stack87').length === 1 && suffix !== '+i')) fail('sti without +i');
  if (inSource('memoryOffset').length > 0 && slash !== undefined) fail('a memory offset and ModR/M');

  const wanted = inSource('immediate', 'relative', 'farPointer');
  if (wanted.length !== immediates.length) fail('immediate words and operand kinds differ in number');
  immediates.forEach((word, index) => {
    if (!IMMEDIATE_WORDS[word].includes(wanted[index].kindName)) fail(`${word} does not fit ${wanted[index].kindName}`);
  });

  if (flags.has('i64') && flags.has('n64')) fail('i64 and n64');
  if (flags.has('d64') && flags.has('f64')) fail('d64 and f64');
  const sizes = (letter: 'o' | 'a'): readonly Size[] => {
    const given = SIZES.filter((size) => flags.has(`${letter}${size}`));
    return given.length > 0 ? given : SIZES;
  };
  const anyMod = flags.has('anymod');
  if (anyMod && rmOperands[0]?.kind.source !== 'rmReg') fail('anymod needs a register in ModR/M.rm');
  const rmSource = rmOperands[0]?.kind.source;

  return {
    row,
    encoding,
    encodingIndex,
    mandatoryPrefix,
    noPrefix: flags.has('np'),
    prefixMask: mandatoryPrefix !== 0 ? 1 << PREFIX_CLASS[mandatoryPrefix] : flags.has('np') ? 1 : 15,
    map,
    opcode,
    low: suffix === '+r' ? 'register' : suffix === '+cc' ? 'condition' : 'none',
    modrm:
      modrmByte !== undefined
        ? suffix === '+i'
          ? 'byteWithRegister'
          : 'byte'
        : slash === undefined
          ? 'none'
          : slash === 'r'
            ? 'register'
            : slash === 'x'
              ? 'ignored'
              : 'digit',
    modrmValue: modrmByte ?? (slash !== undefined && /\d/.test(slash) ? Number(slash) : 0),
    form: modrmByte !== undefined || rmSource === 'rmReg' ? 'register' : rmSource === 'memory' ? 'memory' : 'either',
    anyMod,
    modes: flags.has('i64') ? [16, 32] : flags.has('n64') ? [64] : SIZES,
    operandSizes: sizes('o'),
    addressSizes: sizes('a'),
    size64: flags.has('f64') ? 'forced' : flags.has('d64') ? 'default' : 'usual',
    operands,
    lockable:
      row.lockable === true && rmOperands.some(({ access, kind }) => access.includes('w') && kind.source !== 'rmReg'),
    writesSegment: inSource('segment').some(({ access }) => access.includes('w')),
  };
}

/** Width in bits that stands behind a width in the table's notation. */
export function bitsOf(width: number | 'v' | 'z' | 'a', operandSize: Size, addressSize: Size): number {
  if (typeof width === 'number') return width;
  if (width === 'a') return addressSize;
  return width === 'z' && operandSize === 64 ? 32 : operandSize;
}

/** Operand size that prefixes and mode give a pattern. SDM Vol. 1, "Operand-Size and Address-Size Attributes". */
export function operandSizeOf(pattern: EncodingPattern, mode: Mode, prefix66: boolean, rexW: boolean): Size {
  const override = prefix66 && pattern.mandatoryPrefix !== 0x66;
  if (mode !== 64) return (mode === 16) === override ? 32 : 16;
  if (pattern.size64 === 'forced' || rexW) return 64;
  if (override) return 16;
  return pattern.size64 === 'default' ? 64 : 32;
}

/** Address size that the 67 prefix and the mode give. */
export function addressSizeOf(mode: Mode, prefix67: boolean): Size {
  if (!prefix67) return mode;
  return mode === 32 ? 16 : 32;
}

/** Operand sizes that a pattern can have in a mode. */
export function operandSizesIn(pattern: EncodingPattern, mode: Mode): Size[] {
  if (!pattern.modes.includes(mode)) return [];
  const reachable = [
    operandSizeOf(pattern, mode, false, false),
    operandSizeOf(pattern, mode, !pattern.noPrefix, false),
    operandSizeOf(pattern, mode, false, mode === 64),
  ];
  return pattern.operandSizes.filter((size) => reachable.includes(size));
}

/** Address sizes that a pattern can have in a mode. */
export function addressSizesIn(pattern: EncodingPattern, mode: Mode): Size[] {
  return pattern.addressSizes.filter((size) => size === mode || size === addressSizeOf(mode, true));
}
