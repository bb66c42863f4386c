/** One instruction, or one iteration of a repeated one, on the reference evaluator. */
import type { Cpu } from '../../cpu/cpu.ts';
import { ACCESS } from '../../cpu/descriptor.ts';
import { raise } from '../../cpu/fault.ts';
import { EFLAGS, readEflags } from '../../cpu/flags.ts';
import { isLongMode } from '../../cpu/processor-mode.ts';
import type { DecodedInstruction } from '../../isa/decoded-instruction.ts';
import { GPR, SEGMENT } from '../../isa/semantics.ts';
import { type Form, traceForm } from '../../isa/trace.ts';
import type { CpuContext } from './cpu-context.ts';
import { evaluateStatements } from './evaluate.ts';

/** Traced forms, by all that they are specialised to. */
export class FormCache {
  readonly #forms = new Map<unknown, Map<string, Form>>();

  /** The form of an instruction in the CPU's present mode. */
  find(cpu: Cpu, instruction: DecodedInstruction): Form {
    const { row, encoding, operandSize, addressSize, condition, memory } = instruction;
    const longMode = isLongMode(cpu.state);
    const stackSize = longMode ? 64 : cpu.state.segments[SEGMENT.SS].access & ACCESS.BIG ? 32 : 16;
    const variant = `${operandSize} ${addressSize} ${stackSize} ${longMode} ${condition} ${memory !== undefined}`;
    let variants = this.#forms.get(encoding);
    if (variants === undefined) this.#forms.set(encoding, (variants = new Map()));
    let form = variants.get(variant);
    if (form === undefined) {
      const context = { operandSize, addressSize, stackSize, longMode, condition } as const;
      form = traceForm({ row, encoding, memory: memory !== undefined, ...context });
      variants.set(variant, form);
    }
    return form;
  }
}

/**
 * Executes the instruction at `state.ip`. `state.nextIp` must be the offset behind it; on return it is the offset to go
 * on at, which for a string instruction with iterations left is `state.ip`.
 * @throws GuestFault
 */
export function executeInstruction(
  cpu: Cpu,
  context: CpuContext,
  forms: FormCache,
  instruction: DecodedInstruction,
): void {
  const { row, repeat } = instruction;
  const { state } = cpu;
  if (row.feature !== undefined && !cpu.model.features.has(row.feature)) {
    throw raise.UD({ check: 'this CPU does not have the instruction', on: { feature: row.feature } });
  }
  context.begin(instruction);
  const { statements } = forms.find(cpu, instruction);
  if (row.repeat === undefined || repeat === 'none') return evaluateStatements(statements, context);

  // SDM Vol. 2B, "REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix". The count has the address size.
  const count = BigInt.asUintN(instruction.addressSize, state.reg64(GPR.rCX));
  const setCount = (value: bigint) => {
    const place = { space: 'gpr', register: GPR.rCX, width: instruction.addressSize } as const;
    context.writePlace(place, { value, undefined: 0n }, instruction.addressSize);
  };
  if (count === 0n) return;
  evaluateStatements(statements, context);
  setCount(count - 1n);
  const zero = (readEflags(state) & EFLAGS.ZF) !== 0;
  const stopped = row.repeat === 'repe' && zero !== (repeat === 'repe');
  if (count > 1n && !stopped) {
    state.nextIp = state.ip;
    state.suspended = 1;
  }
}
