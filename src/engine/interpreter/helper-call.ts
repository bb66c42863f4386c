/** Calls of helpers from emitted code: arguments and results lie in the state block. */
import { STATE } from '../../cpu/state-layout.ts';
import type { DispatchedCpu } from '../engine.ts';

export type HelperAnswer = number | bigint | readonly (number | bigint)[] | undefined;
export type AnyHelper = (cpu: DispatchedCpu, ...args: (number | bigint)[]) => HelperAnswer;

/** A helper with the widths with which a row calls it. */
export interface HelperCall {
  /** The helper's. */
  readonly name: string;
  /** Calls it with its arguments. */
  readonly call: (cpu: DispatchedCpu) => HelperAnswer;
  readonly resultWidths: readonly number[];
}

type ReadArgument = (cpu: DispatchedCpu) => number | bigint;

const readArgument = (width: number, index: number): ReadArgument => {
  const offset = STATE.helperArguments + index * 8;
  return width === 64
    ? ({ state, pool }) => pool.views.u64[(state.address + offset) >>> 3]
    : ({ state, pool }) => pool.views.u32[(state.address + offset) >>> 2];
};

/** Up to three arguments are passed as they are: a kernel calls helpers all the time, and an array for each would cost. */
export function createHelperCall(
  { name, helper }: { readonly name: string; readonly helper: AnyHelper },
  argumentWidths: readonly number[],
  resultWidths: readonly number[],
): HelperCall {
  const read = argumentWidths.map(readArgument);
  const [first, second, third] = read;
  const calls: readonly HelperCall['call'][] = [
    (cpu) => helper(cpu),
    (cpu) => helper(cpu, first(cpu)),
    (cpu) => helper(cpu, first(cpu), second(cpu)),
    (cpu) => helper(cpu, first(cpu), second(cpu), third(cpu)),
  ];
  const call = calls[read.length] ?? ((cpu: DispatchedCpu) => helper(cpu, ...read.map((one) => one(cpu))));
  return { name, call, resultWidths };
}
