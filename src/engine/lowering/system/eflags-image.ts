/** Emitted code between EFLAGS as a program sees it and the words that the lazy status flags are kept in (`cpu/flags`). */
import { EFLAGS, EFLAGS_FIXED, FLAG_CARRIES } from '../../../cpu/flags.ts';
import { STATE } from '../../../cpu/state-layout.ts';
import type { I32 } from '../../../wasm/code-writer.ts';
import { type Int32, i32, type Local, select } from '../../../wasm/expression.ts';
import { load32 } from '../../../wasm/function-writer.ts';
import { field, type StatusWriter } from '../emitted-function.ts';

const place = (bits: number): number => Math.log2(bits & -bits);
const SIGN = 31;
/** Bit n: the parity of n, 1 if it is odd. */
const ODD_NIBBLES = 0x6996;

/** The whole of EFLAGS. */
export function readEflags(f: StatusWriter, state: Int32): Local<typeof I32> {
  const carries = f.local(field(state, 'flagCarries'));
  const low = f.local(field(state, 'flagResult'));
  const high = f.local(load32(state, STATE.fields.flagResult + 4));
  const bit = (value: Int32, at: number) => (at === 0 ? value : value.shr(at)).and(1);
  const byte = f.local(low.xor(low.shr(4)));
  const odd = i32(ODD_NIBBLES).shr(byte.and(15)).and(1);
  const flags: Readonly<Record<'CF' | 'PF' | 'AF' | 'ZF' | 'SF' | 'OF', Int32>> = {
    CF: carries.shr(SIGN),
    PF: odd.xor(bit(carries, place(FLAG_CARRIES.PF_DELTA))).xor(1),
    AF: bit(carries, place(FLAG_CARRIES.AF)),
    ZF: low.or(high).isZero(),
    SF: high.shr(SIGN).xor(bit(carries, place(FLAG_CARRIES.SF_DELTA))),
    OF: carries.shr(SIGN).xor(bit(carries, place(FLAG_CARRIES.OVERFLOW))),
  };
  return f.local(
    (Object.keys(flags) as (keyof typeof flags)[]).reduce(
      (image, name) => image.or(flags[name].shl(place(EFLAGS[name]))),
      field(state, 'flagsOther').or(EFLAGS_FIXED),
    ),
  );
}

/** Replaces the status flags by those of an image, and all others by `others`. */
export function writeEflags(
  f: StatusWriter,
  state: Int32,
  { image, others }: { readonly image: Int32; readonly others: Int32 },
): void {
  const bit = (name: 'CF' | 'PF' | 'AF' | 'ZF' | 'SF' | 'OF') => image.shr(place(EFLAGS[name])).and(1);
  const zero = f.local(bit('ZF'));
  // Result 0 means SF=0, PF=1; result 1 means SF=0, PF=0: the deltas do the rest.
  const carries = bit('CF')
    .shl(SIGN)
    .or(bit('CF').xor(bit('OF')).shl(place(FLAG_CARRIES.OVERFLOW)))
    .or(select(bit('AF'), i32(FLAG_CARRIES.AF), 0))
    .or(select(bit('SF'), i32(FLAG_CARRIES.SF_DELTA), 0))
    .or(select(bit('PF').xor(zero), i32(FLAG_CARRIES.PF_DELTA), 0));
  f.store('i32.store', state, STATE.fields.flagsOther, others);
  f.store('i32.store', state, STATE.fields.flagCarries, carries);
  f.store('i64.store', state, STATE.fields.flagResult, zero.xor(1).widen());
}
