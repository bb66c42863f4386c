/** Paging as the control registers set it up: what a page walk needs to know besides the tables. */
import type { CpuModel } from '../cpu-model.ts';
import { CR0, CR4, EFER } from '../register-bits.ts';
import type { CpuState } from '../state-layout.ts';

/** SDM Vol. 3A, "Paging Modes and Control Bits". */
export interface PagingState {
  readonly mode: '32-bit' | 'PAE' | '4-level';
  /** Physical address of the top-level table (unused with PAE: there the four registers are the top level). */
  readonly root: number;
  /** The four PDPTE registers, PAE only. They were checked when they were loaded. */
  readonly pdptes: readonly number[];
  /** CR0.WP. */
  readonly writeProtect: boolean;
  /** CR4.PSE: 4 MiB pages with 32-bit paging. */
  readonly pageSizeExtensions: boolean;
  /** CR4.PGE. */
  readonly globalPages: boolean;
  /** CR4.PAE and EFER.NXE: XD is a bit, and fetches are told apart in error codes. */
  readonly noExecute: boolean;
  readonly gigabytePages: boolean;
  /** Upper doubleword of an entry: address bits below MAXPHYADDR, and bits that must be zero. */
  readonly addressMaskHigh: number;
  readonly reservedHigh: number;
}

/** The paging mode now; undefined while paging is off. */
export function pagingState(state: CpuState, model: CpuModel): PagingState | undefined {
  const { cr0, cr3, cr4, efer } = state;
  if ((cr0 & CR0.PG) === 0) return undefined;
  const mode = (cr4 & CR4.PAE) === 0 ? '32-bit' : (efer & EFER.LMA) === 0 ? 'PAE' : '4-level';
  const noExecute = mode !== '32-bit' && (efer & EFER.NXE) !== 0;
  const addressMaskHigh = 2 ** (model.physicalBits - 32) - 1;
  // Bits 62:52 are reserved with PAE and ignored with 4-level paging.
  const checkedHigh = mode === 'PAE' ? 0x7fff_ffff : 0x000f_ffff;
  return {
    mode,
    root: mode === '4-level' ? cr3 - (cr3 % 4096) : (cr3 & 0xffff_f000) >>> 0,
    pdptes: mode === 'PAE' ? [state.pdpte0, state.pdpte1, state.pdpte2, state.pdpte3] : [],
    writeProtect: (cr0 & CR0.WP) !== 0,
    pageSizeExtensions: (cr4 & CR4.PSE) !== 0,
    globalPages: (cr4 & CR4.PGE) !== 0,
    noExecute,
    gigabytePages: model.features.has('pdpe1gb'),
    addressMaskHigh,
    reservedHigh: mode === '32-bit' ? 0 : (checkedHigh & ~addressMaskHigh) | (noExecute ? 0 : 0x8000_0000),
  };
}
