/**
 * A floppy disk drive at the cable: head, disk change latch, and the disk in it. It knows where sectors are in a
 * medium; when things happen is the controller's business.
 *
 * Deleted data marks have no place in an image: the drive remembers them as long as the disk is in it.
 */
import { Pending } from '../../base/pending.ts';
import type { Medium } from '../../bus/medium.ts';
import {
  DRIVES,
  driveFor,
  type FloppyDriveType,
  type FloppyFormat,
  formatFor,
  type Rate,
  rateIn,
  SECTOR_BYTES,
  SPARE_CYLINDERS,
} from './floppy-format.ts';

export interface FloppyDriveOptions {
  /** Default: what the medium was made for; without one, 1.44 MB. */
  readonly type?: FloppyDriveType | undefined;
  readonly medium?: Medium | undefined;
}

/** Drive A, and drive B. */
export type FloppyDrives =
  | readonly []
  | readonly [FloppyDriveOptions]
  | readonly [FloppyDriveOptions, FloppyDriveOptions];

/** What of a drive a snapshot holds. The medium is the user's. */
export const driveState = () => ({
  /** Of the head; cylinders of the drive, not of the disk. */
  cylinder: 0,
  /** DSKCHG: the disk has been taken out since the head last moved with one in. */
  changed: true,
  /** Sectors with a deleted data mark, by number in the medium. */
  deleted: [] as number[],
});
export type FloppyDriveState = ReturnType<typeof driveState>;

export class FloppyDrive {
  readonly type: FloppyDriveType;
  readonly #state: () => FloppyDriveState;
  #medium: Medium | undefined;
  #format: FloppyFormat | undefined;

  /**
   * `state` finds the drive's part of its controller's state, which a restored one replaces.
   * @throws UserError if the medium does not go into the drive
   */
  constructor({ type, medium }: FloppyDriveOptions, state: () => FloppyDriveState) {
    this.type = type ?? driveFor(medium?.size);
    this.#state = state;
    if (medium !== undefined) this.#format = formatFor(medium.size, this.type);
    this.#medium = medium;
  }

  get medium(): Medium | undefined {
    return this.#medium;
  }

  /** What is in it; undefined if nothing is. */
  get format(): FloppyFormat | undefined {
    return this.#format;
  }

  get writeProtected(): boolean {
    return this.#medium?.readOnly ?? true;
  }

  get atTrack0(): boolean {
    return this.#state().cylinder === 0;
  }

  /** The data rate at which the disk is read, if there is one. */
  get rate(): Rate | undefined {
    return this.#format && rateIn(this.type, this.#format);
  }

  /** Time of a revolution in ns. */
  get revolution(): number {
    return DRIVES[this.type].revolution;
  }

  /**
   * The cylinder of the disk under the head; undefined where nothing is recorded: no disk, beyond its end, or, with a
   * disk of 40 cylinders in a drive of 80, between two of them.
   */
  get diskCylinder(): number | undefined {
    if (this.#format === undefined) return undefined;
    const { cylinder } = this.#state();
    const inDisk = cylinder / (DRIVES[this.type].cylinders / this.#format.cylinders);
    return Number.isInteger(inDisk) && inDisk < this.#format.cylinders ? inDisk : undefined;
  }

  /** @throws UserError if it does not go into the drive */
  insert(medium: Medium): void {
    const format = formatFor(medium.size, this.type);
    this.eject();
    this.#medium = medium;
    this.#format = format;
  }

  eject(): void {
    this.#medium = undefined;
    this.#format = undefined;
    const state = this.#state();
    state.changed = true;
    state.deleted = [];
  }

  /** Moves the head by `count` step pulses, outwards if negative; it stops at either end. */
  step(count: number): void {
    const state = this.#state();
    const last = DRIVES[this.type].cylinders - 1 + SPARE_CYLINDERS;
    if (count !== 0 && this.#medium !== undefined) state.changed = false;
    state.cylinder = Math.min(Math.max(state.cylinder + count, 0), last);
  }

  /** Number in the medium of the sector `sector` (from 1) under the head `head`; the disk must have it. */
  sectorNumber(head: number, sector: number): number {
    const { heads, sectors } = this.#format!;
    return (this.diskCylinder! * heads + head) * sectors + sector - 1;
  }

  hasDeletedMark(sectorNumber: number): boolean {
    return this.#state().deleted.includes(sectorNumber);
  }

  setDeletedMark(sectorNumber: number, deleted: boolean): void {
    const state = this.#state();
    if (state.deleted.includes(sectorNumber) === deleted) return;
    if (deleted) state.deleted.push(sectorNumber);
    else state.deleted.splice(state.deleted.indexOf(sectorNumber), 1);
  }

  read(sectorNumber: number): Pending<Uint8Array> {
    const medium = this.#medium!;
    return new Pending(() => medium.read(sectorNumber * SECTOR_BYTES, SECTOR_BYTES));
  }

  /** Writes sectors, each with `data`; with `flush`, the answer comes when they are on stable storage. */
  write(sectorNumbers: readonly number[], data: Uint8Array, { flush }: { readonly flush: boolean }): Pending<unknown> {
    const medium = this.#medium!;
    const steps = sectorNumbers.map((number) => () => medium.write(number * SECTOR_BYTES, data));
    if (flush) steps.push(() => medium.flush());
    return new Pending(() => inOrder(steps));
  }
}

/** Does the steps one after the other; waits only for those that make it. */
function inOrder(steps: readonly (() => void | Promise<void>)[]): void | Promise<void> {
  for (const [index, step] of steps.entries()) {
    const answer = step();
    if (answer instanceof Promise) return answer.then(() => inOrder(steps.slice(index + 1)));
  }
}
