/** What the BIOS keeps outside guest memory, as plain data. */
import type { DriveKind } from './board.ts';
import type { Geometry } from './disk/geometry.ts';
import type { Memo } from './service.ts';

export const powerOnState = () => ({
  /** Calls that wait, by the address of their frame, the oldest first. */
  calls: [] as WaitingCall[],
  /** Questions asked again and again with nothing done between: how many, and when the last was answered. */
  polls: { count: 0, answeredAt: 0 },
  /** What INT 19h tries next, and what has come of the drives before; `goesOn`: INT 18h has asked it to; `chosen`: by the user. */
  boot: { next: 0, tried: [] as string[], goesOn: false, chosen: null as DriveKind | null },
  /** What was started from a CD: El Torito, section 4.0. `geometry` null: no drive is emulated. */
  emulation: null as Emulation | null,
  /** Of each drive with a medium that can be changed: changes that INT 13h has reported. */
  seenChanges: {} as Record<string, number>,
  /** Of each CD drive: how often programs have locked it. */
  locks: [] as number[],
});

export interface WaitingCall {
  readonly place: number;
  readonly service: number;
  readonly memo: Memo | undefined;
  /** Guest time (ns) at which it goes on without an interrupt; null: it does not. */
  readonly wakeAt: number | null;
}

export interface Emulation {
  /** Number of the drive that programs are given. */
  readonly drive: number;
  /** The catalogue's media type: 0 none, 1 1.2M, 2 1.44M, 3 2.88M, 4 hard disk. */
  readonly media: number;
  /** Which CD drive. */
  readonly cd: number;
  /** First block of the image, of 2048 bytes. */
  readonly lba: number;
  /** First block of the catalogue. */
  readonly catalog: number;
  readonly loadSegment: number;
  /** Sectors of 512 bytes that were loaded. */
  readonly count: number;
  readonly geometry: Geometry | null;
}

export type BiosState = ReturnType<typeof powerOnState>;
