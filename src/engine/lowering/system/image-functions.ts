/**
 * Emitted code for FXSAVE and FXRSTOR of an image that lies in one page which the TLB holds, as a kernel has them at each
 * of its switches. `cpu/x87/fx-image` says what is right, and does all that is declined here.
 */
import { CR4 } from '../../../cpu/register-bits.ts';
import { SEGMENT_FIELDS, SEGMENT_STRIDE, STATE } from '../../../cpu/state-layout.ts';
import { CONTROL_FIXED, CONTROL_WRITABLE, EXCEPTIONS, STATUS, TOP_SHIFT } from '../../../cpu/x87/control.ts';
import { FX_ALIGNMENT, FX_IMAGE_BYTES, FX_OFFSET, MXCSR_MASK } from '../../../cpu/x87/fx-image.ts';
import { I64 } from '../../../wasm/code-writer.ts';
import { type Int32, i32, select } from '../../../wasm/expression.ts';
import { load, load32 } from '../../../wasm/function-writer.ts';
import { DONE, declineIf, field, type StatusWriter } from '../emitted-function.ts';
import { translateInPlace } from '../translate-in-place.ts';
import type { WriteSystem } from './write-system.ts';

const REGISTER_BYTES = 16;
const REGISTERS = 8;
const XMM_WORDS = 16;

type Context = Parameters<WriteSystem>[0];

/** Host address of the image; declines what is out of the ordinary. */
function findImage(
  { f, state }: Context,
  [segment, offset, operandSize, longMode]: readonly Int32[],
  table: 'tlbRead' | 'tlbWrite',
): Int32 {
  declineIf(f, operandSize.eq(64).or(longMode));
  const cache = f.local(state.add(segment.mul(SEGMENT_STRIDE)).add(STATE.segments));
  const address = load32(cache, SEGMENT_FIELDS.base).add(offset);
  declineIf(f, address.and(FX_ALIGNMENT - 1));
  const host = translateInPlace(f, { state, segment: cache, offset, bytes: FX_IMAGE_BYTES, table });
  declineIf(f, host.isZero());
  return host;
}

const coversXmm = (state: Int32): Int32 => field(state, 'cr4').and(CR4.OSFXSR);

/** Host address of the register that is ST(index) with a status word. */
const stackRegister = (state: Int32, status: Int32, index: number): Int32 =>
  state.add(
    status
      .shr(TOP_SHIFT)
      .add(index)
      .and(REGISTERS - 1)
      .mul(REGISTER_BYTES),
  );

/** A bit for each register that is not empty, from the tag word. */
function abridged(f: StatusWriter, tags: Int32): Int32 {
  const used = f.local(tags.and(tags.shr(1)).xor(-1).and(0x5555));
  const pairs = f.local(used.or(used.shr(1)).and(0x3333));
  const quads = f.local(pairs.or(pairs.shr(2)).and(0x0f0f));
  return quads.or(quads.shr(4)).and(0xff);
}

/** The tag word in which the registers without a bit are empty. */
function tagWord(f: StatusWriter, bits: Int32): Int32 {
  const empty = f.local(bits.xor(-1).and(0xff));
  const quads = f.local(empty.or(empty.shl(4)).and(0x0f0f));
  const pairs = f.local(quads.or(quads.shl(2)).and(0x3333));
  return pairs.or(pairs.shl(1)).and(0x5555).mul(3);
}

const fxSave: WriteSystem = (context, ...args: readonly Int32[]) => {
  const { f, state } = context;
  const image = findImage(context, args, 'tlbWrite');
  const put16 = (at: number, value: Int32) => f.store('i32.store16', image, at, value);
  const put32 = (at: number, value: Int32) => f.store('i32.store', image, at, value);
  put16(FX_OFFSET.FCW, field(state, 'fcw'));
  put16(FX_OFFSET.FSW, field(state, 'fsw'));
  put16(FX_OFFSET.FTW, abridged(f, f.local(field(state, 'ftw'))));
  put16(FX_OFFSET.FOP, field(state, 'fop'));
  put32(FX_OFFSET.FIP, field(state, 'fip'));
  put32(FX_OFFSET.FCS, field(state, 'fcs'));
  put32(FX_OFFSET.FDP, field(state, 'fdp'));
  put32(FX_OFFSET.FDS, field(state, 'fds'));
  const status = f.local(field(state, 'fsw'));
  for (let index = 0; index < REGISTERS; index++) {
    const register = f.local(stackRegister(state, status, index));
    const at = FX_OFFSET.ST + index * REGISTER_BYTES;
    f.store('i64.store', image, at, load(I64, 'i64.load', register, STATE.x87));
    f.store('i64.store', image, at + 8, load(I64, 'i64.load16_u', register, STATE.x87 + 8));
  }
  f.if(coversXmm(state), () => {
    put32(FX_OFFSET.MXCSR, field(state, 'mxcsr'));
    put32(FX_OFFSET.MXCSR_MASK, i32(MXCSR_MASK));
    for (let at = 0; at < XMM_WORDS * 8; at += 8)
      f.store('i64.store', image, FX_OFFSET.XMM + at, load(I64, 'i64.load', state, STATE.xmm + at));
  });
  f.return(DONE);
};

const fxRestore: WriteSystem = (context, ...args: readonly Int32[]) => {
  const { f, state } = context;
  const image = findImage(context, args, 'tlbRead');
  const word = (at: number) => load32(image, at).and(0xffff);
  const put = (name: 'fcw' | 'fsw' | 'ftw' | 'fop' | 'fcs' | 'fds' | 'mxcsr', value: Int32) =>
    f.store('i32.store', state, STATE.fields[name], value);
  const hasXmm = f.local(coversXmm(state));
  declineIf(f, select(hasXmm, load32(image, FX_OFFSET.MXCSR).and(~MXCSR_MASK), 0));
  f.if(hasXmm, () => {
    put('mxcsr', load32(image, FX_OFFSET.MXCSR));
    for (let at = 0; at < XMM_WORDS * 8; at += 8)
      f.store('i64.store', state, STATE.xmm + at, load(I64, 'i64.load', image, FX_OFFSET.XMM + at));
  });
  put('ftw', tagWord(f, word(FX_OFFSET.FTW)));
  const control = f.local(word(FX_OFFSET.FCW).and(CONTROL_WRITABLE).or(CONTROL_FIXED));
  put('fcw', control);
  const status = f.local(word(FX_OFFSET.FSW).and(0xffff & ~(STATUS.ES | STATUS.B)));
  const pending = status.and(control.xor(-1)).and(EXCEPTIONS);
  put('fsw', status.or(select(pending, i32(STATUS.ES | STATUS.B), 0)));
  put('fop', word(FX_OFFSET.FOP).and(0x7ff));
  f.store('i64.store', state, STATE.fields.fip, load32(image, FX_OFFSET.FIP).widen());
  f.store('i64.store', state, STATE.fields.fdp, load32(image, FX_OFFSET.FDP).widen());
  put('fcs', word(FX_OFFSET.FCS));
  put('fds', word(FX_OFFSET.FDS));
  for (let index = 0; index < REGISTERS; index++) {
    const register = f.local(stackRegister(state, status, index));
    const at = FX_OFFSET.ST + index * REGISTER_BYTES;
    f.store('i64.store', register, STATE.x87, load(I64, 'i64.load', image, at));
    f.store('i32.store', register, STATE.x87 + 8, word(at + 8));
  }
  f.return(DONE);
};

export const IMAGE_FUNCTIONS = { fxSave, fxRestore };
