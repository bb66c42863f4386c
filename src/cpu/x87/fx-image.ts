/** FXSAVE and FXRSTOR. SDM Vol. 2A, "FXSAVE—Save x87 FPU, MMX Technology, and SSE State", tables of the layouts. */
import type { Cpu } from '../cpu.ts';
import { raise } from '../fault.ts';
import { CR4 } from '../register-bits.ts';
import { STATE } from '../state-layout.ts';
import { type ImagePlace, readFloat80, writeStackRegisters } from './image.ts';
import { readAbridgedTags, readStack, writeAbridgedTags, writeControl } from './x87-state.ts';

export const FX_IMAGE_BYTES = 512;
export const FX_ALIGNMENT = 16;
/** Byte offsets in the image. */
export const FX_OFFSET = {
  FCW: 0,
  FSW: 2,
  FTW: 4,
  FOP: 6,
  FIP: 8,
  FCS: 12,
  FDP: 16,
  FDS: 20,
  MXCSR: 24,
  MXCSR_MASK: 28,
  ST: 32,
  XMM: 160,
};
/** Bits of MXCSR that may be set; all of SSE and DAZ. */
export const MXCSR_MASK = 0xffff;

export interface FxFormat {
  /** REX.W: 64-bit pointers instead of offset and selector. */
  readonly wide: boolean;
  /** 64-bit mode: sixteen XMM registers instead of eight. */
  readonly longMode: boolean;
}

/** The CPU need not save XMM and MXCSR while CR4.OSFXSR = 0; this one does not. */
const coversXmm = ({ state }: Cpu): boolean => (state.cr4 & CR4.OSFXSR) !== 0;

function checkAlignment({ state }: Cpu, { segment, offset }: ImagePlace): void {
  const address = state.segments[segment].base + offset;
  if (address % FX_ALIGNMENT === 0) return;
  throw raise.GP(0, {
    check: 'image of FXSAVE or FXRSTOR not aligned to 16 bytes',
    manual: 'SDM Vol. 2A, "FXSAVE—Save x87 FPU, MMX Technology, and SSE State"',
    on: { segment, offset, address },
  });
}

export function fxSave(cpu: Cpu, place: ImagePlace, { wide, longMode }: FxFormat): void {
  const { state, mmu } = cpu;
  const { segment, offset } = place;
  checkAlignment(cpu, place);
  mmu.probeWriteSegment(segment, offset, FX_IMAGE_BYTES);
  const write = (at: number, value: number, size: 1 | 2 | 4) => mmu.writeSegment(segment, offset + at, value, size);
  const write64 = (at: number, value: bigint) => mmu.writeSegment64(segment, offset + at, value);

  write(FX_OFFSET.FCW, state.fcw, 2);
  write(FX_OFFSET.FSW, state.fsw, 2);
  write(FX_OFFSET.FTW, readAbridgedTags(state), 2);
  write(FX_OFFSET.FOP, state.fop, 2);
  if (wide) {
    write64(FX_OFFSET.FIP, BigInt(state.fip));
    write64(FX_OFFSET.FDP, BigInt(state.fdp));
  } else {
    write(FX_OFFSET.FIP, Number(BigInt.asUintN(32, BigInt(state.fip))), 4);
    write(FX_OFFSET.FCS, state.fcs, 4);
    write(FX_OFFSET.FDP, Number(BigInt.asUintN(32, BigInt(state.fdp))), 4);
    write(FX_OFFSET.FDS, state.fds, 4);
  }
  for (let index = 0; index < 8; index++) {
    const { sign, exponent, significand } = readStack(state, index);
    write64(FX_OFFSET.ST + 16 * index, significand);
    write64(FX_OFFSET.ST + 16 * index + 8, BigInt((sign << 15) | exponent));
  }
  if (!coversXmm(cpu)) return;
  write(FX_OFFSET.MXCSR, state.mxcsr, 4);
  write(FX_OFFSET.MXCSR_MASK, MXCSR_MASK, 4);
  for (let index = 0; index < xmmWords(longMode); index++) {
    write64(FX_OFFSET.XMM + 8 * index, state.pool.views.u64[xmmAt(cpu) + index]);
  }
}

export function fxRestore(cpu: Cpu, place: ImagePlace, { wide, longMode }: FxFormat): void {
  const { state, mmu } = cpu;
  const { segment, offset } = place;
  checkAlignment(cpu, place);
  const read = (at: number, size: 1 | 2 | 4) => mmu.readSegment(segment, offset + at, size) >>> 0;
  const read64 = (at: number) => BigInt.asUintN(64, mmu.readSegment64(segment, offset + at));

  // All 512 bytes must be readable, those that mean nothing included.
  read64(FX_IMAGE_BYTES - 8);
  const [control, status, tags, opcode] = [FX_OFFSET.FCW, FX_OFFSET.FSW, FX_OFFSET.FTW, FX_OFFSET.FOP].map((at) =>
    read(at, 2),
  );
  const ip = wide ? Number(read64(FX_OFFSET.FIP)) : read(FX_OFFSET.FIP, 4);
  const dp = wide ? Number(read64(FX_OFFSET.FDP)) : read(FX_OFFSET.FDP, 4);
  const [cs, ds] = wide ? [0, 0] : [read(FX_OFFSET.FCS, 2), read(FX_OFFSET.FDS, 2)];
  const registers = Array.from({ length: 8 }, (_, index) =>
    readFloat80(cpu, segment, offset + FX_OFFSET.ST + 16 * index),
  );
  const mxcsr = read(FX_OFFSET.MXCSR, 4);
  const xmm = Array.from({ length: xmmWords(longMode) }, (_, index) => read64(FX_OFFSET.XMM + 8 * index));
  if (coversXmm(cpu)) {
    if (mxcsr & ~MXCSR_MASK) {
      throw raise.GP(0, {
        check: 'FXRSTOR of an MXCSR with reserved bits set',
        manual: 'SDM Vol. 2A, "FXRSTOR—Restore x87 FPU, MMX, XMM, and MXCSR State"',
        on: { mxcsr },
      });
    }
    state.mxcsr = mxcsr;
    for (const [index, word] of xmm.entries()) state.pool.views.u64[xmmAt(cpu) + index] = word;
  }
  writeAbridgedTags(state, tags!);
  state.fsw = status!;
  writeControl(state, control!);
  state.fop = opcode! & 0x7ff;
  state.fip = ip;
  state.fdp = dp;
  state.fcs = cs!;
  state.fds = ds!;
  writeStackRegisters(state, registers);
}

const xmmWords = (longMode: boolean): number => (longMode ? 32 : 16);
/** Index of XMM0 among the pool's 64-bit words. */
const xmmAt = ({ state }: Cpu): number => (state.address + STATE.xmm) >>> 3;
