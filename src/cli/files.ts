/** Files that the user names, and those that come with Vetro. */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../base/errors.ts';
import { SIGNALS } from './signals.ts';

const MIB = 2 ** 20;
const STANDARD_INPUT = 0;
/** The least that is read at a time from what does not say its size. */
const CHUNK = 1 << 16;
/** How long, in ms, to wait for the other end of a pipe that does not block. */
const WAIT = 10;

/** How much a file may hold, and what sets that limit; said to the user if it holds more. */
export interface FileLimit {
  readonly bytes: number;
  readonly because: string;
}

const DEFAULT_LIMIT: FileLimit = { bytes: 64 * MIB, because: 'no such file may be larger' };

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EBUSY: 'it is in use',
  EDQUOT: 'your disk quota is used up',
  EEXIST: 'a file is in its place',
  EFBIG: 'it would become too large',
  EIO: 'input/output error',
  EISDIR: 'it is a directory',
  ELOOP: 'too many symbolic links',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'the name is too long',
  ENOENT: 'no such file',
  ENOSPC: 'no space left on the device',
  ENOTDIR: 'part of its path is not a folder',
  ENXIO: 'no such device',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  // Node's own.
  ERR_INVALID_ARG_VALUE: 'no file can have this name',
};

/** Why a call to the file system failed, in a few words. */
export function fileProblem(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? message.replaceAll(/\s*\n\s*/g, ' ');
}

/** Whether an error came from the file system, not from our own code. */
export const isFileError = (error: unknown): boolean =>
  error instanceof Error && /^(E[A-Z0-9]+|ERR_INVALID_ARG_VALUE)$/.test((error as NodeJS.ErrnoException).code ?? '');

/**
 * Reads a regular file. What has no end, or would have to be waited for, is refused before anything is read; `-` is
 * standard input, which is read up to the limit.
 * @throws UserError that names `what` the file was to be, and why it cannot be read
 */
export function readUserFile(path: string, what: string, limit: FileLimit = DEFAULT_LIMIT): Uint8Array {
  const standardInput = path === '-';
  const name = standardInput ? 'standard input' : path;
  try {
    if (standardInput) return interruptibly(() => readToTheEnd(STANDARD_INPUT, fstatSync(STANDARD_INPUT), limit));
    // Before it is opened: to open a device may have effects.
    refuseOtherKinds(statSync(path));
    // Should it have become a FIFO meanwhile, to open it without O_NONBLOCK would be to wait for its other end.
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(file);
      refuseOtherKinds(stats);
      if (stats.size > limit.bytes) throw new Refusal(`it has ${mebibytes(stats.size)} MiB, and ${limit.because}`);
      return readToTheEnd(file, stats, limit);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (!(error instanceof Refusal) && !isFileError(error)) throw error;
    const problem = error instanceof Refusal ? error.message : fileProblem(error);
    throw new UserError(`cannot read the ${what} ${name}: ${problem}`);
  }
}

/** Why a file is not read: the end of the line that the user sees. */
class Refusal extends Error {}

function refuseOtherKinds(stats: Stats): void {
  if (!stats.isFile()) throw new Refusal(`it is ${kindOf(stats)}; give a regular file`);
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a FIFO (named pipe)';
  return stats.isSocket() ? 'a socket' : 'a device';
}

function readToTheEnd(file: number, stats: Stats, limit: FileLimit): Uint8Array {
  let bytes = new Uint8Array(Math.min(stats.isFile() ? stats.size + 1 : CHUNK, limit.bytes + 1));
  let length = 0;
  for (;;) {
    const count = readSome(file, bytes, length);
    if (count === 0) return bytes.subarray(0, length);
    length += count;
    // It may have no size (/proc), or have grown.
    if (length > limit.bytes) throw new Refusal(`it has more than ${mebibytes(limit.bytes)} MiB, and ${limit.because}`);
    if (length < bytes.length) continue;
    const larger = new Uint8Array(Math.min(2 * length, limit.bytes + 1));
    larger.set(bytes);
    bytes = larger;
  }
}

const readSome = (file: number, bytes: Uint8Array, offset: number): number =>
  patiently(() => readSync(file, bytes, offset, bytes.length - offset, null));

/** Again and again as long as the other end of a pipe is not ready. */
function patiently(transfer: () => number): number {
  for (;;) {
    try {
      return transfer();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT);
    }
  }
}

/**
 * Opens a file to be written over. A FIFO must have a reader: nobody waits for one.
 * @throws UserError that names the path, and why it cannot be written
 */
export const openOutput = (path: string): number => openForWriting(path, constants.O_TRUNC);

/**
 * Sees whether a file could be written over; what is in it stays.
 * @throws UserError like `openOutput`
 */
export const checkOutput = (path: string): void => closeSync(openForWriting(path, 0));

function openForWriting(path: string, flags: number): number {
  try {
    const { O_WRONLY, O_CREAT, O_NONBLOCK } = constants;
    return openSync(path, O_WRONLY | O_CREAT | O_NONBLOCK | flags, 0o666);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** @throws UserError like `openOutput` */
export function writeUserFile(path: string, bytes: Uint8Array): void {
  const file = openOutput(path);
  try {
    for (let done = 0; done < bytes.length; ) done += patiently(() => writeSync(file, bytes, done));
  } catch (error) {
    throw unwritable(path, error);
  } finally {
    closeSync(file);
  }
}

/** Whether two paths lead to one file, also by a link. */
export function isSameFile(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    return false; // one of them does not exist
  }
}

/** The line for a file that could not be written. */
export const unwritable = (path: string, error: unknown): UserError =>
  new UserError(`cannot write ${path}: ${outputProblem(error)}`);

function outputProblem(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return 'its folder does not exist';
    case 'ENXIO':
      return 'it is a socket, or a FIFO that nobody reads';
    default:
      return fileProblem(error);
  }
}

/** While we wait for standard input no listener of ours would be called: a signal ends the process by itself. */
function interruptibly<Result>(action: () => Result): Result {
  const listeners = SIGNALS.map((signal) => [signal, process.listeners(signal)] as const);
  for (const signal of SIGNALS) process.removeAllListeners(signal);
  try {
    return action();
  } finally {
    for (const [signal, all] of listeners) for (const listener of all) process.on(signal, listener);
  }
}

const mebibytes = (bytes: number): string => Math.ceil(bytes / MIB).toLocaleString('en');

/** The folder of Vetro's package.json: the code may run from dist, from src or from a bundle in a cache. */
export function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

export const packageVersion = (): string =>
  JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8')).version;
