/**
 * The x87 FPU's instructions as helpers, by the names in `isa/x87-helper-signature.ts`.
 *
 * From the bottom: `float80` (the format), `round` (the one rounding), `arithmetic`, `partial`, `transcendental`,
 * `convert`, `compare` (pure functions from operands and control word to a result and its exceptions), `x87-state` (the
 * register stack), `operation` (which results count), and the helpers by kind.
 */
import type { X87_HELPER_SIGNATURES } from '../../isa/x87-helper-signature.ts';
import type { Helper } from '../helper.ts';
import { ARITHMETIC_HELPERS } from './arithmetic-helpers.ts';
import { CONTROL_HELPERS } from './control-helpers.ts';
import { FUNCTION_HELPERS } from './function-helpers.ts';
import { IMAGE_HELPERS } from './image-helpers.ts';
import { TRANSFER_HELPERS } from './transfer-helpers.ts';

export const X87_HELPERS: Readonly<Record<keyof typeof X87_HELPER_SIGNATURES, Helper>> = {
  ...CONTROL_HELPERS,
  ...TRANSFER_HELPERS,
  ...ARITHMETIC_HELPERS,
  ...FUNCTION_HELPERS,
  ...IMAGE_HELPERS,
};
