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
import { fileProblem, isFileError, kindOf } from '../host/node/file-problem.ts';
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
