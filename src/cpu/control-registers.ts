/**
 * Control registers: what may be written, what a write loads and what it makes invalid. SDM Vol. 3A, "Control Registers",
 * "PDPTE Registers" and "Operations that Invalidate TLBs and Paging-Structure Caches".
 *
 * With PAE paging the four page-directory-pointer-table entries are registers: they are read from memory, checked and
 * kept when CR3 is written, or CR0 or CR4 in a bit that paging depends on, and at no other time. A guest that changes the
 * table in memory sees the change after its next MOV CR3.
 *
 * A write checks everything before it changes anything.
 */

import { SEGMENT } from '../isa/semantics.ts';
import type { Cpu } from './cpu.ts';
import type { CpuModel } from './cpu-model.ts';
import { ACCESS } from './descriptor.ts';
import { type Cause, raise } from './fault.ts';
import { isLongMode } from './processor-mode.ts';
import { CR0, CR4, EFER } from './register-bits.ts';

const CR0_WRITABLE = CR0.PE | CR0.MP | CR0.EM | CR0.TS | CR0.NE | CR0.WP | CR0.AM | CR0.NW | CR0.CD | CR0.PG;
const LMSW_BITS = CR0.PE | CR0.MP | CR0.EM | CR0.TS;
/** Bits whose change reloads the PDPTE registers while PAE paging is in use. */
const CR0_PDPTE_BITS = CR0.CD | CR0.NW | CR0.PG;
const CR4_PDPTE_BITS = CR4.PAE | CR4.PGE | CR4.PSE;
const CR4_FLUSHING_BITS = CR4.PAE | CR4.PGE | CR4.PSE;
/** PDPTE: bits 2:1 and 8:5 are reserved, as are those from MAXPHYADDR on. */
const PDPTE_PRESENT = 1;
const PDPTE_RESERVED_LOW = 0b1_1110_0110;

/** Value of CR0, CR2, CR3, CR4 or (64-bit processors) CR8. Privilege is checked by the row: SMSW needs none. */
export function readControl(cpu: Cpu, register: number): number {
  const { state } = cpu;
  switch (register) {
    case 0:
      return state.cr0;
    case 2:
      return state.cr2;
    case 3:
      return state.cr3;
    case 4:
      return state.cr4;
    case 8:
      if (cpu.model.features.has('lm')) return state.cr8;
  }
  throw noSuchRegister(register);
}

export function writeControl(cpu: Cpu, register: number, value: number): void {
  switch (register) {
    case 0:
      return writeCr0(cpu, value);
    case 2:
      cpu.state.cr2 = value;
      return;
    case 3:
      return writeCr3(cpu, value);
    case 4:
      return writeCr4(cpu, value);
    case 8:
      if (cpu.model.features.has('lm')) return writeCr8(cpu, value);
  }
  throw noSuchRegister(register);
}

export function writeCr0(cpu: Cpu, value: number): void {
  const { state } = cpu;
  const refuse = (check: string) => refuseValue('CR0', value, check);
  if (value >= 2 ** 32) throw refuse('bits 63:32 not zero');
  if ((value & CR0.PG) !== 0 && (value & CR0.PE) === 0) throw refuse('PG = 1 with PE = 0');
  if ((value & CR0.NW) !== 0 && (value & CR0.CD) === 0) throw refuse('NW = 1 with CD = 0');

  const next = ((value & CR0_WRITABLE) | CR0.ET) >>> 0;
  const changed = state.cr0 ^ next;
  const paging = (next & CR0.PG) !== 0;
  let efer = state.efer;
  if ((changed & CR0.PG) !== 0) {
    if (paging && (efer & EFER.LME) !== 0) {
      if ((state.cr4 & CR4.PAE) === 0) throw refuse('PG set with EFER.LME = 1 and CR4.PAE = 0');
      if (codeIsLong(cpu)) throw refuse('PG set with EFER.LME = 1 and CS.L = 1');
      efer |= EFER.LMA;
    } else if (!paging) {
      if (isLongMode(state)) throw refuse('PG cleared in 64-bit mode');
      efer &= ~EFER.LMA;
    }
  }
  const usesPdptes = paging && (state.cr4 & CR4.PAE) !== 0 && (efer & EFER.LMA) === 0;
  if (usesPdptes && (changed & CR0_PDPTE_BITS) !== 0) loadPdptes(cpu, state.cr3);

  state.cr0 = next;
  state.efer = efer;
  cpu.modeChanged();
  // Translations are kept with the rights that WP gave them.
  if ((changed & (CR0.PG | CR0.WP)) !== 0) cpu.mmu.flush('all');
}

/** LMSW: PE, MP, EM and TS; PE can be set, not cleared. */
export function loadMachineStatusWord(cpu: Cpu, value: number): void {
  const { cr0 } = cpu.state;
  writeCr0(cpu, ((cr0 & ~(LMSW_BITS & ~CR0.PE)) | (value & LMSW_BITS)) >>> 0);
}

export function clearTaskSwitched(cpu: Cpu): void {
  cpu.state.cr0 = (cpu.state.cr0 & ~CR0.TS) >>> 0;
  cpu.modeChanged();
}

/** MOV to CR3, and the CR3 of a task switch. Drops all translations but global ones, also when the value is the same. */
export function writeCr3(cpu: Cpu, value: number): void {
  const { state, model } = cpu;
  if ((state.efer & EFER.LMA) !== 0) {
    if (value >= 2 ** model.physicalBits)
      throw refuseValue('CR3', value, `bits from ${model.physicalBits} on not zero`);
  } else if (usesPaePaging(cpu)) {
    loadPdptes(cpu, value);
  }
  state.cr3 = value;
  cpu.modeChanged();
  cpu.mmu.flush('nonGlobal');
}

export function writeCr4(cpu: Cpu, value: number): void {
  const { state } = cpu;
  const reserved = ~cr4Bits(cpu.model);
  const refuse = (check: string) => refuseValue('CR4', value, check);
  if (value >= 2 ** 32 || (value & reserved) !== 0) throw refuse('reserved bit set');
  const next = value >>> 0;
  const changed = state.cr4 ^ next;
  if ((next & CR4.PAE) === 0 && (state.efer & EFER.LMA) !== 0) throw refuse('PAE cleared in IA-32e mode');
  const usesPdptes = (state.cr0 & CR0.PG) !== 0 && (next & CR4.PAE) !== 0 && (state.efer & EFER.LMA) === 0;
  if (usesPdptes && (changed & CR4_PDPTE_BITS) !== 0) loadPdptes(cpu, state.cr3);
  state.cr4 = next;
  cpu.modeChanged();
  if ((changed & CR4_FLUSHING_BITS) !== 0) cpu.mmu.flush('all');
}

function writeCr8(cpu: Cpu, value: number): void {
  if (value > 15) throw refuseValue('CR8', value, 'reserved bit set');
  cpu.state.cr8 = value;
  cpu.attend();
}

/** CR4 bits that exist on this model. */
function cr4Bits({ features }: CpuModel): number {
  const of = (feature: string, bits: number) => (features.has(feature) ? bits : 0);
  return (
    of('vme', CR4.VME | CR4.PVI) |
    of('tsc', CR4.TSD) |
    of('de', CR4.DE) |
    of('pse', CR4.PSE) |
    of('pae', CR4.PAE) |
    of('mce', CR4.MCE) |
    of('pge', CR4.PGE) |
    CR4.PCE |
    of('fxsr', CR4.OSFXSR) |
    of('sse', CR4.OSXMMEXCPT)
  );
}

function usesPaePaging({ state }: Cpu): boolean {
  return (state.cr0 & CR0.PG) !== 0 && (state.cr4 & CR4.PAE) !== 0 && (state.efer & EFER.LMA) === 0;
}

/** Reads, checks and keeps the four PDPTEs. An entry that is not present may hold anything. */
function loadPdptes(cpu: Cpu, cr3: number): void {
  const { state, memory, model } = cpu;
  const table = (cr3 & 0xffff_ffe0) >>> 0;
  const entries = [0, 1, 2, 3].map((index) => {
    const at = ((table + index * 8) & state.a20Mask) >>> 0;
    const low = memory.read(at, 4);
    const high = memory.read(at + 4, 4);
    const present = (low & PDPTE_PRESENT) !== 0;
    if (present && ((low & PDPTE_RESERVED_LOW) !== 0 || high >= 2 ** (model.physicalBits - 32))) {
      const entry = BigInt(low) | (BigInt(high) << 32n);
      throw raise.GP(0, {
        check: 'reserved bit set in a page-directory-pointer-table entry',
        manual: 'SDM Vol. 3A, "PDPTE Registers"',
        on: { index, entryAddress: at, entry, cr3 },
      });
    }
    return present ? low + high * 2 ** 32 : 0;
  });
  [state.pdpte0, state.pdpte1, state.pdpte2, state.pdpte3] = entries as [number, number, number, number];
}

const codeIsLong = (cpu: Cpu): boolean => (cpu.state.segments[SEGMENT.CS].access & ACCESS.LONG) !== 0;

const noSuchRegister = (register: number) =>
  raise.UD({
    check: 'no such control register',
    manual: 'SDM Vol. 2B, "MOV—Move to/from Control Registers"',
    on: { register },
  });

function refuseValue(register: string, value: number, check: string) {
  const cause: Cause = {
    check: `${register}: ${check}`,
    manual: 'SDM Vol. 2B, "MOV—Move to/from Control Registers"',
    on: { value },
  };
  return raise.GP(0, cause);
}
