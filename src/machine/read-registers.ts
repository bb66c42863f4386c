/** A processor's registers as plain values. */
import type { Cpu } from '../cpu/cpu.ts';
import { readEflags } from '../cpu/flags.ts';
import type { Registers } from './machine-view.ts';

const GENERAL = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;
const CONTROL = ['cr0', 'cr2', 'cr3', 'cr4', 'dr0', 'dr1', 'dr2', 'dr3', 'dr6', 'dr7'] as const;

export function readRegisters({ state }: Cpu): Registers {
  const segments = SEGMENTS.map((name, index) => {
    const { selector, base, limit, access } = state.segments[index];
    return [name, { selector, base, limit, access }];
  });
  return {
    ...Object.fromEntries(GENERAL.map((name, index) => [name, state.reg32(index)])),
    ...Object.fromEntries(CONTROL.map((name) => [name, state[name]])),
    ...Object.fromEntries(segments),
    eip: state.ip,
    eflags: readEflags(state),
    cpl: state.cpl,
    gdtr: { base: state.gdtrBase, limit: state.gdtrLimit },
    idtr: { base: state.idtrBase, limit: state.idtrLimit },
  } as Registers;
}
