/** The processor's registers as text, for people. */
import { EFLAGS, readEflags } from '../cpu/flags.ts';
import type { CpuState } from '../cpu/state-layout.ts';

const GENERAL = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;
/** In the order in which they are shown. */
const FLAG_NAMES = ['CF', 'PF', 'AF', 'ZF', 'SF', 'TF', 'IF', 'DF', 'OF', 'NT', 'RF', 'VM', 'AC', 'ID'] as const;
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;

const hex8 = (value: number): string => value.toString(16).padStart(8, '0');
const hex4 = (value: number): string => value.toString(16).padStart(4, '0');

/** Several lines: general registers, EIP and flags, segments with base, limit and access, control registers, tables. */
export function describeRegisters(state: CpuState): string {
  const general = GENERAL.map((name, index) => `${name} ${hex8(state.reg32(index))}`);
  const eflags = readEflags(state);
  const flags = FLAG_NAMES.filter((name) => eflags & EFLAGS[name]).join(' ');
  const segments = SEGMENTS.map((name, index) => {
    const { selector, base, limit, access } = state.segments[index];
    return `${name.padEnd(4)} ${hex4(selector)} base ${hex8(base)} limit ${hex8(limit)} access ${hex8(access)}`;
  });
  const { cr0, cr2, cr3, cr4 } = state;
  return [
    general.slice(0, 4).join('  '),
    general.slice(4).join('  '),
    `eip ${hex8(state.ip)}  eflags ${hex8(eflags)} [${flags}]  cpl ${state.cpl}${state.halted ? '  halted' : ''}`,
    ...segments,
    `cr0 ${hex8(cr0)}  cr2 ${hex8(cr2)}  cr3 ${hex8(cr3)}  cr4 ${hex8(cr4)}`,
    `gdtr base ${hex8(state.gdtrBase)} limit ${hex4(state.gdtrLimit)}  idtr base ${hex8(state.idtrBase)} limit ${hex4(state.idtrLimit)}`,
  ].join('\n');
}
