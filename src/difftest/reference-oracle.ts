/** Runs vectors on the reference evaluator, and says which bits of the outcome are undefined. */
import { GuestFault, VECTOR } from '../cpu/fault.ts';
import { readEflags, writeEflags } from '../cpu/flags.ts';
import { HELPERS, type Helper } from '../cpu/helpers.ts';
import { readAbridgedTags, readStack, topOfStack, writeAbridgedTags, writePhysical } from '../cpu/x87/x87-state.ts';
import { CpuContext, type UndefinedResults } from '../engine/reference/cpu-context.ts';
import { executeInstruction, FormCache } from '../engine/reference/execute-instruction.ts';
import { createDecoder, type Decoder, isFailure } from '../isa/decoder.ts';
import type { InstructionRow } from '../isa/instruction.ts';
import { FlatCpu } from './flat-cpu.ts';

import { FS_BASE, HARNESS_MAP } from './host/harness.ts';
import type { Ending, Outcome, Vector, X87State } from './vector.ts';

export interface ReferenceOutcome extends Outcome {
  /** Bits that the manual leaves undefined: by register number, in the flags, by byte of the window. */
  readonly undefinedRegisters: readonly bigint[];
  readonly undefinedFlags: number;
  readonly undefinedMemory: Uint8Array;
  /** Control flow or an address hung on an undefined bit. */
  readonly undecided: string | undefined;
  /** Scratch memory outside of the window was accessed: the vector shows less than happened. */
  readonly outsideWindow: boolean;
}

/** More iterations than any vector's count register asks for. */
const MAXIMUM_ITERATIONS = 64;
const FLAG_IF = 0x200;

export class ReferenceOracle {
  readonly #decoder: Decoder;
  readonly #forms = new FormCache();
  readonly #machines = { 32: createMachine(32), 64: createMachine(64) } as const;

  constructor(rows: readonly InstructionRow[]) {
    this.#decoder = createDecoder(rows);
  }

  run(vector: Vector): ReferenceOutcome {
    const { cpu, context } = this.#machines[vector.mode];
    const { state } = cpu;
    const { initial, window } = vector;
    const at = window - HARNESS_MAP.scratch;
    const size = initial.memory.length;
    for (let register = 0; register < 16; register++) state.setReg64(register, initial.registers[register] ?? 0n);
    writeEflags(state, initial.flags | FLAG_IF);
    cpu.scratch.set(initial.memory, at);
    if (initial.x87) loadX87(cpu, initial.x87);
    state.ip = HARNESS_MAP.slot;
    cpu.beginVector();

    const undefinedResults = new Collector(vector);
    context.listener = undefinedResults;
    context.target = undefined;
    let trap: GuestFault | undefined;
    context.onTrap = (raised) => {
      trap = raised;
    };
    const instruction = this.#decoder.decode(vector.code, 0, vector.mode);
    let ending: Ending;
    if (isFailure(instruction)) {
      if (instruction.failure === 'incomplete') throw new TypeError('the code of the vector is cut off');
      const vectorNumber = instruction.failure === 'undefined' ? 6 : 13;
      ending = { kind: 'fault', vector: vectorNumber, errorCode: 0, ip: BigInt(state.ip) };
    } else {
      try {
        let iterations = 0;
        do {
          state.nextIp = HARNESS_MAP.slot + instruction.length;
          executeInstruction(cpu, context, this.#forms, instruction);
          if (++iterations > MAXIMUM_ITERATIONS) break;
        } while (instruction.row.repeat !== undefined && state.nextIp === HARNESS_MAP.slot);
        ending = trap
          ? { kind: 'fault', vector: (trap as GuestFault).vector, errorCode: 0, ip: BigInt(state.nextIp) }
          : { kind: 'next', ip: context.target ?? BigInt(state.nextIp) };
      } catch (fault) {
        if (!(fault instanceof GuestFault)) throw fault;
        ending = {
          kind: 'fault',
          vector: fault.vector,
          errorCode: fault.errorCode ?? 0,
          ip: BigInt(state.ip),
          ...(fault.address !== undefined && { address: BigInt(fault.address) }),
        };
      }
    }
    return {
      ending,
      final: {
        registers: Array.from({ length: vector.mode === 64 ? 16 : 8 }, (_, register) =>
          BigInt.asUintN(vector.mode, state.reg64(register)),
        ),
        flags: readEflags(state),
        memory: cpu.scratch.slice(at, at + size),
        ...(initial.x87 && { x87: readX87(cpu) }),
      },
      undefinedRegisters: undefinedResults.registers,
      undefinedFlags: undefinedResults.flagMask,
      undefinedMemory: undefinedResults.bytes,
      undecided: undefinedResults.undecided,
      outsideWindow: cpu.lowest < window || (cpu.highest !== 0 && cpu.highest >= window + size),
    };
  }
}

/** Keeps branch targets exact, which the state block does not above 2^53. */
class VectorContext extends CpuContext {
  target: bigint | undefined;

  override jump(target: bigint): void {
    super.jump(target);
    this.target = target;
  }
}

function createMachine(mode: 32 | 64): { cpu: FlatCpu; context: VectorContext } {
  const cpu = new FlatCpu(mode);
  return { cpu, context: new VectorContext(cpu, { ...HELPERS, ...TRAPS }) };
}

/** INT3 and INTO, as a process sees them: their handlers are the kernel's. */
const TRAPS: Readonly<Record<string, Helper>> = {
  breakpoint: () => {
    throw new GuestFault({ vector: VECTOR.BP, kind: 'trap', cause: { check: 'INT3' } });
  },
  overflowTrap: () => {
    throw new GuestFault({ vector: VECTOR.OF, kind: 'trap', cause: { check: 'INTO with OF = 1' } });
  },
};

class Collector implements UndefinedResults {
  readonly registers: bigint[] = new Array<bigint>(16).fill(0n);
  readonly bytes: Uint8Array;
  flagMask = 0;
  undecided: string | undefined;
  readonly #window: number;

  constructor(vector: Vector) {
    this.bytes = new Uint8Array(vector.initial.memory.length);
    this.#window = vector.window;
  }

  register(number: number, mask: bigint): void {
    this.registers[number]! |= mask;
  }
  flags(mask: number): void {
    this.flagMask |= mask;
  }
  memory(segment: number, offset: bigint, mask: bigint): void {
    const start = Number(offset) + (segment === 4 ? FS_BASE : 0) - this.#window;
    for (let index = 0; mask >> BigInt(8 * index) > 0n; index++) {
      const at = start + index;
      if (at >= 0 && at < this.bytes.length) this.bytes[at]! |= Number((mask >> BigInt(8 * index)) & 0xffn);
    }
  }
  state(name: string, mask: bigint): void {
    if (mask !== 0n) this.undecided ??= `undefined bits in ${name}`;
  }
  decision(what: string): void {
    this.undecided ??= what;
  }
}

function loadX87({ state }: FlatCpu, x87: X87State): void {
  state.fcw = x87.controlWord;
  state.fsw = x87.statusWord;
  state.fop = 0;
  state.fip = 0;
  state.fdp = 0;
  state.fcs = 0;
  state.fds = 0;
  state.mxcsr = 0x1f80;
  writeAbridgedTags(state, x87.tags);
  const top = topOfStack(state);
  x87.stack.forEach((value, index) => {
    const [significand, rest] = [BigInt.asUintN(64, value), Number(value >> 64n)];
    writePhysical(state, (top + index) & 7, { sign: (rest >> 15) as 0 | 1, exponent: rest & 0x7fff, significand });
  });
}

function readX87({ state }: FlatCpu): X87State {
  return {
    controlWord: state.fcw,
    statusWord: state.fsw,
    tags: readAbridgedTags(state),
    stack: Array.from({ length: 8 }, (_, index) => {
      const { sign, exponent, significand } = readStack(state, index);
      return (BigInt((sign << 15) | exponent) << 64n) | significand;
    }),
  };
}
