/** All helpers of `cpu/` by the name rows call them by (`isa/helper-signature.ts`). */
import type { HELPER_SIGNATURES } from '../isa/helper-signature.ts';
import type { Cpu } from './cpu.ts';
import { FLAG_HELPERS } from './flag-helpers.ts';
import { SEGMENT_HELPERS } from './segment-helpers.ts';
import { SYSTEM_HELPERS } from './system-helpers.ts';
import { TRANSFER_HELPERS } from './transfer-helpers.ts';
import { X87_HELPERS } from './x87/x87-helpers.ts';

export type HelperValue = number | bigint;
/** Arguments and results as the signature says; several results as an array. */
// biome-ignore lint/suspicious/noConfusingVoidType: a helper without results is a function that returns nothing
export type Helper = (cpu: Cpu, ...args: never[]) => HelperValue | readonly HelperValue[] | void;

export const HELPERS = {
  ...SEGMENT_HELPERS,
  ...TRANSFER_HELPERS,
  ...FLAG_HELPERS,
  ...SYSTEM_HELPERS,
  ...X87_HELPERS,
} as const satisfies Record<keyof typeof HELPER_SIGNATURES, Helper>;
