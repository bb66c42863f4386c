/** Runs vectors on the reference evaluator, and says which bits of the outcome are undefined. */
import { GuestFault, VECTOR } from '../cpu/fault.ts';
import type { Helper } from '../cpu/helper.ts';
import { HELPERS } from '../cpu/helpers.ts';
import { CpuContext, type UndefinedResults } from '../engine/reference/cpu-context.ts';
import { executeInstruction, FormCache } from '../engine/reference/execute-instruction.ts';
import { createDecoder, type Decoder, isFailure } from '../isa/decoder.ts';
import type { InstructionRow } from '../isa/instruction.ts';
import { dataBase, slotOffset, type VectorMode } from './address-space.ts';
import { FlatCpu } from './flat-cpu.ts';
import { HARNESS_MAP } from './host/harness.ts';
import type { Ending, Outcome, Vector } from './vector.ts';
import { loadState, readState } from './vector-state.ts';

export interface ReferenceOutcome extends Outcome {
  /** Bits that the manual leaves undefined: by register number, in the flags, by byte of the window. */
  readonly undefinedRegisters: readonly bigint[];
  readonly undefinedFlags: number;
  readonly undefinedMemory: Uint8Array;
  /** Control flow or an address hung on an undefined bit. */
  readonly undecided: string | undefined;
  /** Lowest address of the scratch pages that was accessed, relative to the window. */
  readonly firstAccess: number;
  /** Memory outside of the window was accessed: the vector shows less than happened. */
  readonly outsideWindow: boolean;
}

/** More iterations than any vector's count register asks for. */
const MAXIMUM_ITERATIONS = 64;

export class ReferenceOracle {
  readonly #decoder: Decoder;
  readonly #forms: FormCache;
  readonly #machines = { 16: createMachine(16), 32: createMachine(32), 64: createMachine(64) } as const;

  constructor(rows: readonly InstructionRow[], forms = new FormCache()) {
    this.#decoder = createDecoder(rows);
    this.#forms = forms;
  }

  run(vector: Vector): ReferenceOutcome {
    const { cpu, context } = this.#machines[vector.mode];
    const { state } = cpu;
    const { initial, window } = vector;
    const at = window - HARNESS_MAP.scratch;
    const size = initial.memory.length;
    loadState(state, initial);
    cpu.scratch.set(initial.memory, at);
    const start = slotOffset(vector.mode);
    state.ip = start;
    cpu.beginVector(vector.code);

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
          state.nextIp = start + instruction.length;
          executeInstruction(cpu, context, this.#forms, instruction);
          if (++iterations > MAXIMUM_ITERATIONS) break;
        } while (instruction.row.repeat !== undefined && state.nextIp === start);
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
      final: { ...readState(state, vector), memory: cpu.scratch.slice(at, at + size) },
      undefinedRegisters: undefinedResults.registers,
      undefinedFlags: undefinedResults.flagMask,
      undefinedMemory: undefinedResults.bytes,
      undecided: undefinedResults.undecided,
      firstAccess: cpu.lowest - window,
      outsideWindow: cpu.codeWritten || cpu.lowest < window || (cpu.highest !== 0 && cpu.highest >= window + size),
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

function createMachine(mode: VectorMode): { cpu: FlatCpu; context: VectorContext } {
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
  readonly #vector: Vector;

  constructor(vector: Vector) {
    this.bytes = new Uint8Array(vector.initial.memory.length);
    this.#vector = vector;
  }

  register(number: number, mask: bigint): void {
    this.registers[number] |= mask;
  }
  flags(mask: number): void {
    this.flagMask |= mask;
  }
  memory(segment: number, offset: bigint, mask: bigint): void {
    const start = Number(offset) + dataBase(this.#vector.mode, segment) - this.#vector.window;
    for (let index = 0; mask >> BigInt(8 * index) > 0n; index++) {
      const at = start + index;
      if (at >= 0 && at < this.bytes.length) this.bytes[at] |= Number((mask >> BigInt(8 * index)) & 0xffn);
    }
  }
  state(name: string, mask: bigint): void {
    if (mask !== 0n) this.undecided ??= `undefined bits in ${name}`;
  }
  decision(what: string): void {
    this.undecided ??= what;
  }
}
