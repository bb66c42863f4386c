/**
 * The reference engine: fetches, decodes and evaluates one instruction at a time, every time anew. Slow and obvious;
 * what the other engines do must be what this one does.
 */
import { PAGE_SIZE } from '../../base/address.ts';
import { GuestFault, raise } from '../../cpu/fault.ts';
import { HELPERS } from '../../cpu/helpers.ts';
import { codeSize, MODE } from '../../cpu/mode-key.ts';
import type { DecodedInstruction } from '../../isa/decoded-instruction.ts';
import { type Decoder, isFailure, MAX_INSTRUCTION_LENGTH } from '../../isa/decoder.ts';
import type { Mode } from '../../isa/encoding.ts';
import { SEGMENT } from '../../isa/semantics.ts';
import { COST, type DispatchedCpu, type Engine, type EngineExit } from '../engine.ts';
import { fetchBytewise } from '../fetch-bytewise.ts';
import { CpuContext } from './cpu-context.ts';
import { executeInstruction, FormCache } from './execute-instruction.ts';

export class ReferenceEngine implements Engine {
  readonly name = 'reference';
  readonly translated = 0;
  readonly #cpu: DispatchedCpu;
  readonly #decoder: Decoder;
  readonly #context: CpuContext;
  readonly #forms = new FormCache();
  #stops: ReadonlySet<number> = new Set();

  constructor(cpu: DispatchedCpu, decoder: Decoder) {
    this.#cpu = cpu;
    this.#decoder = decoder;
    this.#context = new CpuContext(cpu, HELPERS);
    this.#context.onTrap = (trap) => cpu.pendTrap(trap);
  }

  run(budget: number): EngineExit {
    const { state } = this.#cpu;
    state.budget = budget;
    while (state.budget > 0) {
      if (this.#stops.size > 0 && state.budget < budget && this.#stopsHere()) return 'attention';
      try {
        const instruction = this.#fetch();
        const next = state.ip + instruction.length;
        state.nextIp = state.modeKey & MODE.CODE64 ? next : next >>> 0;
        this.#retire(instruction);
        this.#cpu.spend(COST.REFERENCE_INSTRUCTION);
        if (state.attention) return 'attention';
      } catch (fault) {
        if (!(fault instanceof GuestFault)) throw fault;
        this.#cpu.pendingFault = fault;
        return 'fault';
      }
    }
    return 'budget';
  }

  stopBefore(offsets: ReadonlySet<number>): void {
    this.#stops = offsets;
  }

  #stopsHere(): boolean {
    const { state } = this.#cpu;
    const base = state.modeKey & MODE.CODE64 ? 0 : state.segments[SEGMENT.CS].base;
    return this.#stops.has((base + state.ip) % PAGE_SIZE);
  }

  /** It does all things in one way: there is nothing to count. */

  startProfile(): void {}
  readonly profile = undefined;

  /** Nothing is kept of code. */

  dispose(): void {}

  /** While it runs, the instruction counts as retired. */
  #retire(instruction: DecodedInstruction): void {
    const { state } = this.#cpu;
    state.budget--;
    state.suspended = 0;
    try {
      executeInstruction(this.#cpu, this.#context, this.#forms, instruction);
      state.ip = state.nextIp;
    } catch (fault) {
      state.budget++;
      throw fault;
    }
  }

  /** The instruction at `state.ip`. @throws GuestFault #PF, #GP(0), #UD */
  #fetch(): DecodedInstruction {
    const { state } = this.#cpu;
    const mode = codeSize(state.modeKey);
    const { base, limit } = state.segments[SEGMENT.CS];
    let linear = state.ip;
    let available = MAX_INSTRUCTION_LENGTH;
    if (mode !== 64) {
      if (state.ip > limit) {
        const on = { ip: state.ip, limit };
        throw raise.GP(0, { check: 'instruction pointer beyond the code segment limit', on });
      }
      linear = (base + state.ip) >>> 0;
      available = Math.min(available, limit - state.ip + 1);
    }
    const inPage = Math.min(available, PAGE_SIZE - (linear % PAGE_SIZE));
    const first = this.#bytes(linear, inPage);
    let decoded = first && this.#decoder.decode(first, 0, mode);
    if (first && decoded && isFailure(decoded) && decoded.failure === 'incomplete' && inPage < available) {
      const next = linear + inPage;
      const rest = this.#bytes(mode === 64 ? next : next >>> 0, available - inPage);
      decoded = rest && this.#decoder.decode(Uint8Array.of(...first, ...rest), 0, mode);
    }
    decoded ??= this.#decodeBytewise(linear, available, mode);
    if (!isFailure(decoded)) return decoded;
    switch (decoded.failure) {
      case 'undefined':
        throw raise.UD({ check: 'no such instruction' });
      case 'tooLong':
        throw raise.GP(0, { check: 'instruction longer than 15 bytes' });
      case 'incomplete':
        throw raise.GP(0, { check: 'instruction extends beyond the code segment limit' });
    }
  }

  /** Undefined where no frame backs the code. */
  #bytes(linear: number, length: number): Uint8Array | undefined {
    const { memory, mmu } = this.#cpu;
    const at = mmu.translateFetch(linear);
    return memory.frameForRead(Math.floor(at / PAGE_SIZE)) === 0 ? undefined : memory.copyOut(at, length);
  }

  #decodeBytewise(linear: number, available: number, mode: Mode) {
    const { memory, mmu } = this.#cpu;
    const byteAt = (index: number) => {
      const at = linear + index;
      return memory.read(mmu.translateFetch(mode === 64 ? at : at >>> 0), 1);
    };
    return this.#decoder.decode(fetchBytewise(this.#decoder, { mode, available, byteAt }), 0, mode);
  }
}
