/** Runs one x87 instruction on a processor without an engine: decoded, traced, and evaluated by the reference evaluator. */

import { EFLAGS, readEflags, STATUS_MASK, writeEflags } from '../../../../src/cpu/flags.ts';
import type { Helper } from '../../../../src/cpu/helper.ts';
import type { CpuState } from '../../../../src/cpu/state-layout.ts';
import type { Float80 } from '../../../../src/cpu/x87/float80.ts';
import { X87_HELPERS } from '../../../../src/cpu/x87/x87-helpers.ts';
import {
  readStack,
  readTagWord,
  topOfStack,
  writeControl,
  writePhysical,
  writeTagWord,
} from '../../../../src/cpu/x87/x87-state.ts';
import { CpuContext } from '../../../../src/engine/reference/cpu-context.ts';
import { executeInstruction, FormCache } from '../../../../src/engine/reference/execute-instruction.ts';
import { createDecoder, type Decoder, isFailure } from '../../../../src/isa/decoder.ts';
import { X87_INSTRUCTIONS } from '../../../../src/isa/instructions/x87.ts';
import { createProtectedCpu, type ProtectedCpu } from '../../../support/protected-cpu.ts';

/** Where memory operands lie: at [ESI]. */
export const OPERAND = 0x6000;
const CODE = 0x5000;
const ESI = 6;
const EAX = 0;
/** In AX before each instruction, so that FNSTSW AX shows. */
export const AX_BEFORE = 0x5555;

/** The FPU and what else an x87 instruction can touch. `stack`: ST(0)..ST(7), empty ones too. */
export interface FpuState {
  readonly control: number;
  readonly status: number;
  /** Two bits a physical register. */
  readonly tags: number;
  readonly stack: readonly Float80[];
  readonly memory: Uint8Array;
  /** CF PF AF ZF SF OF at their places. */
  readonly flags: number;
}
export interface FpuResult extends FpuState {
  readonly ax: number;
}

export class X87Machine {
  readonly protected: ProtectedCpu = createProtectedCpu(3);
  readonly #decoder: Decoder = createDecoder(X87_INSTRUCTIONS);
  readonly #forms = new FormCache();
  readonly #context: CpuContext;

  constructor() {
    const { cpu } = this.protected;
    cpu.state.cr0 |= 0x20; // NE
    this.#context = new CpuContext(cpu, X87_HELPERS as Readonly<Record<string, Helper>>);
  }

  get state(): CpuState {
    return this.protected.cpu.state;
  }

  /** Executes one instruction at CS:5000h. @throws GuestFault */
  execute(code: Uint8Array): void {
    const { cpu } = this.protected;
    const decoded = this.#decoder.decode(code, 0, 32);
    if (isFailure(decoded))
      throw new TypeError(`not an x87 instruction: ${[...code].map((byte) => byte.toString(16))}`);
    code.forEach((byte, index) => {
      cpu.memory.write(CODE + index, byte, 1);
    });
    cpu.state.ip = CODE;
    cpu.state.nextIp = CODE + decoded.length;
    executeInstruction(cpu, this.#context, this.#forms, decoded);
  }

  /** The instruction on a given FPU; memory operands are [ESI]. */
  run(code: Uint8Array, before: FpuState): FpuResult {
    this.load(before);
    const { cpu } = this.protected;
    before.memory.forEach((byte, index) => {
      cpu.memory.write(OPERAND + index, byte, 1);
    });
    cpu.state.setReg32(ESI, OPERAND);
    cpu.state.setReg32(EAX, AX_BEFORE);
    writeEflags(cpu.state, before.flags | EFLAGS.IF);
    this.execute(code);
    const memory = before.memory.map((_, index) => cpu.memory.read(OPERAND + index, 1));
    return { ...this.save(), memory, flags: readEflags(cpu.state) & STATUS_MASK, ax: cpu.state.reg16(EAX) };
  }

  load({ control, status, tags, stack }: Pick<FpuState, 'control' | 'status' | 'tags' | 'stack'>): void {
    const { state } = this;
    state.fsw = status;
    writeControl(state, control);
    writeTagWord(state, tags);
    for (const field of ['fip', 'fcs', 'fdp', 'fds', 'fop'] as const) state[field] = 0;
    for (const [index, value] of stack.entries()) writePhysical(state, (topOfStack(state) + index) & 7, value);
  }

  save(): Pick<FpuState, 'control' | 'status' | 'tags' | 'stack'> {
    const { state } = this;
    const stack = Array.from({ length: 8 }, (_, index) => readStack(state, index));
    return { control: state.fcw, status: state.fsw, tags: readTagWord(state), stack };
  }
}
