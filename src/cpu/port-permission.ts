/** May the running code use a port? SDM Vol. 1, "Protected-Mode I/O"; Vol. 3B, "Virtual-8086 Mode", for its own rule. */
import type { Cpu } from './cpu.ts';
import { type Cause, raise } from './fault.ts';
import { ioPrivilegeLevel, isRealMode, isVirtual8086 } from './processor-mode.ts';
import { TR } from './state-layout.ts';

/** Offset in a 32-bit (and 64-bit) TSS of the word that says where the I/O permission bit map begins. */
const IO_MAP_BASE = 102;
/** Descriptor type bit that tells 32-bit task-state segments from 16-bit ones, in an access word. */
const TYPE_32BIT = 1 << 11;

/**
 * Real-address mode may use all ports; protected mode those that IOPL or the TSS's bit map allow; virtual-8086 mode those
 * of the bit map, whatever IOPL is. A 16-bit TSS has no bit map: nothing is allowed.
 * @throws GuestFault #GP(0); #PF from reading the TSS
 */
export function checkPortPermission(cpu: Cpu, port: number, size: 1 | 2 | 4): void {
  const { state } = cpu;
  if (isRealMode(state)) return;
  if (!isVirtual8086(state) && state.cpl <= ioPrivilegeLevel(state)) return;

  const tss = state.segments[TR];
  const refuse = (check: string, on: Cause['on'] = {}) =>
    raise.GP(0, {
      check,
      manual: 'SDM Vol. 1, "I/O Permission Bit Map"',
      on: { port, size, cpl: state.cpl, iopl: ioPrivilegeLevel(state), tss: tss.selector, ...on },
    });
  if ((tss.access & TYPE_32BIT) === 0) throw refuse('no I/O permission bit map: the task has a 16-bit TSS');
  if (IO_MAP_BASE + 1 > tss.limit) throw refuse('the TSS ends before its I/O map base field', { limit: tss.limit });
  const mapBase = cpu.mmu.read(tss.base + IO_MAP_BASE, 2, 'supervisor');
  const offset = mapBase + (port >>> 3);
  // Two bytes are always read, so that a port's bits may cross a byte border.
  if (offset + 1 > tss.limit)
    throw refuse('the port lies beyond the end of the I/O permission bit map', { mapBase, limit: tss.limit });
  const bits = cpu.mmu.read(tss.base + offset, 2, 'supervisor');
  const mask = (1 << size) - 1;
  if (((bits >>> (port & 7)) & mask) !== 0) throw refuse('the I/O permission bit map denies the port', { mapBase });
}
