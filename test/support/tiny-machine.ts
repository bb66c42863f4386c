/** Runs one form of one row on a tiny machine: sixteen registers, seven flags, flat memory. */

import { type Bits, defined, maskOf } from '../../src/engine/reference/bits.ts';
import { evaluateStatements } from '../../src/engine/reference/evaluate.ts';
import type { Width } from '../../src/ir/value.ts';
import type { InstructionRow } from '../../src/isa/instruction.ts';
import type { Place, SegmentRef } from '../../src/isa/operand.ts';
import type { FlagName } from '../../src/isa/semantics.ts';
import { INSTRUCTIONS } from '../../src/isa/table.ts';
import { type FormKey, traceForm } from '../../src/isa/trace.ts';

export const EA = 0x1000n;

export interface Machine {
  readonly gpr: bigint[];
  readonly flags: Record<string, bigint>;
  /** Flags left undefined by the last run. */
  readonly undefinedFlags: Set<string>;
  /** Bytes by offset; others are 0. */
  readonly memory: Map<bigint, number>;
  /** Fields of the CPU state: protected mode at CPL 0. */
  readonly state: Record<string, bigint>;
  /** Fields of the instruction. */
  readonly inputs: Record<string, bigint>;
  readonly calls: { helper: string; args: bigint[] }[];
  readonly results: Record<string, bigint[]>;
  jump: bigint | undefined;
  fault: string | undefined;
}

export const FLAGS: readonly FlagName[] = ['CF', 'PF', 'AF', 'ZF', 'SF', 'OF', 'DF'];

export function createMachine(): Machine {
  return {
    gpr: Array.from({ length: 16 }, () => 0n),
    flags: Object.fromEntries(FLAGS.map((name) => [name, 0n])),
    undefinedFlags: new Set(),
    memory: new Map(),
    state: { cr0: 1n, flagsOther: 0n, cpl: 0n },
    inputs: { ea: EA, reg: 1n, rm: 0n, immediate: 0n, immediate2: 0n, nextIp: 0x100n, ip: 0xf0n },
    calls: [],
    results: {},
    jump: undefined,
    fault: undefined,
  };
}

export function readMemory(machine: Machine, offset: bigint, width: number): bigint {
  let value = 0n;
  for (let byte = width / 8 - 1; byte >= 0; byte--) {
    value = (value << 8n) | BigInt(machine.memory.get(offset + BigInt(byte)) ?? 0);
  }
  return value;
}

export function writeMemory(machine: Machine, offset: bigint, width: number, value: bigint): void {
  for (let byte = 0; byte < width / 8; byte++) {
    machine.memory.set(offset + BigInt(byte), Number((value >> BigInt(8 * byte)) & 0xffn));
  }
}

/** The row of a mnemonic that has an encoding with this opcode text (alone, or with its operand kinds), and that encoding. */
export function findEncoding(mnemonic: string, opcode: string): Pick<FormKey, 'row' | 'encoding'> {
  for (const row of INSTRUCTIONS as readonly InstructionRow[]) {
    if (row.mnemonic !== mnemonic) continue;
    const encoding = row.encodings.find((each) => each[0] === opcode || each.join(', ') === opcode);
    if (encoding) return { row, encoding };
  }
  throw new Error(`no encoding ${opcode} of ${mnemonic}`);
}

export interface FormOptions {
  readonly size?: 16 | 32 | 64;
  readonly addressSize?: 16 | 32 | 64;
  readonly memory?: boolean;
  readonly longMode?: boolean;
  readonly condition?: number;
}

/** A function that runs one form on a machine. The fault, if any, is left in `machine.fault` with everything else as it was. */
export function prepare(mnemonic: string, opcode: string, options: FormOptions = {}): (machine: Machine) => Machine {
  const longMode = options.longMode ?? options.size === 64;
  const { statements } = traceForm({
    ...findEncoding(mnemonic, opcode),
    memory: options.memory ?? false,
    operandSize: options.size ?? 32,
    addressSize: options.addressSize ?? (longMode ? 64 : 32),
    stackSize: longMode ? 64 : 32,
    longMode,
    condition: options.condition ?? 0,
  });
  return (machine) => {
    try {
      evaluateStatements(statements, contextOf(machine));
    } catch (error) {
      if (!(error instanceof GuestStop)) throw error;
      machine.fault = error.message;
    }
    return machine;
  };
}

class GuestStop extends Error {}

function contextOf(machine: Machine) {
  const registerOf = (place: Place): { index: number; shift: bigint } => {
    if (place.space === 'gpr') return { index: place.register, shift: place.high ? 8n : 0n };
    if (place.space === 'field') return { index: Number(machine.inputs[place.field]), shift: 0n };
    throw new Error(`place ${place.space}`);
  };
  return {
    input: (name: string, width: Width) => machine.inputs[name] & maskOf(width),
    readPlace(place: Place, width: Width): Bits {
      if (place.space === 'flag') return defined(machine.flags[place.flag]);
      if (place.space === 'state') return defined(machine.state[place.name] & maskOf(width));
      const { index, shift } = registerOf(place);
      return defined((machine.gpr[index] >> shift) & maskOf(width));
    },
    writePlace(place: Place, { value }: Bits, width: Width) {
      const { index, shift } = registerOf(place);
      const mask = width === 32 ? maskOf(64) : maskOf(width) << shift;
      machine.gpr[index] = (machine.gpr[index] & ~mask) | (value << shift);
    },
    load: (_: SegmentRef, { offset, width }: { offset: bigint; width: Width }) =>
      defined(readMemory(machine, offset, width)),
    store(_: SegmentRef, { offset, width }: { offset: bigint; width: Width }, { value }: Bits) {
      writeMemory(machine, offset, width, value);
    },
    setFlag(name: string, value: Bits) {
      machine.flags[name] = value.value;
      if (value.undefined) machine.undefinedFlags.add(name);
    },
    checkStore() {},
    checkTarget() {},
    jump(target: bigint) {
      machine.jump = target;
    },
    raise({ vector, cause }: { vector: number; cause: string }): never {
      throw new GuestStop(`${vector}: ${cause}`);
    },
    callHelper(helper: string, args: readonly Bits[]) {
      machine.calls.push({ helper, args: args.map(({ value }) => value) });
      return (machine.results[helper] ?? []).map(defined);
    },
  };
}
