/**
 * EFLAGS. The six status flags are lazy: two words, and no record of which operation wrote them.
 *
 * - `flagResult`: the last result, sign-extended to 64 bits. ZF: it is 0. SF: its sign. PF: parity of its low byte.
 * - `flagCarries`: bit 31 = CF, bit 31 xor bit 30 = OF, bit 3 = AF, and two deltas with which any combination can be
 *   expressed: bit 0 is xored to SF, bit 1 to PF. All other bits are zero.
 */
import { EFLAGS, EFLAGS_FIXED, STATUS_MASK } from '../isa/eflags.ts';
import { type CpuState, STATE } from './state-layout.ts';

export { EFLAGS, EFLAGS_FIXED, STATUS_MASK };

export const FLAG_CARRIES = { SF_DELTA: 1, PF_DELTA: 2, AF: 8, OVERFLOW: 1 << 30, CF: 1 << 31 } as const;
/** Bits of a carry vector that `flagCarries` keeps. */
export const CARRIES_MASK = FLAG_CARRIES.CF | FLAG_CARRIES.OVERFLOW | FLAG_CARRIES.AF;

const evenParity = (byte: number): boolean => {
  const folded = byte ^ (byte >> 4);
  return ((0x6996 >> (folded & 15)) & 1) === 0;
};

/** The whole of EFLAGS, unsigned. */
export function readEflags(state: CpuState): number {
  // In halves: this runs for every interrupt, and a BigInt has to be allocated.
  const { u32 } = state.pool.views;
  const at = (state.address + STATE.fields.flagResult) >>> 2;
  const low = u32[at];
  const high = u32[at + 1];
  const carries = state.flagCarries;
  const negative = high >>> 31;
  let flags = state.flagsOther | EFLAGS_FIXED;
  if (carries & FLAG_CARRIES.CF) flags |= EFLAGS.CF;
  if (((carries >>> 31) ^ (carries >>> 30)) & 1) flags |= EFLAGS.OF;
  if (carries & FLAG_CARRIES.AF) flags |= EFLAGS.AF;
  if (negative ^ (carries & 1)) flags |= EFLAGS.SF;
  if ((low | high) === 0) flags |= EFLAGS.ZF;
  if (evenParity(low & 0xff) !== Boolean(carries & FLAG_CARRIES.PF_DELTA)) flags |= EFLAGS.PF;
  return flags >>> 0;
}

/** Replaces all of EFLAGS. */
export function writeEflags(state: CpuState, flags: number): void {
  state.flagsOther = (flags & ~STATUS_MASK & ~EFLAGS_FIXED) >>> 0;
  const zero = Boolean(flags & EFLAGS.ZF);
  const carry = flags & EFLAGS.CF ? 1 : 0;
  const overflow = flags & EFLAGS.OF ? 1 : 0;
  // Result 0 means SF=0, PF=1; result 1 means SF=0, PF=0: the deltas do the rest.
  state.flagResult = zero ? 0n : 1n;
  const parity = Boolean(flags & EFLAGS.PF);
  let carries = (carry << 31) | ((carry ^ overflow) << 30);
  if (flags & EFLAGS.AF) carries |= FLAG_CARRIES.AF;
  if (flags & EFLAGS.SF) carries |= FLAG_CARRIES.SF_DELTA;
  if (parity !== zero) carries |= FLAG_CARRIES.PF_DELTA;
  state.flagCarries = carries >>> 0;
}
