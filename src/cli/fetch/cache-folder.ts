/**
 * The user's cache. Each system has a folder in it; beside its files lie their checksums, which are verified whenever
 * they are read. What is unfinished has the name `<system>.<process id>.tmp` and goes when its process is found dead.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { fileProblem, isFileError } from '../../host/node/file-problem.ts';

/** In the form that `sha256sum --check` reads. */
const CHECKSUMS = 'SHA256SUMS';
const MIB = 2 ** 20;
/** With less than this left while something is being written, the device counts as full. */
const LEAST_FREE = 2 * MIB;
/** How often, in ms, the space is looked at. */
const LOOK = 500;

/** The cache cannot be used: another folder might do. */
export class CacheError extends UserError {}

/** @throws CacheError if there is no home folder to put it in */
export function defaultCacheFolder(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  // The XDG base directory specification has relative paths ignored.
  if (environment.XDG_CACHE_HOME?.startsWith('/')) return join(environment.XDG_CACHE_HOME, 'vetro');
  const home = [() => homedir(), () => userInfo().homedir].map(attempt).find((path) => path?.startsWith('/'));
  if (home === undefined) throw new CacheError('there is no home folder for the cache: set HOME or XDG_CACHE_HOME');
  return join(home, '.cache', 'vetro');
}

/** Node throws for a user that the system does not know. */
function attempt(action: () => string): string | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

/** Files of a system, by name, or why there are none. */
export type CachedFiles =
  /** `verified`: they have their checksums. Without: made by a Vetro that kept none. */
  | { readonly state: 'complete'; readonly verified: boolean; readonly files: ReadonlyMap<string, Uint8Array> }
  | { readonly state: 'absent' }
  /** `problem` names the file. */
  | { readonly state: 'damaged'; readonly problem: string };

/** Reads files of a system's folder and compares them with their checksums. */
export async function readCached(folder: string, names: readonly string[]): Promise<CachedFiles> {
  const sums = await readFile(join(folder, CHECKSUMS), 'utf8').catch(() => undefined);
  const expected = new Map(sums?.split('\n').map((line) => [line.slice(66), line.slice(0, 64)]));
  const files = new Map<string, Uint8Array>();
  for (const name of names) {
    const path = join(folder, name);
    try {
      const bytes = await readFile(path);
      if (sums !== undefined && sha256(bytes) !== expected.get(name))
        return { state: 'damaged', problem: `${path} is damaged` };
      files.set(name, bytes);
    } catch (error) {
      if (sums === undefined) return { state: 'absent' };
      return { state: 'damaged', problem: `${path} is unusable (${fileProblem(error)})` };
    }
  }
  return { state: 'complete', verified: sums !== undefined, files };
}

/** Writes the checksums of all files in `folder`. */
export async function writeChecksums(folder: string): Promise<void> {
  const names = (await readdir(folder)).sort();
  const lines = await Promise.all(
    names.map(async (name) => `${sha256(await readFile(join(folder, name)))}  ${name}\n`),
  );
  await writeFile(join(folder, CHECKSUMS), lines.join(''));
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Puts a finished folder in the place of another. Of two processes that do so at once, either may win. */
export async function replaceFolder(finished: string, place: string): Promise<void> {
  await rename(place, `${finished}.replaced`).catch(unless('ENOENT'));
  await rename(finished, place).catch(unless('ENOTEMPTY', 'EEXIST'));
}

const unless =
  (...codes: readonly string[]) =>
  (error: NodeJS.ErrnoException): void => {
    if (!codes.includes(error.code ?? '')) throw error;
  };

/** Writes a file of the cache at once or not at all, unless it has these bytes already. */
export async function writeCached(path: string, bytes: Uint8Array): Promise<void> {
  const present = await readFile(path).catch(() => undefined);
  if (present?.equals(bytes)) return;
  const partial = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(partial, bytes);
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}

/** Removes what processes that no longer live have left unfinished in a folder. What cannot be removed stays. */
export async function removeLeftovers(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const owner = /\.(\d+)\.tmp$/.exec(name)?.[1];
    if (owner === undefined || isAlive(Number(owner))) continue;
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => {});
  }
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

export interface WorkOptions {
  readonly cache: string;
  /** Of the folder to work in; it is named after it. */
  readonly name: string;
  /** Bytes that the work will need. */
  readonly needed: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Does something in a folder of its own within the cache, which is gone afterwards, whatever happens. A device without
 * room is noticed before the work begins, and soon if it becomes full meanwhile.
 * @throws CacheError for what the file system refuses; the signal's reason if it is aborted
 */
export async function workInCache<Result>(
  { cache, name, needed, signal }: WorkOptions,
  action: (folder: string, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const folder = join(cache, `${name}.${process.pid}.tmp`);
  const full = new AbortController();
  let watch: NodeJS.Timeout | undefined;
  try {
    await makeFolder(cache);
    await removeLeftovers(cache);
    await makeFolder(folder);
    const free = await freeBytes(cache);
    if (free < needed) {
      const [have, want] = [Math.floor(free / MIB), Math.ceil(needed / MIB)];
      throw new CacheError(`${cannotUse(cache)}: ${have} MiB are free there, ${want} are needed${REMEDY}`);
    }
    watch = setInterval(async () => {
      if ((await freeBytes(cache)) < LEAST_FREE) full.abort(Object.assign(new Error('full'), { code: 'ENOSPC' }));
    }, LOOK);
    return await action(folder, AbortSignal.any(signal ? [signal, full.signal] : [full.signal]));
  } catch (error) {
    if (isFileError(error)) throw new CacheError(`${cannotUse(cache)}: ${fileProblem(error)}${REMEDY}`);
    throw error;
  } finally {
    clearInterval(watch);
    await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}

/** Like mkdir with `recursive`, which runs for ever where nothing can be made (below /proc, Node 20). */
async function makeFolder(path: string): Promise<void> {
  const make = () => mkdir(path).catch(unless('EEXIST'));
  try {
    await make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await make();
  }
  if (!(await stat(path)).isDirectory()) throw Object.assign(new Error(`${path} is no folder`), { code: 'EEXIST' });
}

/** For what else is written there. @throws CacheError */
export const describeCacheError =
  (cache: string) =>
  (error: unknown): never => {
    throw isFileError(error) ? new CacheError(`${cannotUse(cache)}: ${fileProblem(error)}${REMEDY}`) : error;
  };

const cannotUse = (cache: string): string => `cannot use the cache folder ${cache}`;
const REMEDY = '; set XDG_CACHE_HOME to another folder';

/** Where it cannot be told, there is room. */
async function freeBytes(folder: string): Promise<number> {
  const stats = await statfs(folder).catch(() => undefined);
  return stats ? stats.bavail * stats.bsize : Number.POSITIVE_INFINITY;
}
