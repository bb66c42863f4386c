/**
 * Holds our decoder against iced-x86: the same length, the same instruction, the same operands.
 *
 * Where we differ on purpose:
 * - F3 with REX.B before 90 is XCHG with r8, as real CPUs have it; iced says PAUSE.
 */
import { createRequire } from 'node:module';
import type * as Iced from 'iced-x86';
import { isWritten } from '../../src/isa/assembler-match.ts';
import type { DecodedInstruction } from '../../src/isa/decoded-instruction.ts';
import { createDecoder, isFailure } from '../../src/isa/decoder.ts';
import { type EncodingPattern, type Mode, parseEncodings } from '../../src/isa/encoding.ts';
import { createMnemonicIndex } from '../../src/isa/mnemonics.ts';
import { gprName, SEGMENT_NAMES } from '../../src/isa/register-names.ts';
import { type ResolvedOperand, resolveOperands } from '../../src/isa/resolve-operands.ts';
import { INSTRUCTIONS } from '../../src/isa/table.ts';
import { SEQUENCE_LENGTH } from '../support/random-code.ts';

const iced = createRequire(import.meta.url)('iced-x86') as typeof Iced;

const patterns = parseEncodings(INSTRUCTIONS);
const patternOf = new Map(patterns.map((pattern) => [pattern.encoding, pattern]));
const mnemonicIndex = createMnemonicIndex(patterns);
/** Names of a pattern (with condition and size), for a quick look-up. */
const namesOf = new Map<EncodingPattern, Set<string>>();
for (const [name, uses] of mnemonicIndex) {
  for (const { pattern, condition, operandSizes } of uses) {
    const names = namesOf.get(pattern) ?? new Set();
    for (const size of operandSizes ?? [16, 32, 64]) names.add(`${name} ${condition} ${size}`);
    namesOf.set(pattern, names);
  }
}
const mnemonicNames: string[] = [];
for (const [name, value] of Object.entries(iced.Mnemonic)) {
  if (typeof value === 'number') mnemonicNames[value] = name.toLowerCase();
}
const registerNames: string[] = [];
for (const [name, value] of Object.entries(iced.Register)) {
  if (typeof value === 'number') registerNames[value] = name.toLowerCase().replace(/^(r\d+)l$/, '$1b');
}

export interface Comparison {
  /** Sequences that both took for the same instruction. */
  readonly agreed: number;
  /** Sequences that neither took (iced may take what the table does not cover). */
  readonly refused: number;
  /** Encodings of the table that were met, as `mnemonic opcode`. */
  readonly covered: ReadonlySet<EncodingPattern>;
  readonly mismatches: readonly string[];
}

/** Compares sequence after sequence; keeps at most `limit` mismatches. */
export function compareWithIced(code: Uint8Array, mode: Mode, limit = 20): Comparison {
  const decoder = createDecoder(INSTRUCTIONS);
  const { DecoderOptions } = iced;
  const reference = new iced.Decoder(
    mode,
    code,
    DecoderOptions.ForceReservedNop |
      DecoderOptions.NoMPFX_0FBC |
      DecoderOptions.NoMPFX_0FBD |
      DecoderOptions.NoWbnoinvd,
  );
  const theirs = new iced.Instruction();
  const covered = new Set<EncodingPattern>();
  const mismatches: string[] = [];
  let agreed = 0;
  let refused = 0;
  for (let offset = 0; offset < code.length; offset += SEQUENCE_LENGTH) {
    const ours = decoder.decode(code, offset, mode);
    reference.position = offset;
    reference.ip = 0n;
    reference.decodeOut(theirs);
    const theirText = theirs.isInvalid ? 'invalid' : icedText(theirs, mode);
    const theirName = theirText.split(' ')[0];
    const isCovered = mnemonicIndex.has(theirName) && !/mm/.test(theirText); // MOVSD and CMPSD are also SSE2's
    const pattern = isFailure(ours) ? undefined : patternOf.get(ours.encoding)!;
    const ourText = isFailure(ours) ? 'invalid' : ourTextOf(ours, pattern!, mode, theirName);
    if (ourText === 'invalid' && (theirText === 'invalid' || !isCovered)) refused++;
    else if (ourText === theirText || (!isFailure(ours) && isSameButForNotation(ours, pattern!, mode, theirText))) {
      agreed++;
      covered.add(pattern!);
    } else if (!isExpected(ours, theirText)) {
      const bytes = [...code.subarray(offset, offset + SEQUENCE_LENGTH)].map((byte) =>
        byte.toString(16).padStart(2, '0'),
      );
      mismatches.push(`${mode}: ${bytes.join(' ')}\n  ours: ${ourText}\n  iced: ${theirText}`);
      if (mismatches.length >= limit) break;
    }
  }
  theirs.free();
  reference.free();
  return { agreed, refused, covered, mismatches };
}

const isExpected = (ours: ReturnType<ReturnType<typeof createDecoder>['decode']>, theirText: string): boolean =>
  !isFailure(ours) && theirText.startsWith('pause ') && ours.rm === 8 && ours.repeat === 'repe';

/**
 * Differences that are none: implicit registers that iced lists (AL of STOSB, DX of INSB), ST0 beside another x87
 * register, and the width of a register of which only 16 bits are read (LAR, MOV to a segment register).
 */
function isSameButForNotation(
  ours: DecodedInstruction,
  pattern: EncodingPattern,
  mode: Mode,
  theirText: string,
): boolean {
  const theirName = theirText.split(' ')[0];
  if (ourTextOf(ours, pattern, mode, theirName, { withImplicit: true }) === theirText) return true;
  const ourText = ourTextOf(ours, pattern, mode, theirName);
  if (theirName === 'reservednop') return theirText.startsWith(`${hintText(ourText)}`);
  if (/st\d/.test(theirText)) return withoutSt0(ourText).some((text) => withoutSt0(theirText).includes(text));
  const readsWord = pattern.operands.some(({ kind, access }) => kind.width === 16 && access.includes('r'));
  return readsWord && widen(ourText) === widen(theirText);
}

/** All opcodes that are set aside for hints are `reservednop` to iced, with the register that we do not show. */
const hintText = (text: string): string => text.replace(/^(prefetch\w*|nop) /, 'reservednop ').trimEnd();
const withoutSt0 = (text: string): string[] => [text, text.replace('st0,', ''), text.replace(',st0', '')];
const widen = (text: string): string =>
  text.replace(/\b(?:[er])?(ax|cx|dx|bx|sp|bp|si|di)\b|\b(r\d+)[dw]?\b/g, 'r$1$2');

/** ES, CS, SS and DS mean nothing in 64-bit mode, default or override. */
const segmentText = (name: string, mode: Mode): string => (mode === 64 && !/[fg]s/.test(name) ? '' : name);

/** `name length operands`; strings count by their segment alone. */
function ourTextOf(
  ours: DecodedInstruction,
  pattern: EncodingPattern,
  mode: Mode,
  theirName: string,
  { withImplicit }: { withImplicit: boolean } = { withImplicit: false },
): string {
  const isNamed = namesOf.get(pattern)!.has(`${theirName} ${ours.condition} ${ours.operandSize}`);
  const name = isNamed ? theirName : ours.row.mnemonic;
  const operands = resolveOperands(ours, pattern, 0n, mode).filter(
    ({ operand, kind }) => isWritten(operand) || (withImplicit && kind !== 'string'),
  );
  const string = pattern.operands.some(({ kind }) => kind.source === 'stringSource')
    ? segmentText(SEGMENT_NAMES[ours.memory!.segment], mode)
    : '';
  return `${name} ${ours.length}${ours.lock ? ' lock' : ''} ${operands.map((operand) => ourOperand(operand, ours, mode)).join()} ${string}`;
}

function ourOperand(operand: ResolvedOperand, { rex, addressSize }: DecodedInstruction, mode: Mode): string {
  switch (operand.kind) {
    case 'register':
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
          return gprName(operand.number, operand.width as 8, rex);
      }
    case 'memory': {
      const { base, index, scale, segment } = operand.memory;
      const baseName =
        base === undefined
          ? 'none'
          : base === 'ip'
            ? addressSize === 64
              ? 'rip'
              : 'eip'
            : gprName(base, addressSize, true);
      const indexName = index === undefined ? 'none' : gprName(index, addressSize, true);
      return `[${segmentText(SEGMENT_NAMES[segment], mode)} ${baseName} ${indexName} ${scale} ${BigInt.asUintN(addressSize, operand.displacement)}]`;
    }
    case 'immediate':
      return `#${BigInt.asUintN(operand.width, operand.value)}`;
    case 'target':
      return `->${operand.address}`;
    case 'far':
      return `${operand.selector}:${operand.offset}`;
    case 'string':
      return '';
  }
}

function icedText(instruction: Iced.Instruction, mode: Mode): string {
  const { OpKind } = iced;
  const name = mnemonicNames[instruction.mnemonic];
  const operands: string[] = [];
  let string = '';
  const count = instruction.opCount;
  for (let index = 0; index < count; index++) {
    const kind = instruction.opKind(index);
    switch (kind) {
      case OpKind.Register:
        operands.push(registerNames[instruction.opRegister(index)]);
        break;
      case OpKind.NearBranch16:
      case OpKind.NearBranch32:
      case OpKind.NearBranch64:
        operands.push(`->${instruction.nearBranchTarget}`);
        break;
      case OpKind.FarBranch16:
        operands.push(`${instruction.farBranchSelector}:${instruction.farBranch16}`);
        break;
      case OpKind.FarBranch32:
        operands.push(`${instruction.farBranchSelector}:${instruction.farBranch32}`);
        break;
      case OpKind.Immediate8:
        operands.push(`#${BigInt.asUintN(8, instruction.immediate(index))}`);
        break;
      case OpKind.Immediate8_2nd:
        operands.push(`#${instruction.immediate8_2nd}`);
        break;
      case OpKind.Immediate16:
      case OpKind.Immediate8to16:
        operands.push(`#${BigInt.asUintN(16, instruction.immediate(index))}`);
        break;
      case OpKind.Immediate32:
      case OpKind.Immediate8to32:
        operands.push(`#${BigInt.asUintN(32, instruction.immediate(index))}`);
        break;
      case OpKind.Immediate64:
      case OpKind.Immediate8to64:
      case OpKind.Immediate32to64:
        operands.push(`#${BigInt.asUintN(64, instruction.immediate(index))}`);
        break;
      case OpKind.Memory:
        if (instruction.memoryIndex === iced.Register.AL)
          string = segmentText(registerNames[instruction.memorySegment], mode); // XLATB
        else operands.push(icedMemory(instruction, mode));
        break;
      case OpKind.MemorySegSI:
      case OpKind.MemorySegESI:
      case OpKind.MemorySegRSI:
        string = segmentText(registerNames[instruction.memorySegment], mode);
        break;
    }
  }
  return `${name} ${instruction.length}${instruction.hasLockPrefix ? ' lock' : ''} ${operands.join()} ${string}`;
}

/** iced gives the target of RIP-relative operands; the instruction is at address 0. */
function icedMemory(instruction: Iced.Instruction, mode: Mode): string {
  const base = registerNames[instruction.memoryBase];
  const index = registerNames[instruction.memoryIndex];
  const scale = index === 'none' ? 0 : Math.log2(instruction.memoryIndexScale);
  let displacement = instruction.memoryDisplacement;
  if (base === 'rip') displacement = BigInt.asUintN(64, displacement - BigInt(instruction.length));
  if (base === 'eip') displacement = BigInt.asUintN(32, displacement - BigInt(instruction.length));
  return `[${segmentText(registerNames[instruction.memorySegment], mode)} ${base} ${index} ${scale} ${BigInt.asUintN(64, displacement)}]`;
}
