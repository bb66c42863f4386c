/** Puts a processor that was just reset where a boot image is to start. */
import type { Cpu } from '../cpu/cpu.ts';
import { ACCESS } from '../cpu/descriptor.ts';
import { CR0 } from '../cpu/register-bits.ts';
import { CS, DS, ES, FS, GS, loadFlatSegment, loadRealModeSegment, SS } from '../cpu/segmentation.ts';
import type { EntryState } from './boot.ts';

const ESP = 4;
const [EAX, EBX, ESI] = [0, 3, 6] as const;
const GENERAL_REGISTERS = 8;

const FLAT = ACCESS.PRESENT | ACCESS.SEGMENT | ACCESS.ACCESSED | ACCESS.BIG | ACCESS.GRANULAR;
const FLAT_CODE = FLAT | ACCESS.CODE | ACCESS.READABLE;
const FLAT_DATA = FLAT | ACCESS.WRITABLE;

/** Interrupts are off after reset and stay off. */
export function enterBootImage(cpu: Cpu, entry: EntryState): void {
  for (let register = 0; register < GENERAL_REGISTERS; register++) cpu.state.setReg32(register, 0);
  if (entry.mode === 'protected') enterProtectedMode(cpu, entry);
  else enterRealMode(cpu, entry);
  cpu.modeChanged();
}

function enterProtectedMode({ state }: Cpu, entry: EntryState & { mode: 'protected' }): void {
  state.gdtrBase = entry.gdt.address;
  state.gdtrLimit = entry.gdt.limit;
  state.cr0 |= CR0.PE;
  loadFlatSegment(state.segments[CS], entry.codeSelector, FLAT_CODE);
  for (const segment of [DS, ES, SS, FS, GS]) loadFlatSegment(state.segments[segment], entry.dataSelector, FLAT_DATA);
  state.ip = entry.eip;
  const { eax = 0, ebx = 0, esi = 0 } = entry.registers ?? {};
  state.setReg32(EAX, eax);
  state.setReg32(EBX, ebx);
  state.setReg32(ESI, esi);
}

function enterRealMode({ state }: Cpu, entry: EntryState & { mode: 'real' }): void {
  for (const segment of [CS, DS, ES, SS, FS, GS]) loadRealModeSegment(state, segment, 0);
  state.ip = entry.ip;
  state.setReg32(ESP, entry.ip);
}
