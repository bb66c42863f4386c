/**
 * A file that can be brought back to what it was at the beginning of an epoch: before something in it is written over for
 * the first time since then, that is put into a journal beside it (`FILE.undo-EPOCH`). So nothing is lost when the process
 * is killed at any moment. When the machine itself loses power, the host may have written the file before the journal.
 *
 * Journal, numbers little-endian: magic number, epoch (64 bits), size of the file then (64 bits); records: offset (64 bits),
 * length, checksum (32 bits each), bytes. A last record that is not whole is none: what it is about was not yet written.
 */
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { UserError } from '../../base/errors.ts';
import type { ByteStore } from '../../storage/block-store.ts';
import { StorageError } from '../../storage/storage-error.ts';
import { fileProblem, isFileError } from './file-problem.ts';
import { FileStore, syncFolder } from './file-store.ts';
import { lockImage } from './image-lock.ts';

const MAGIC = 0x6f64_6e75; // "undo"
const HEADER = 24;
const RECORD = 16;
const BLOCK = 4096;
/** Blocks that one bitmap says of whether they are in the journal: 16 MiB. */
const BLOCKS_A_MAP = 4096;
/** Blocks of one record. */
const MOST_BLOCKS = 256;

export class UndoFile implements ByteStore {
  readonly #file: FileStore;
  /** The real path: where its journals are. */
  readonly #path: string;
  #journal: { readonly fd: number; readonly size: number; at: number } | undefined;
  /** By 16 MiB: which blocks are in the journal, or need not be. */
  readonly #kept = new Map<number, Uint8Array>();
  #dirty = false;
  /** The journal's name is on stable storage, too. */
  #named = false;

  private constructor(file: FileStore, path: string) {
    this.#file = file;
    this.#path = path;
  }

  /**
   * Opens it for writing. `backTo`: first it becomes again what it was when that epoch began, which begins anew.
   * @throws UserError as `FileStore.open` does; for a journal that is missing, or one of somebody else that is there
   */
  static open(path: string, { backTo }: { readonly backTo: number | undefined }): UndoFile {
    if (backTo === undefined) assertNoJournals(path);
    else rollBack(path, backTo);
    const file = FileStore.open(path, { writable: true });
    const undo = new UndoFile(file, realpathSync(path));
    try {
      if (backTo !== undefined) undo.begin(backTo);
      return undo;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get size(): number {
    return this.#file.size;
  }

  read(offset: number, length: number): Uint8Array {
    return this.#file.read(offset, length);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#keep(offset, bytes.length);
    this.#file.write!(offset, bytes);
  }

  async flush(): Promise<void> {
    this.sync();
    await this.#file.flush();
  }

  close(): void {
    this.#closeJournal();
    this.#file.close();
  }

  /** From now on it can be brought back to what it is now. @throws UserError, and the epoch before goes on */
  begin(epoch: number): void {
    const path = journalOf(this.#path, epoch);
    clearly(path, () => {
      const fd = openSync(`${path}.partial`, 'w+');
      try {
        const header = Buffer.alloc(HEADER);
        header.writeUInt32LE(MAGIC, 0);
        header.writeUInt32LE(1, 4);
        header.writeBigUInt64LE(BigInt(epoch), 8);
        header.writeBigUInt64LE(BigInt(this.size), 16);
        writeSync(fd, header, 0, HEADER, 0);
        renameSync(`${path}.partial`, path);
      } catch (error) {
        closeSync(fd);
        throw error;
      }
      this.#closeJournal();
      this.#journal = { fd, size: this.size, at: HEADER };
      this.#dirty = true;
      this.#named = false;
      this.#kept.clear();
    });
  }

  /** The journal is on stable storage. */
  sync(): void {
    const { fd } = this.#journal ?? {};
    if (fd === undefined || !this.#dirty) return;
    clearly(this.#path, () => {
      fdatasyncSync(fd);
      if (!this.#named) syncFolder(dirname(this.#path));
    });
    this.#named = true;
    this.#dirty = false;
  }

  /** Nobody will go back to an epoch before this one. */
  drop(before: number): void {
    clearly(this.#path, () => {
      for (const epoch of epochsOf(this.#path))
        if (epoch < before) rmSync(journalOf(this.#path, epoch), { force: true });
    });
    if (before === Number.POSITIVE_INFINITY) this.#closeJournal();
  }

  #closeJournal(): void {
    if (this.#journal) closeSync(this.#journal.fd);
    this.#journal = undefined;
  }

  /** What is there goes into the journal, as far as it is not there yet. */
  #keep(offset: number, length: number): void {
    const journal = this.#journal;
    if (!journal) return;
    const end = Math.min(offset + length, journal.size);
    let from: number | undefined;
    const put = (to: number): void => {
      if (from === undefined) return;
      this.#append(from * BLOCK, Math.min(to * BLOCK, journal.size) - from * BLOCK);
      for (let block = from; block < to; block++) this.#mark(block);
      from = undefined;
    };
    let block = Math.floor(offset / BLOCK);
    for (; block * BLOCK < end; block++) {
      if (this.#isKept(block) || (from !== undefined && block - from === MOST_BLOCKS)) put(block);
      if (!this.#isKept(block)) from ??= block;
    }
    put(block);
  }

  #append(offset: number, length: number): void {
    const journal = this.#journal!;
    const record = Buffer.alloc(RECORD + length);
    record.set(this.#file.read(offset, length), RECORD);
    record.writeBigUInt64LE(BigInt(offset), 0);
    record.writeUInt32LE(length, 8);
    record.writeUInt32LE(checksum(record.subarray(RECORD), offset), 12);
    try {
      for (let done = 0; done < record.length; )
        done += writeSync(journal.fd, record, done, record.length - done, journal.at + done);
    } catch (error) {
      throw new StorageError('io', `cannot write the journal of ${this.#path}: ${fileProblem(error)}`);
    }
    journal.at += record.length;
    this.#dirty = true;
  }

  #isKept(block: number): boolean {
    const map = this.#kept.get(Math.floor(block / BLOCKS_A_MAP));
    const index = block % BLOCKS_A_MAP;
    return map !== undefined && (map[index >>> 3] & (1 << (index & 7))) !== 0;
  }

  #mark(block: number): void {
    const number = Math.floor(block / BLOCKS_A_MAP);
    const map = this.#kept.get(number) ?? new Uint8Array(BLOCKS_A_MAP / 8);
    this.#kept.set(number, map);
    const index = block % BLOCKS_A_MAP;
    map[index >>> 3] |= 1 << (index & 7);
  }
}

/** @throws UserError if a file is part of somebody's checkpoints, which a write would spoil */
export function assertNoJournals(path: string): void {
  const real = clearly(path, () => realpathSync(path));
  const [epoch] = clearly(path, () => epochsOf(real));
  if (epoch === undefined) return;
  throw new UserError(
    `${path} belongs to checkpoints: vetro recover goes on with them; to give them up, remove ${journalOf(path, epoch)}`,
  );
}

/** Killed in between, it can be done again. */
function rollBack(path: string, to: number): void {
  const real = clearly(path, () => realpathSync(path));
  const unlock = lockImage(real, path);
  try {
    const epochs = clearly(path, () => epochsOf(real)).filter((epoch) => epoch >= to);
    if (!epochs.includes(to))
      throw new UserError(`${path} cannot be brought back to the checkpoint: ${journalOf(path, to)} is missing`);
    clearly(path, () => {
      const fd = openSync(real, 'r+');
      try {
        // The latest first: what an epoch wrote over is what the one before has left.
        for (const epoch of epochs) applyJournal(fd, journalOf(real, epoch), epoch);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      for (const epoch of epochs) if (epoch > to) rmSync(journalOf(real, epoch), { force: true });
      syncFolder(dirname(real));
    });
  } finally {
    unlock();
  }
}

function applyJournal(file: number, path: string, epoch: number): void {
  const journal = openSync(path, 'r');
  try {
    const header = readUpTo(journal, 0, HEADER);
    if (header.length < HEADER || header.readUInt32LE(0) !== MAGIC || header.readUInt32LE(4) !== 1)
      throw new UserError(`${path} is no journal`);
    if (header.readBigUInt64LE(8) !== BigInt(epoch))
      throw new UserError(`${path} is the journal of another checkpoint`);
    const size = Number(header.readBigUInt64LE(16));
    for (let at = HEADER; ; ) {
      const record = readUpTo(journal, at, RECORD);
      if (record.length < RECORD) break;
      const [offset, length] = [Number(record.readBigUInt64LE(0)), record.readUInt32LE(8)];
      if (length > MOST_BLOCKS * BLOCK || offset + length > size) break;
      const bytes = readUpTo(journal, at + RECORD, length);
      if (bytes.length < length || checksum(bytes, offset) !== record.readUInt32LE(12)) break;
      for (let done = 0; done < length; ) done += writeSync(file, bytes, done, length - done, offset + done);
      at += RECORD + length;
    }
    ftruncateSync(file, size);
  } finally {
    closeSync(journal);
  }
}

function readUpTo(file: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let done = 0;
  for (let count = -1; done < length && count !== 0; done += count)
    count = readSync(file, bytes, done, length - done, at + done);
  return bytes.subarray(0, done);
}

const journalOf = (path: string, epoch: number): string => `${path}.undo-${epoch}`;

/** The latest first. */
function epochsOf(path: string): number[] {
  const prefix = `${basename(path)}.undo-`;
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(prefix) && /^\d{1,15}$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((one, other) => other - one);
}

/** FNV-1a, 32 bits, of a record: whether it is whole. */
function checksum(bytes: Uint8Array, offset: number): number {
  let hash = (0x811c_9dc5 ^ offset) >>> 0;
  for (let at = 0; at < bytes.length; at++) hash = Math.imul(hash ^ bytes[at], 0x0100_0193);
  return hash >>> 0;
}

function clearly<Result>(path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw isFileError(error) ? new UserError(`cannot write ${path}: ${fileProblem(error)}`) : error;
  }
}
