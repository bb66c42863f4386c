/** What a helper is: a function of `cpu/` that rows call by name (`isa/helper-signature.ts`). */
import type { Cpu } from './cpu.ts';

export type HelperValue = number | bigint;
/** Arguments and results as the signature says; several results as an array. */
// biome-ignore lint/suspicious/noConfusingVoidType: a helper without results is a function that returns nothing
export type Helper = (cpu: Cpu, ...args: never[]) => HelperValue | readonly HelperValue[] | void;
