/**
 * The disassembler: decoded instructions as text that our assembler takes back. The style is NASM's:
 *
 * - lower case, `, ` between operands; numbers in hexadecimal (`0x1f`), digits up to 9 plain;
 * - memory with its size before the brackets and a segment only where it is not the default one:
 *   `dword [ebx+ecx*4+0x10]`, `word [es:di]`; RIP-relative as `[rel target]`; far pointers as `far [eax]`, `0x8:0x1000`;
 * - branch targets as addresses; sign-extended bytes with their sign;
 * - prefixes only where they mean something: `lock`, `rep`/`repe`/`repne` on string instructions, a segment before
 *   string instructions, `o16`/`a32`… where neither operands nor mnemonic show an unusual size (`push word 5` shows it).
 */

import { defaultSegment } from './address-form.ts';
import { isWritten } from './assembler-match.ts';
import type { DecodedInstruction } from './decoded-instruction.ts';
import { type EncodingPattern, type Mode, operandSizeOf, parseEncoding, type Size } from './encoding.ts';
import { mnemonicOf } from './mnemonics.ts';
import { gprName, SEGMENT_NAMES } from './register-names.ts';
import { type ResolvedOperand, resolveOperands } from './resolve-operands.ts';
import { type Form, traceForm } from './trace.ts';

const SIZE_WORDS: Readonly<Record<number, string>> = {
  8: 'byte',
  16: 'word',
  32: 'dword',
  64: 'qword',
  80: 'tword',
  128: 'oword',
};

/**
 * Text of one instruction.
 * @param address offset of the instruction in its code segment
 * @param mode code width it was decoded for
 */
export function disassemble(instruction: DecodedInstruction, address: number | bigint, mode: Mode): string {
  const pattern = parseEncoding(instruction.row, instruction.encodingIndex);
  const mnemonic = mnemonicOf(pattern, {
    condition: instruction.condition,
    operandSize: instruction.operandSize,
    mode,
  });
  const written = resolveOperands(instruction, pattern, BigInt(address), mode).filter(({ operand }) =>
    isWritten(operand),
  );
  const context: TextContext = {
    at: BigInt(address),
    alone: written.length === 1,
    unusualSize: instruction.operandSize !== operandSizeOf(pattern, mode, false, false),
  };
  const operands = written.map((operand) => operandText(operand, instruction, context));
  const prefixes = [
    instruction.lock && 'lock',
    repeatWord(instruction),
    stringSegment(instruction, pattern),
    !mnemonic.tellsSize && operandSizeWord(instruction, pattern, written, mode),
    addressSizeWord(instruction, pattern, mode),
  ].filter((word) => word !== false);
  return [...prefixes, mnemonic.name, operands.join(', ')].filter((word) => word !== '').join(' ');
}

/** 0x… for numbers above 9, with a sign in front where negative. */
export function hexNumber(value: bigint): string {
  if (value < 0n) return `-${hexNumber(-value)}`;
  return value < 10n ? value.toString() : `0x${value.toString(16)}`;
}

interface TextContext {
  readonly at: bigint;
  /** There is one operand only. */
  readonly alone: boolean;
  /** The operand size is not the one that goes without a prefix. */
  readonly unusualSize: boolean;
}

function operandText(operand: ResolvedOperand, instruction: DecodedInstruction, context: TextContext): string {
  switch (operand.kind) {
    case 'register':
      return registerText(operand, instruction.rex);
    case 'memory': {
      // `far` where a near form exists; LES and its like have a register beside it and no such form.
      const size = operand.far ? (context.alone ? 'far ' : '') : isHint(operand) ? '' : sizeWord(operand.width);
      return size + memoryText(operand, instruction, context);
    }
    case 'immediate': {
      const { encodedWidth } = operand.operand.kind;
      const signed = encodedWidth === 8 || operand.width === 64;
      const size = context.alone && context.unusualSize && followsSize(operand) ? sizeWord(operand.width) : '';
      return size + hexNumber(signed ? operand.value : BigInt.asUintN(operand.width, operand.value));
    }
    case 'target':
      return hexNumber(operand.address);
    case 'far':
      return `${hexNumber(operand.selector)}:${hexNumber(operand.offset)}`;
    case 'string':
      return '';
  }
}

/** Only the address counts, whatever the operand size (CLFLUSH, PREFETCH). */
const isHint = ({ operand: { access, kind } }: ResolvedOperand): boolean =>
  access === 'address' && typeof kind.width === 'number';
const followsSize = ({ operand }: ResolvedOperand): boolean => typeof operand.kind.width !== 'number';
const sizeWord = (width: number): string => (width === 0 ? '' : `${SIZE_WORDS[width]} `);

function registerText(operand: ResolvedOperand & { kind: 'register' }, rex: boolean): string {
  switch (operand.class) {
    case 'segment':
      return SEGMENT_NAMES[operand.number];
    case 'control':
      return `cr${operand.number}`;
    case 'debug':
      return `dr${operand.number}`;
    case 'stack87':
      return `st${operand.number}`;
    default:
      return gprName(operand.number, operand.width as 8 | Size, rex);
  }
}

function memoryText(
  { memory, displacement }: ResolvedOperand & { kind: 'memory' },
  instruction: DecodedInstruction,
  { at }: TextContext,
): string {
  const { addressSize } = instruction;
  const { base, index, scale } = memory;
  const segment = memory.segment === defaultSegment(base) ? '' : `${SEGMENT_NAMES[memory.segment]}:`;
  if (base === 'ip') {
    const target = BigInt.asUintN(addressSize, at + BigInt(instruction.length) + displacement);
    return `[rel ${segment}${hexNumber(target)}]`;
  }
  const registers = base === undefined ? [] : [gprName(base, addressSize, true)];
  if (index !== undefined) {
    // Without a base even a factor of 1 is written: it tells the index from a base. 16-bit addresses have no factors.
    const factor = addressSize === 16 || (scale === 0 && base !== undefined) ? '' : `*${1 << scale}`;
    registers.push(gprName(index, addressSize, true) + factor);
  }
  if (registers.length === 0) return `[${segment}${hexNumber(BigInt.asUintN(addressSize, displacement))}]`;
  const sign = displacement < 0n ? '-' : '+';
  const rest = displacement === 0n ? '' : sign + hexNumber(displacement < 0n ? -displacement : displacement);
  return `[${segment}${registers.join('+')}${rest}]`;
}

function repeatWord({ row, repeat }: DecodedInstruction): string | false {
  if (row.repeat === undefined || repeat === 'none') return false;
  return repeat === 'repe' && row.repeat === 'rep' ? 'rep' : repeat;
}

/** Segment override of an operand that is not written. */
function stringSegment({ memory }: DecodedInstruction, pattern: EncodingPattern): string | false {
  const hidden = pattern.operands.some(({ kind }) => kind.source === 'stringSource');
  if (!hidden || memory === undefined || memory.segment === defaultSegment(memory.base)) return false;
  return SEGMENT_NAMES[memory.segment];
}

function operandSizeWord(
  instruction: DecodedInstruction,
  pattern: EncodingPattern,
  written: readonly ResolvedOperand[],
  mode: Mode,
): string | false {
  const { operandSize } = instruction;
  const usual = operandSizeOf(pattern, mode, false, false);
  if (operandSize === usual || !pattern.operandSizes.includes(usual)) return false;
  const follows = written.filter(followsSize);
  const isSeen = (operand: ResolvedOperand): boolean =>
    operand.kind === 'register' ||
    (operand.kind === 'memory' && !operand.far) ||
    (operand.kind === 'immediate' && written.length === 1);
  if (follows.some(isSeen)) return false;
  const matters =
    follows.length > 0 ||
    !sameStructure(trace(instruction, mode, operandSize).statements, trace(instruction, mode, usual).statements);
  return matters && `o${operandSize}`;
}

function addressSizeWord(instruction: DecodedInstruction, pattern: EncodingPattern, mode: Mode): string | false {
  const { addressSize, memory } = instruction;
  if (addressSize === mode || !pattern.addressSizes.includes(mode)) return false;
  const hidden = pattern.operands.some(({ kind }) => kind.source === 'stringSource');
  if (memory !== undefined && !hidden) {
    const shown = (memory.base !== undefined && memory.base !== 'ip') || memory.index !== undefined;
    return !shown && `a${addressSize}`;
  }
  return trace(instruction, mode, instruction.operandSize).uses.addressSize && `a${addressSize}`;
}

/** The semantics tell whether a size matters. */
const trace = (instruction: DecodedInstruction, mode: Mode, operandSize: Size): Form =>
  traceForm({
    row: instruction.row,
    encoding: instruction.encoding,
    memory: instruction.memory !== undefined,
    operandSize,
    addressSize: instruction.addressSize,
    stackSize: mode,
    longMode: mode === 64,
    condition: instruction.condition,
  });

/** Whether two trees of plain data are equal. Nodes met before are not compared again. */
function sameStructure(left: unknown, right: unknown, seen = new Map<unknown, unknown>()): boolean {
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return left === right;
  if (seen.get(left) === right) return true;
  seen.set(left, right);
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => sameStructure((left as never)[key], (right as never)[key], seen))
  );
}
