/** A regular file as a store: read and written where asked, never read as a whole. */
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  realpathSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { UserError } from '../../base/errors.ts';
import type { ByteStore } from '../../storage/block-store.ts';
import { assertInside, StorageError } from '../../storage/storage-error.ts';
import { fileProblem, isFileError, kindOf } from './file-problem.ts';
import { assertUnlocked, lockImage } from './image-lock.ts';

export interface FileStoreOptions {
  /** Default: read only. A file that is written is locked until the store is closed. */
  readonly writable?: boolean;
  /** Make the file, which must not exist yet, or, with `replace`, empty it. Only with `writable`. */
  readonly create?: 'new' | 'replace';
  /** Read it even while another process writes it: what is read may not fit together. */
  readonly shareWithWriter?: boolean;
}

/**
 * Reads and writes are done at once: they go to the host's cache. A flush takes as long as the disk does, and is answered
 * later.
 */
export class FileStore implements ByteStore {
  readonly path: string;
  readonly write?: (offset: number, bytes: Uint8Array) => void;
  #size: number;
  readonly #file: number;
  readonly #unlock: () => void;
  #open = true;
  #dirty = false;
  /** After a flush that failed the host may have forgotten what was written: no later one can make that good. */
  #failure: StorageError | undefined;

  private constructor(path: string, file: number, options: { writable: boolean; unlock: () => void }) {
    this.path = path;
    this.#size = fstatSync(file).size;
    this.#file = file;
    this.#unlock = options.unlock;
    if (options.writable) this.write = (offset, bytes) => this.#write(offset, bytes);
  }

  /** @throws UserError if it is no regular file, cannot be opened, or is in use */
  static open(path: string, { writable = false, create, shareWithWriter = false }: FileStoreOptions = {}): FileStore {
    const { O_RDONLY, O_RDWR, O_NONBLOCK, O_CREAT, O_EXCL } = constants;
    const creation = create === undefined ? 0 : create === 'new' ? O_CREAT | O_EXCL : O_CREAT;
    let file: number | undefined;
    let unlock = (): void => {};
    try {
      // Before it is opened: to open a device may have effects.
      if (create === undefined) refuseOtherKinds(path);
      else if (create === 'replace') refuseOtherKinds(path, { missing: true });
      file = openSync(path, (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK | creation, 0o666);
      const real = realpathSync(path);
      if (writable) unlock = lockImage(real, path);
      else if (!shareWithWriter) assertUnlocked(real, path);
      if (create === 'replace') ftruncateSync(file);
      if (create !== undefined) syncFolder(dirname(real));
      return new FileStore(path, file, { writable, unlock });
    } catch (error) {
      if (file !== undefined) closeSync(file);
      unlock();
      if (!isFileError(error)) throw error;
      const problem =
        create !== undefined && isCode(error, 'ENOENT') ? 'its folder does not exist' : fileProblem(error);
      throw new UserError(`cannot ${create === undefined ? 'open' : 'create'} ${path}: ${problem}`);
    }
  }

  get size(): number {
    return this.#size;
  }

  read(offset: number, length: number): Uint8Array {
    assertInside(this.#size, offset, length);
    // Not cleared before: all of it is read.
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    for (let done = 0; done < length; ) {
      const count = this.#call('read', () => readSync(this.#file, bytes, done, length - done, offset + done));
      if (count === 0) throw new StorageError('io', `cannot read ${this.path}: it has become shorter`);
      done += count;
    }
    return bytes;
  }

  #write(offset: number, bytes: Uint8Array): void {
    if (this.#failure) throw this.#failure;
    this.#dirty = true;
    for (let done = 0; done < bytes.length; ) {
      done += this.#call('write', () => writeSync(this.#file, bytes, done, bytes.length - done, offset + done));
    }
    this.#size = Math.max(this.#size, offset + bytes.length);
  }

  flush(): void | Promise<void> {
    if (this.#failure) throw this.#failure;
    if (!this.#dirty) return;
    this.#dirty = false;
    // The data, and of the rest what it takes to find the data: fdatasync(2).
    return new Promise((resolve, reject) => {
      fdatasync(this.#file, (error) => {
        if (!error) return resolve();
        this.#failure = this.#problem('write', error);
        reject(this.#failure);
      });
    });
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      closeSync(this.#file);
    } finally {
      this.#unlock();
    }
  }

  #call<Result>(verb: 'read' | 'write', action: () => Result): Result {
    try {
      if (!this.#open) throw new StorageError('io', `${this.path} is closed`);
      return action();
    } catch (error) {
      throw isFileError(error) ? this.#problem(verb, error) : error;
    }
  }

  #problem(verb: 'read' | 'write', error: unknown): StorageError {
    const full = ['ENOSPC', 'EDQUOT', 'EFBIG'].some((code) => isCode(error, code));
    return new StorageError(full ? 'full' : 'io', `cannot ${verb} ${this.path}: ${fileProblem(error)}`);
  }
}

const isCode = (error: unknown, code: string): boolean => (error as NodeJS.ErrnoException).code === code;

/** @throws UserError */
function refuseOtherKinds(path: string, { missing = false } = {}): void {
  const stats = statSync(path, { throwIfNoEntry: !missing });
  if (stats && !stats.isFile()) throw new UserError(`cannot open ${path}: it is ${kindOf(stats)}; give a regular file`);
}

/** So that a new file's name outlives a loss of power, too. Not every system can do that. */
export function syncFolder(path: string): void {
  try {
    const folder = openSync(path, constants.O_RDONLY);
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch {}
}
