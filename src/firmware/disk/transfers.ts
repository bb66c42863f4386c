/**
 * Reading and writing media for calls that wait. A transfer ends at a guest time that depends on its length alone; where
 * the host needs longer, guest time stands still there.
 *
 * What is asked for is in the call's memo, as plain data. What the host was asked is not: after a snapshot has been
 * restored it is asked again.
 */
import { Pending } from '../../base/pending.ts';
import type { Alarm } from '../../base/virtual-clock.ts';
import type { Board, DriveKind } from '../board.ts';
import { type Call, type Memo, sleep } from '../service.ts';

/** Guest time of a transfer: what it takes to begin, in ns, and for each byte. A disk of about 2000. */
const BEGIN_TIME = 100_000;
const BYTE_TIME = 10;
/** No service asks for more bytes at once: FFFFh sectors of 512. */
const LONGEST = 2 ** 25;

export interface TransferRequest {
  readonly kind: DriveKind;
  readonly index: number;
  /** Bytes, within the medium. */
  readonly offset: number;
  readonly length: number;
  /** Address of what is to be written: linear, or physical if `flat`. */
  readonly source?: number;
  readonly flat?: boolean;
  /** Of every byte that is to be written. Without it and `source`, it is a read. */
  readonly filler?: number;
}

/** Bytes that were read, none after a write; undefined: the host has failed. */
export type TransferResult = { readonly bytes: Uint8Array | undefined };

/** That is no failure of the host's. */
class NoMedium extends Error {}

/** As the drives call themselves. */
const nameOf = (kind: DriveKind, index: number): string => {
  if (kind === 'cd') return 'cdrom';
  return kind === 'disk' ? `disk-${index}` : `floppy ${'AB'[index]}`;
};

interface Running {
  readonly answer: Pending<Uint8Array | undefined>;
  readonly alarm: Alarm;
  ended: boolean;
}

export class Transfers {
  readonly #board: Board;
  /** By the place of the call. */
  readonly #running = new Map<number, Running>();
  /** Drives whose trouble the owner of the machine has been told of. */
  readonly #told = new Set<string>();

  constructor(board: Board) {
    this.#board = board;
  }

  /** Begins; the call keeps `more` in its memo, too, and is to be asked again. */
  begin(call: Call, request: TransferRequest, more: Memo = {}): ReturnType<typeof sleep> {
    const { length, ...rest } = request;
    const due = this.#board.clock.now + BEGIN_TIME + length * BYTE_TIME;
    const memo: Memo = { ...more, ...(rest as Memo), length, due };
    call.memo = memo;
    this.forget(call.place);
    this.#start(call.place, memo);
    return sleep(memo);
  }

  /** What has come of it; undefined while it goes on. */
  result(call: Call): TransferResult | undefined {
    const running = this.#running.get(call.place);
    if (running === undefined) {
      this.#start(call.place, call.memo!);
      return undefined;
    }
    if (!running.ended) return undefined;
    // It stays: who takes it may meet a page fault, and ask again.
    try {
      return { bytes: running.answer.value ?? new Uint8Array() };
    } catch (error) {
      this.#tell(call.memo!, error as Error);
      return { bytes: undefined };
    }
  }

  /** After a snapshot was restored: what this call waits for is asked for again. */
  restart(place: number, memo: Memo | undefined): void {
    if (memo?.length !== undefined) this.#start(place, memo);
  }

  forget(place: number): void {
    this.#running.get(place)?.alarm.cancel();
    this.#running.delete(place);
  }

  forgetAll(): void {
    for (const place of [...this.#running.keys()]) this.forget(place);
  }

  #start(place: number, memo: Memo): void {
    const { clock, drives } = this.#board;
    const medium = drives[memo.kind as DriveKind][memo.index as number]?.medium;
    const { offset, length, due } = memo as { offset: number; length: number; due: number };
    // A memo may have been saved, and come from somewhere else.
    const isSound = length >= 0 && length <= LONGEST;
    const bytes = isSound ? this.#toBeWritten(memo, length) : undefined;
    const answer = new Pending<Uint8Array | undefined>(() => {
      if (!isSound) throw new TypeError('so much is never asked for');
      if (medium === undefined) throw new NoMedium('the drive is empty');
      if (bytes === undefined) return medium.read(offset, length);
      const written = medium.write(offset, bytes);
      return written instanceof Promise ? written.then(() => undefined) : undefined;
    });
    const running: Running = {
      answer,
      ended: false,
      alarm: clock.setAlarm(due, () => (running.ended = true), { after: answer }),
    };
    this.#running.set(place, running);
  }

  #tell({ kind, index }: Memo, error: Error): void {
    const name = nameOf(kind as DriveKind, index as number);
    if (error instanceof NoMedium || this.#told.has(name)) return;
    this.#told.add(name);
    this.#board.onHostError(`${name}: ${error.message}`);
  }

  #toBeWritten({ source, filler, flat }: Memo, length: number): Uint8Array | undefined {
    if (filler !== undefined) return new Uint8Array(length).fill(filler as number);
    if (source === undefined) return undefined;
    return (flat ? this.#board.physical : this.#board.memory).copyOut(source as number, length);
  }
}
