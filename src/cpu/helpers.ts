/** All helpers of `cpu/` by the name rows call them by (`isa/helper-signature.ts`). */
import type { HELPER_SIGNATURES } from '../isa/helper-signature.ts';
import { FLAG_HELPERS } from './flag-helpers.ts';
import type { Helper } from './helper.ts';
import { SEGMENT_HELPERS } from './segment-helpers.ts';
import { SYSTEM_HELPERS } from './system-helpers.ts';
import { TRANSFER_HELPERS } from './transfer-helpers.ts';
import { X87_HELPERS } from './x87/x87-helpers.ts';

export const HELPERS = {
  ...SEGMENT_HELPERS,
  ...TRANSFER_HELPERS,
  ...FLAG_HELPERS,
  ...SYSTEM_HELPERS,
  ...X87_HELPERS,
} as const satisfies Record<keyof typeof HELPER_SIGNATURES, Helper>;
