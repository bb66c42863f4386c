/** What a store needs of the folder that it is in. Implemented in `host`. */
import type { SnapshotSource } from '../snapshot-file.ts';

/** `snapshots`: what each is made of. `packs`: pages. */
export type StoreRoom = 'snapshots' | 'packs';

export interface StoreEntry {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Differs when the file does. */
  readonly stamp: string;
}

/** Methods throw a UserError, at once or as rejections, for what the host cannot do. */
export interface StoreFolder {
  /** How messages call it. */
  readonly name: string;
  /** The files of a room, but for those that are being written. */
  list(room: StoreRoom): readonly StoreEntry[];
  open(room: StoreRoom, name: string): StoreSource;
  create(room: StoreRoom): NewStoreFile;
  /** What is not there any longer is no fault. */
  remove(room: StoreRoom, name: string): void;
  /**
   * One writer at a time, of all processes: waits a while for another one. Then removes what writers that have died left
   * half done.
   * @returns what gives the lock back
   * @throws UserError that names who holds it
   */
  lock(): Promise<() => void>;
  /** Wall clock, in ms since 1970. */
  date(): number;
}

export interface StoreSource extends SnapshotSource {
  close(): void;
}

export interface NewStoreFile {
  write(bytes: Uint8Array): void;
  /** It is on stable storage, and has the name from now on, in place of what had it. */
  finish(name: string): void;
  /** As if it had never been made. */
  abandon(): void;
}
