import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/difftest/random.ts';
import { createAssembler } from '../../../src/isa/assembler.ts';
import type { DecodedInstruction } from '../../../src/isa/decoded-instruction.ts';
import { createDecoder, isFailure } from '../../../src/isa/decoder.ts';
import { disassemble } from '../../../src/isa/disassembler.ts';
import { encodePattern } from '../../../src/isa/encode-instruction.ts';
import {
  addressSizesIn,
  type EncodingPattern,
  type Mode,
  operandSizesIn,
  parseEncodings,
} from '../../../src/isa/encoding.ts';
import { resolveOperands } from '../../../src/isa/resolve-operands.ts';
import { INSTRUCTIONS } from '../../../src/isa/table.ts';
import { traceForm } from '../../../src/isa/trace.ts';
import { fieldsOf } from '../../support/instruction-fields.ts';

const patterns = parseEncodings(INSTRUCTIONS);
const patternOf = new Map(patterns.map((pattern) => [pattern.encoding, pattern]));
const decoder = createDecoder(INSTRUCTIONS);
const { assemble } = createAssembler(INSTRUCTIONS);
const ADDRESS = 0x1000;

const name = (pattern: EncodingPattern): string => `${pattern.row.mnemonic} '${pattern.encoding.join(', ')}'`;
const hex = (bytes: Iterable<number>): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

function decode(bytes: Uint8Array, mode: Mode): DecodedInstruction {
  const result = decoder.decode(bytes, 0, mode);
  if (isFailure(result)) throw new Error(`${mode}: ${hex(bytes)}: ${result.failure}`);
  return result;
}

describe.each([16, 32, 64] as const)('%i-bit code', (mode) => {
  it('decodes what was encoded: every encoding, size and operand kind', () => {
    const random = new Random(mode);
    let count = 0;
    const wrong: string[] = [];
    const met = new Set<EncodingPattern>();
    for (const pattern of patterns) {
      for (const fields of fieldsOf(pattern, mode, 6, random)) {
        const bytes = encodePattern(pattern, fields);
        if (typeof bytes === 'string') {
          if (/AH, CH/.test(bytes)) continue; // chosen at random next to a register that needs REX
          wrong.push(`${name(pattern)}: ${bytes}`);
          continue;
        }
        count++;
        met.add(pattern);
        const decoded = decode(Uint8Array.from(bytes), mode);
        const expected = {
          row: pattern.row,
          encodingIndex: pattern.encodingIndex,
          length: bytes.length,
          operandSize: fields.operandSize,
          addressSize: fields.addressSize,
          condition: fields.condition,
          lock: fields.lock,
          memory: fields.memory,
          immediates: fields.immediates,
          segmentOverride: fields.segmentOverride,
          ...(pattern.operands.some(({ kind }) => ['reg', 'segment', 'control', 'debug'].includes(kind.source)) && {
            reg: fields.reg,
          }),
          ...(fields.memory === undefined &&
            pattern.operands.some(({ kind }) => ['rm', 'rmReg', 'opcode', 'stack87'].includes(kind.source)) && {
              rm: fields.rm,
            }),
        };
        const differing = Object.entries(expected).filter(
          ([key, value]) => !equal(decoded[key as keyof DecodedInstruction], value),
        );
        if (differing.length > 0) wrong.push(`${name(pattern)}: ${hex(bytes)}: ${differing.map(([key]) => key)}`);
      }
    }
    expect(wrong).toEqual([]);
    console.log(`${mode}-bit: ${count} instructions encoded and decoded`);
    expect(count).toBeGreaterThan(9_000);
    const possible = patterns.filter(
      (each) => operandSizesIn(each, mode).length > 0 && addressSizesIn(each, mode).length > 0,
    );
    expect(possible.filter((pattern) => !met.has(pattern)).map(name)).toEqual([]);
  }, 60_000);

  it('assembles the disassembly to an equivalent instruction', () => {
    const random = new Random(100 + mode);
    const wrong: string[] = [];
    let count = 0;
    for (const pattern of patterns) {
      for (const fields of fieldsOf(pattern, mode, 2, random)) {
        const bytes = encodePattern(pattern, fields);
        if (typeof bytes === 'string') continue;
        count++;
        const decoded = decode(Uint8Array.from(bytes), mode);
        const text = disassemble(decoded, ADDRESS, mode);
        try {
          const again = decode(assemble(text, { bits: mode, origin: ADDRESS }).bytes, mode);
          const [before, after] = [meaning(decoded, mode), meaning(again, mode)];
          if (before !== after) wrong.push(`${hex(bytes)}: ${text}\n  ${before}\n  ${after}`);
          else if (!sizesAgree(decoded, again, mode)) wrong.push(`${hex(bytes)}: ${text}: another size`);
        } catch (error) {
          wrong.push(`${name(pattern)}: ${hex(bytes)}: ${text}: ${error}`);
        }
      }
    }
    expect(wrong.slice(0, 20)).toEqual([]);
    console.log(`${mode}-bit: ${count} instructions disassembled and assembled`);
    expect(count).toBeGreaterThan(3_000);
  }, 60_000);
});

/** What an instruction does, whatever its encoding: row, operands, and sizes where they show. */
function meaning(instruction: DecodedInstruction, mode: Mode): string {
  const pattern = patternOf.get(instruction.encoding)!;
  const operands = resolveOperands(instruction, pattern, BigInt(ADDRESS), mode).map((operand) => {
    const { operand: _, ...rest } = operand;
    if (rest.kind === 'immediate') return { ...rest, value: BigInt.asUintN(rest.width, rest.value) };
    // RIP-relative: the target counts, not the distance.
    if (rest.kind === 'memory' && rest.memory.base === 'ip') {
      const target = BigInt.asUintN(instruction.addressSize, rest.displacement + BigInt(instruction.length));
      return { ...rest, displacement: target, memory: { ...rest.memory, displacement: 0 } };
    }
    return rest;
  });
  const { row, lock, repeat, condition } = instruction;
  const texts = operands.map((operand) => JSON.stringify(operand, stringifyBig));
  if (row.commutative) texts.sort();
  return JSON.stringify({
    row: row.mnemonic,
    manual: row.manual,
    lock,
    repeat: row.repeat && repeat,
    condition,
    texts,
  });
}

/** Operand and address size are the same, or the semantics do not look at them. */
function sizesAgree(one: DecodedInstruction, other: DecodedInstruction, mode: Mode): boolean {
  if (one.operandSize === other.operandSize && one.addressSize === other.addressSize) return true;
  const { row, encoding, memory, condition } = one;
  const [left, right] = [one, other].map(({ operandSize, addressSize }) =>
    traceForm({
      row,
      encoding,
      operandSize,
      addressSize,
      condition,
      memory: memory !== undefined,
      stackSize: mode,
      longMode: mode === 64,
    }),
  );
  return isDeepStrictEqual(left!.statements, right!.statements);
}

const equal = (left: unknown, right: unknown): boolean =>
  left === right || JSON.stringify(left, stringifyBig) === JSON.stringify(right, stringifyBig);
const stringifyBig = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value);
