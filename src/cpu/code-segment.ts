/** Loading CS: what far transfers, interrupts and returns have in common. */
import type { Cpu } from './cpu.ts';
import { type Descriptor, selectorError } from './descriptor.ts';
import { raise } from './fault.ts';
import { about } from './segment-load.ts';
import { CS, loadSegmentCache } from './segmentation.ts';

/** Loads CS from a descriptor; RPL and CPL become `cpl`. */
export function loadCodeSegment(cpu: Cpu, selector: number, descriptor: Descriptor, cpl: number): void {
  loadSegmentCache(cpu.state.segments[CS], (selector & 0xfffc) | cpl, descriptor);
  cpu.state.cpl = cpl;
}

/** @throws GuestFault #GP(ext) when the offset lies beyond the limit */
export function checkInstructionPointer(offset: number, limit: number, manual: string, ext: 0 | 1 = 0): void {
  if (offset <= limit) return;
  throw raise.GP(ext, {
    check: 'instruction pointer beyond the limit of the code segment',
    manual,
    on: { offset, limit },
  });
}

/** @throws GuestFault #NP(selector) */
export function checkPresent(selector: number, descriptor: Descriptor, manual: string, ext: 0 | 1 = 0): void {
  if (descriptor.present) return;
  throw raise.NP(selectorError(selector, ext), { check: 'not present', manual, on: about(selector, descriptor) });
}

/** #GP(selector) for a descriptor that fails a check. */
export const descriptorFault = (
  check: string,
  manual: string,
  where: { cpu: Cpu; selector: number; descriptor: Descriptor; ext?: 0 | 1 },
) =>
  raise.GP(selectorError(where.selector, where.ext), {
    check,
    manual,
    on: { ...about(where.selector, where.descriptor), cpl: where.cpu.state.cpl },
  });
