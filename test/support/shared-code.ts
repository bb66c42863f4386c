/** Decoder and compiled code that the machines of all tests in this process share: making one takes a second. */
import { createSharedCode, type SharedCode } from '../../src/machine/pc.ts';

const made: { code?: SharedCode } = {};

export const sharedCode = (): SharedCode => (made.code ??= createSharedCode());
