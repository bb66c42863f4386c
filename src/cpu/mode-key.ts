/** The mode key: what of the processor's mode decides how bytes are decoded and which code may run them. */
import { ACCESS } from './descriptor.ts';
import { isLongMode } from './processor-mode.ts';
import { CS, DS, ES, SS } from './segmentation.ts';
import { type CpuState, SEGMENT_FIELDS, SEGMENT_STRIDE, STATE } from './state-layout.ts';

/** Bits 0-1: code size (0: 16, 1: 32, 2: 64). Bit 2: 32-bit stack. Bit 3: flat. Bit 4 (not of a block's key): CPL 3. */
export const MODE = { CODE32: 1, CODE64: 2, CODE_MASK: 3, STACK32: 4, FLAT: 8, BLOCK_MASK: 15, USER: 16 } as const;

/** Whether a segment's bounds, at `at` in the pool's doublewords, allow all offsets from base 0 on to be read and written. */
const isFlatData = (u32: Uint32Array, at: number): boolean =>
  u32[at + SEGMENT_FIELDS.low / 4] === 0 &&
  u32[at + SEGMENT_FIELDS.highRead / 4] === 0xffff_ffff &&
  u32[at + SEGMENT_FIELDS.highWrite / 4] === 0xffff_ffff &&
  hasBaseZero(u32, at);
const hasBaseZero = (u32: Uint32Array, at: number): boolean => (u32[at] | u32[at + 1]) === 0;

/**
 * The key for the state as it is now. Flat: CS, DS, ES, SS span all 4 GiB from 0, and data may be read and written.
 * It is worked out at every entry of a kernel: straight from the state block.
 */
export function modeKey(state: CpuState): number {
  const user = state.cpl === 3 ? MODE.USER : 0;
  if (isLongMode(state)) return MODE.CODE64 | user;
  const { u32 } = state.pool.views;
  const segment = (number: number) => (state.address + STATE.segments + number * SEGMENT_STRIDE) >>> 2;
  const [code, stack] = [segment(CS), segment(SS)];
  const flat =
    isFlatData(u32, stack) &&
    isFlatData(u32, segment(DS)) &&
    isFlatData(u32, segment(ES)) &&
    hasBaseZero(u32, code) &&
    u32[code + SEGMENT_FIELDS.limit / 4] === 0xffff_ffff;
  return (
    (u32[code + SEGMENT_FIELDS.access / 4] & ACCESS.BIG ? MODE.CODE32 : 0) |
    (u32[stack + SEGMENT_FIELDS.access / 4] & ACCESS.BIG ? MODE.STACK32 : 0) |
    (flat ? MODE.FLAT : 0) |
    user
  );
}

export const codeSize = (key: number): 16 | 32 | 64 => ([16, 32, 64] as const)[key & MODE.CODE_MASK];
export const stackSize = (key: number): 16 | 32 | 64 => (key & MODE.CODE64 ? 64 : key & MODE.STACK32 ? 32 : 16);
