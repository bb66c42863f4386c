/**
 * Who writes an image: one process at a time, of those that ask here. A lock is a file beside the image, whose name says
 * whose it is; so it is complete from the moment it exists. Who wants to write makes his own first and looks for others
 * then: of two that do so at once, at least one sees the other. The lock of a process that has died is in nobody's way.
 */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { fileProblem, isFileError } from './file-problem.ts';

interface Holder {
  readonly pid: number;
  /** When the process began: a number may be used again. '0' where that cannot be known. */
  readonly start: string;
  /** Where process numbers mean the same: the machine, since it was started, and the namespace. */
  readonly place: string;
}

/**
 * @param path the image's real path @param name what the user calls it
 * @returns what gives the lock back
 * @throws UserError if somebody else holds one, or none can be made
 */
export function lockImage(path: string, name: string): () => void {
  const own = ownHolder();
  const file = join(dirname(path), `${prefixOf(path)}${own.pid}-${own.start}-${own.place}`);
  try {
    closeSync(openSync(file, 'wx'));
  } catch (error) {
    if (!isFileError(error)) throw error;
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw inUse(name, own, file);
    throw new UserError(`cannot lock ${name}: ${fileProblem(error)}`);
  }
  const release = () => rmSync(file, { force: true });
  try {
    assertUnlocked(path, name, file);
  } catch (error) {
    release();
    throw error;
  }
  return release;
}

/**
 * Locks of the dead are removed.
 * @param own a lock that does not count
 * @throws UserError if somebody writes the image
 */
export function assertUnlocked(path: string, name: string, own?: string): void {
  const folder = dirname(path);
  const prefix = prefixOf(path);
  const here = ownHolder().place;
  for (const entry of listFolder(folder, { needed: own !== undefined })) {
    const file = join(folder, entry);
    if (!entry.startsWith(prefix) || file === own) continue;
    const [, pid, start, place] = /^(\d+)-(\d+)-([0-9a-z]+)$/.exec(entry.slice(prefix.length)) ?? [];
    if (place === undefined) continue;
    const holder: Holder = { pid: Number(pid), start, place };
    if (place !== here || isAlive(holder)) throw inUse(name, holder, file);
    // Who may only read leaves it there.
    attempt(() => rmSync(file, { force: true }));
  }
}

/** Who only reads may do so where he cannot see the folder. */
function listFolder(folder: string, { needed }: { readonly needed: boolean }): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (needed || (error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    return [];
  }
}

const prefixOf = (path: string): string => `.${basename(path)}.lock-`;

function inUse(name: string, holder: Holder, file: string): UserError {
  const own = ownHolder();
  if (holder.place !== own.place) {
    const advice = `if that has ended, remove ${file}`;
    return new UserError(`${name} is in use by process ${holder.pid} of another machine or container; ${advice}`);
  }
  if (holder.pid === own.pid) return new UserError(`${name} is in use by this process already (${own.pid})`);
  const command = commandOf(holder.pid);
  return new UserError(`${name} is in use by process ${holder.pid}${command ? ` (${command})` : ''}`);
}

function ownHolder(): Holder {
  const namespace = quietly(() => readlinkSync('/proc/self/ns/pid'));
  const boot = quietly(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1'));
  const where = `${hostname()} ${boot} ${namespace}`;
  return { pid: process.pid, start: startOf(process.pid), place: hashOf(where) };
}

/** FNV-1a, 32 bits: to tell places apart, not to hide them. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  return (hash >>> 0).toString(36);
}

function isAlive({ pid, start }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and another user's.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return start === '0' || startOf(pid) === start;
}

/** Field 22 of /proc/PID/stat (proc(5)); the second, the command in parentheses, may contain anything. */
function startOf(pid: number): string {
  const stat = quietly(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0';
}

const commandOf = (pid: number): string =>
  quietly(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
    .replaceAll('\0', ' ')
    .replaceAll(/\p{Cc}/gu, '')
    .trim()
    .slice(0, 60);

const quietly = (read: () => string): string => attempt(read) ?? '';

function attempt<Result>(action: () => Result): Result | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
