/**
 * `vetro fetch`: an unmodified Debian kernel and a busybox root file system, fetched once with apt and kept in the
 * user's cache. A complete cache is used without touching the network.
 */
import { access, mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { extractDeb, PrivateApt } from '../../host/node/apt.ts';
import {
  CacheError,
  defaultCacheFolder,
  describeCacheError,
  readCached,
  removeLeftovers,
  replaceFolder,
  workInCache,
  writeCached,
  writeChecksums,
} from './cache-folder.ts';
import { buildInitramfs } from './initramfs.ts';

/** What can be fetched: names of `vetro fetch`, and the package that depends on the newest kernel of that flavour. */
export const SYSTEMS = {
  'debian-686': { architecture: 'i386', kernelPackage: 'linux-image-686' },
  'debian-686-pae': { architecture: 'i386', kernelPackage: 'linux-image-686-pae' },
} as const;
export type SystemName = keyof typeof SYSTEMS;

const KERNEL = 'vmlinuz';
const BUSYBOX = 'busybox';
/** What package lists, packages and their unpacked files take while they are fetched: 87 MB, and some room. */
const NEEDED = 100 * 2 ** 20;

export interface FetchedSystem {
  /** Paths of a bzImage and an initramfs. */
  readonly kernel: string;
  readonly initrd: string;
}

/** The same, read. */
export interface LoadedSystem {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
}

/** One step of work, for display. `percent` is given while something is downloaded. */
export type ProgressListener = (step: string, percent?: number) => void;

export interface FetchOptions {
  readonly onProgress?: ProgressListener;
  /** Called with a line for the user about something that was amiss and is being mended. */
  readonly onNotice?: (line: string) => void;
  /** Default: `$XDG_CACHE_HOME/vetro`, or `~/.cache/vetro`. */
  readonly cacheFolder?: string;
  /** Aborted, it ends what runs, removes what is unfinished, and rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Sees to it that the system lies in the cache, complete and as it was fetched.
 * @throws CacheError if the cache cannot be used
 * @throws UserError if there is no apt, no network, or no such package in the machine's sources
 */
export async function fetchSystem(name: SystemName, options: FetchOptions = {}): Promise<FetchedSystem> {
  const cache = options.cacheFolder ?? defaultCacheFolder();
  const { initrd } = await loadSystem(name, { ...options, cacheFolder: cache });
  const path = join(cache, name, 'initrd.cpio');
  await removeLeftovers(join(cache, name));
  // Rebuilt each time, which takes milliseconds, so that a newer Vetro brings its own /init.
  await writeCached(path, initrd).catch(describeCacheError(cache));
  return { kernel: join(cache, name, KERNEL), initrd: path };
}

/** Like `fetchSystem`, for those who want the bytes: a cache that is complete need not be writable. */
export async function loadSystem(name: SystemName, options: FetchOptions = {}): Promise<LoadedSystem> {
  const cache = options.cacheFolder ?? defaultCacheFolder();
  const folder = join(cache, name);
  const present = await readCached(folder, CACHED);
  if (present.state === 'complete' && present.verified) return systemOf(present.files);
  if (present.state === 'damaged') options.onNotice?.(`${present.problem}; fetching ${name} anew`);
  try {
    await fillCache(name, cache, options);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    if (present.state === 'damaged') throw renewed(error, `${present.problem} and cannot be fetched anew: `);
    if (present.state === 'absent') throw error;
    options.onNotice?.(`${folder} has no checksums and cannot be fetched anew (${error.message}); used as it is`);
    return systemOf(present.files);
  }
  const fetched = await readCached(folder, CACHED);
  if (fetched.state === 'complete') return systemOf(fetched.files);
  const problem = fetched.state === 'damaged' ? fetched.problem : `${folder} is gone`;
  throw new UserError(`${problem}, though it has just been fetched: remove ${folder} and try again`);
}

const CACHED = [KERNEL, BUSYBOX];

const systemOf = (files: ReadonlyMap<string, Uint8Array>): LoadedSystem => ({
  kernel: files.get(KERNEL)!,
  initrd: buildInitramfs(files.get(BUSYBOX)!),
});

/** The same error with more to say. */
function renewed(error: UserError, prefix: string): UserError {
  const Kind = error instanceof CacheError ? CacheError : UserError;
  return new Kind(`${prefix}${error.message}`);
}

const fillCache = (name: SystemName, cache: string, options: FetchOptions): Promise<void> =>
  workInCache({ cache, name, needed: NEEDED, signal: options.signal }, async (work, signal) => {
    const result = await download(name, work, { ...options, signal });
    await writeChecksums(result);
    signal.throwIfAborted();
    await replaceFolder(result, join(cache, name));
  });

/** @returns the folder with the result, within `work`. */
async function download(
  name: SystemName,
  work: string,
  { onProgress = () => {}, signal }: FetchOptions,
): Promise<string> {
  const { architecture, kernelPackage } = SYSTEMS[name];
  let step = `reading package lists (${architecture})`;
  onProgress(step);
  const apt = await PrivateApt.create({
    folder: join(work, 'apt'),
    architecture,
    onProgress: (percent) => onProgress(step, percent),
    signal,
  });
  await apt.update();

  step = `downloading ${kernelPackage}`;
  onProgress(step);
  const kernelDeb = await downloadKernel(apt, kernelPackage, join(work, 'debs'));
  step = 'downloading busybox-static';
  onProgress(step);
  const busyboxDeb = await downloadNewest(apt, 'busybox-static', join(work, 'debs'));

  onProgress('unpacking');
  await extractDeb(kernelDeb, './boot/vmlinuz-*', { folder: work, signal });
  await extractDeb(busyboxDeb, '*bin/busybox', { folder: work, signal }); // /bin or, since the merge in Debian 13, /usr/bin
  const result = join(work, 'result');
  await mkdir(result);
  const [vmlinuz] = await readdir(join(work, 'boot'));
  await rename(join(work, 'boot', vmlinuz!), join(result, KERNEL));
  const bin = (await exists(join(work, 'bin'))) ? 'bin' : 'usr/bin';
  await rename(join(work, bin, 'busybox'), join(result, BUSYBOX));
  await writeFile(join(result, 'version'), `${vmlinuz!.replace('vmlinuz-', '')}\n`);
  return result;
}

/** The kernel that some version of `metaPackage` depends on: the newest that the mirror really has. */
async function downloadKernel(apt: PrivateApt, metaPackage: string, folder: string): Promise<string> {
  const metaVersions = await versionsOf(apt, metaPackage);
  for (const metaVersion of metaVersions) {
    for (const { name, version } of await apt.dependencies(metaPackage, metaVersion)) {
      if (!name.startsWith('linux-image-')) continue;
      const wanted = version ?? (await apt.versions(name))[0];
      const deb = wanted && (await apt.download(name, wanted, folder));
      if (deb) return deb;
    }
  }
  throw new UserError(`no version of the kernel behind ${metaPackage} could be downloaded`);
}

async function downloadNewest(apt: PrivateApt, packageName: string, folder: string): Promise<string> {
  for (const version of await versionsOf(apt, packageName)) {
    const deb = await apt.download(packageName, version, folder);
    if (deb) return deb;
  }
  throw new UserError(`no version of ${packageName} could be downloaded`);
}

async function versionsOf(apt: PrivateApt, packageName: string): Promise<string[]> {
  const versions = await apt.versions(packageName);
  if (versions.length === 0) throw new UserError(`the package sources of this machine do not offer ${packageName}`);
  return versions;
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
