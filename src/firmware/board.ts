/** What the BIOS finds on the board: the machine as firmware sees it. */
import type { VirtualClock } from '../base/virtual-clock.ts';
import type { Medium } from '../bus/medium.ts';
import type { MemoryAccess } from './memory-access.ts';

export type DriveKind = 'floppy' | 'disk' | 'cd';

export interface Drive {
  /** What is in it; undefined: it is empty. */
  readonly medium: Medium | undefined;
  /** How often what is in it has been changed: the change line of a diskette drive. */
  readonly changes?: number;
  /** Of one on an ATA channel of a PCI controller: where it is. */
  readonly ata?: {
    readonly pciDevice: number;
    readonly pciFunction: number;
    readonly channel: number;
    readonly device: number;
  };
}

export type Drives = Readonly<Record<DriveKind, readonly Drive[]>>;

export interface PortAccess {
  read(port: number, size: 1 | 2 | 4): number;
  write(port: number, value: number, size: 1 | 2 | 4): void;
}

export interface Board {
  readonly clock: VirtualClock;
  readonly ports: PortAccess;
  /** Memory as the caller addresses it: linear addresses, through A20 and paging. It may throw the caller's page faults. */
  readonly memory: MemoryAccess;
  /** Memory on the bus. */
  readonly physical: MemoryAccess;
  /** RAM, in bytes from address 0. */
  readonly ramBytes: number;
  readonly drives: Drives;
  /** The processor, if it sleeps in the BIOS, goes on. */
  readonly wake: () => void;
  /** Kinds of drives, the first to be tried first. */
  readonly bootOrder: readonly DriveKind[];
  /** How long a key is waited for that brings up the boot menu, in ms of guest time. */
  readonly menuWait: number;
  /** Nothing could be booted: a line for each drive that was tried. */
  readonly onNothingToBoot: (tried: readonly string[]) => void;
  /** What is behind a drive could not be read or written: a line, once for each drive. */
  readonly onHostError: (line: string) => void;
}

/** A real-time clock's register 0–127. */
export function readCmos({ ports }: Pick<Board, 'ports'>, register: number): number {
  ports.write(0x70, register, 1);
  return ports.read(0x71, 1);
}

export function writeCmos({ ports }: Pick<Board, 'ports'>, register: number, value: number): void {
  ports.write(0x70, register, 1);
  ports.write(0x71, value & 0xff, 1);
}
