/** The mode key: what of the processor's mode decides how bytes are decoded and which code may run them. */
import { ACCESS } from './descriptor.ts';
import { isLongMode } from './processor-mode.ts';
import { CS, DS, ES, SS } from './segmentation.ts';
import type { CpuState, SegmentState } from './state-layout.ts';

/** Bits 0-1: code size (0: 16, 1: 32, 2: 64). Bit 2: 32-bit stack. Bit 3: flat. Bit 4 (not of a block's key): CPL 3. */
export const MODE = { CODE32: 1, CODE64: 2, CODE_MASK: 3, STACK32: 4, FLAT: 8, BLOCK_MASK: 15, USER: 16 } as const;

const isFlatData = ({ base, low, highRead, highWrite }: SegmentState): boolean =>
  base === 0 && low === 0 && highRead === 0xffff_ffff && highWrite === 0xffff_ffff;

/** The key for the state as it is now. Flat: CS, DS, ES, SS span all 4 GiB from 0, and data may be read and written. */
export function modeKey(state: CpuState): number {
  const user = state.cpl === 3 ? MODE.USER : 0;
  if (isLongMode(state)) return MODE.CODE64 | user;
  const { segments } = state;
  const code = segments[CS];
  const stack = segments[SS];
  const flat =
    isFlatData(stack) &&
    isFlatData(segments[DS]) &&
    isFlatData(segments[ES]) &&
    code.base === 0 &&
    code.limit === 0xffff_ffff;
  return (
    (code.access & ACCESS.BIG ? MODE.CODE32 : 0) |
    (stack.access & ACCESS.BIG ? MODE.STACK32 : 0) |
    (flat ? MODE.FLAT : 0) |
    user
  );
}

export const codeSize = (key: number): 16 | 32 | 64 => ([16, 32, 64] as const)[key & MODE.CODE_MASK];
export const stackSize = (key: number): 16 | 32 | 64 => (key & MODE.CODE64 ? 64 : key & MODE.STACK32 ? 32 : 16);
