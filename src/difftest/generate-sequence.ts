/**
 * Sequences of instructions for comparing engines with each other: what one instruction leaves behind (lazy flags, a
 * fused compare and branch, half a block when the budget ends) shows only in the next.
 */

import { encodePattern, type PatternFields } from '../isa/encode-instruction.ts';
import type { EncodingPattern } from '../isa/encoding.ts';
import { GPR, SEGMENT } from '../isa/semantics.ts';
import { dataBase, registerWidth, type VectorMode } from './address-space.ts';
import { edgeInteger } from './edge-values.ts';
import { HARNESS_MAP } from './host/harness.ts';
import type { Random } from './random.ts';
import { statementFacts } from './statement-facts.ts';
import type { TestForm } from './test-form.ts';
import type { Vector } from './vector.ts';

/** NOT of a byte register: seen in the end, and leaves the flags alone. */
const NOT_RM8 = 0xf6;
/** JMP to itself. */
const SELF_LOOP = [0xeb, 0xfe];
const SLACK = 16;
const WINDOW = HARNESS_MAP.scratch + 0x1000 - 32;
const WINDOW_SIZE = 64;
const STATUS_FLAGS = 0x8d5;
const FLAG_DF = 0x400;
const FLAGS_BASE = 0x202;

const REPEATED_REGISTERS: ReadonlySet<number> = new Set([GPR.rCX, GPR.rSI, GPR.rDI]);

export interface Sequence extends Vector {
  /** Instructions to run: all of them, and some rounds of the loop at the end. */
  readonly instructions: number;
}

export class SequenceGenerator {
  readonly #random: Random;
  readonly #mode: VectorMode;
  readonly #plain: readonly TestForm[];
  readonly #compares: readonly TestForm[];
  readonly #branches: readonly TestForm[];
  readonly #strings: readonly TestForm[];

  /** @param forms all forms; those that suit are taken */
  constructor(forms: readonly TestForm[], mode: VectorMode, random: Random) {
    this.#random = random;
    this.#mode = mode;
    const ours = forms.filter((form) => form.mode === mode);
    this.#plain = ours.filter(isPlain);
    this.#compares = this.#plain.filter(({ pattern }) => /^(cmp|test|sub|dec|and)$/.test(pattern.row.mnemonic));
    this.#strings = ours.filter(
      ({ pattern, repeat }) => repeat !== 'none' && !/^(ins|outs)/.test(pattern.row.mnemonic),
    );
    this.#branches = ours.filter(
      ({ pattern, operandSize }) =>
        pattern.row.mnemonic === 'jcc' && pattern.opcode === 0x70 && (operandSize !== 16 || mode === 16),
    );
  }

  next(): Sequence {
    const random = this.#random;
    const mode = this.#mode;
    const code: number[] = [];
    // Two values fill most registers, so that comparisons often meet equal ones.
    const common = [edgeInteger(random, registerWidth(mode)), edgeInteger(random, registerWidth(mode))] as const;
    const registers = Array.from({ length: mode === 64 ? 16 : 8 }, () =>
      random.oneIn(3) ? edgeInteger(random, registerWidth(mode)) : random.pick(common),
    );
    let instructions = 0;
    if (random.oneIn(4)) {
      // A repeated string instruction comes first, while its registers are what it needs. Every iteration counts.
      const { pattern, operandSize, repeat } = random.pick(this.#strings);
      code.push(...(encodePattern(pattern, { mode, operandSize, addressSize: mode, repeat }) as number[]));
      const count = random.below(13);
      instructions += Math.max(count, 1);
      registers[GPR.rCX] = BigInt(count);
      for (const register of [GPR.rSI, GPR.rDI]) {
        registers[register] = BigInt(WINDOW + random.below(WINDOW_SIZE - 8) - dataBase(mode));
      }
    }
    const length = instructions + 2 + random.below(7);
    while (instructions < length) {
      const compare = random.oneIn(3);
      const bytes = this.#encode(random.pick(compare ? this.#compares : this.#plain), false);
      if (bytes === undefined) continue;
      code.push(...bytes);
      instructions++;
      // After a comparison always a branch: the pair may be one handler.
      if (!compare && !random.oneIn(4)) continue;
      code.push(...this.#encode(random.pick(this.#branches), true)!);
      instructions++;
      code.push(NOT_RM8, 0xd0 | random.below(4)); // skipped if the branch is taken
      instructions++;
    }
    // What is left of the budget is spent in a loop, in which the block ends: whole blocks run only if they fit.
    code.push(...SELF_LOOP);
    instructions += SLACK;
    const memory = new Uint8Array(WINDOW_SIZE);
    random.fill(memory);
    return {
      mode: this.#mode,
      code: Uint8Array.from(code),
      instructions,
      window: WINDOW,
      initial: {
        registers,
        flags: this.#flags(),
        memory,
      },
    };
  }

  /** The same code with other registers, flags and memory, but for what a repeated instruction at its beginning needs. */
  again(sequence: Sequence): Sequence {
    const random = this.#random;
    const { initial } = sequence;
    const registers = initial.registers.map((value, register) =>
      REPEATED_REGISTERS.has(register) || random.oneIn(2) ? value : edgeInteger(random, registerWidth(this.#mode)),
    );
    const memory = new Uint8Array(WINDOW_SIZE);
    random.fill(memory);
    return { ...sequence, initial: { registers, flags: this.#flags(), memory } };
  }

  #flags(): number {
    return FLAGS_BASE | (Number(this.#random.bits(12)) & (STATUS_FLAGS | FLAG_DF));
  }

  #encode({ pattern, operandSize, memory, condition, mode }: TestForm, branch: boolean): number[] | undefined {
    const random = this.#random;
    const register = () => random.below(mode === 64 && pattern.modrm !== 'byteWithRegister' ? 16 : 8);
    const displacement = WINDOW + random.below(WINDOW_SIZE - 16) - dataBase(mode);
    const fields: PatternFields = {
      mode,
      operandSize,
      addressSize: mode,
      condition,
      reg: register(),
      rm: register(),
      immediates: branch ? [2n] : immediates(pattern, operandSize, random),
      ...(memory && { memory: { base: undefined, index: undefined, scale: 0, displacement, segment: SEGMENT.DS } }),
    };
    const bytes = encodePattern(pattern, fields);
    return typeof bytes === 'string' ? undefined : bytes;
  }
}

/** Neither jumps nor calls a helper, and its only address is that of ModR/M. */
function isPlain({ form, pattern }: TestForm): boolean {
  const { pointers, byteIndexes, indexFields, jumps, helpers } = statementFacts(form.statements);
  if (jumps || helpers.size > 0 || pointers.size > 0 || byteIndexes.size > 0 || indexFields.size > 0) return false;
  const { row, operands } = pattern;
  if (row.privileged || row.endsBlock || row.repeat) return false;
  return !operands.some(({ kind }) => ['segment', 'memoryOffset', 'farPointer'].includes(kind.source));
}

function immediates(pattern: EncodingPattern, operandSize: number, random: Random): bigint[] {
  return pattern.operands.flatMap(({ kind }) => {
    if (kind.source !== 'immediate') return [];
    const encoded = kind.encodedWidth ?? kind.width;
    const width = encoded === 'v' ? operandSize : encoded === 'z' ? Math.min(operandSize, 32) : Number(encoded);
    const value = edgeInteger(random, width);
    return [kind.encodedWidth === undefined ? value : BigInt.asIntN(width, value)];
  });
}
