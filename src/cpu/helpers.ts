/** All helpers of `cpu/` by the name rows call them by (`isa/helper-signature.ts`). */
import type { Cpu } from './cpu.ts';

export type HelperValue = number | bigint;
/** Arguments and results as the signature says; several results as an array. */
export type Helper = (cpu: Cpu, ...args: never[]) => HelperValue | readonly HelperValue[] | void;
