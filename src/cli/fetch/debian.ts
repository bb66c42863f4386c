/**
 * `vetro fetch`: an unmodified Debian kernel and a busybox root file system, fetched once with apt and kept in the
 * user's cache. A complete cache is used without touching the network.
 */
import { access, mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { extractDeb, type PrivateApt } from '../../host/node/apt.ts';
import { defaultCacheFolder, describeCacheError, removeLeftovers, writeCached } from './cache-folder.ts';
import { downloadNewest, type FetchOptions, loadFetched, versionsOf, type Workshop } from './fetched-files.ts';
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
  const { architecture, kernelPackage } = SYSTEMS[name];
  const download = (workshop: Workshop) => makeSystem(kernelPackage, workshop);
  const files = await loadFetched({ name, files: [KERNEL, BUSYBOX], architecture, needed: NEEDED, download }, options);
  return { kernel: files.get(KERNEL)!, initrd: buildInitramfs(files.get(BUSYBOX)!) };
}

async function makeSystem(kernelPackage: string, workshop: Workshop): Promise<string> {
  const { apt, folder: work, signal, announce } = workshop;
  announce(`downloading ${kernelPackage}`);
  const kernelDeb = await downloadKernel(apt, kernelPackage, join(work, 'debs'));
  const busyboxDeb = await downloadNewest(workshop, 'busybox-static');

  announce('unpacking');
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

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
