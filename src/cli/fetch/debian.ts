/**
 * `vetro fetch`: an unmodified Debian kernel and a busybox root file system, fetched once with apt and kept in the
 * user's cache. A complete cache is used without touching the network.
 */
import { access, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { extractDeb, PrivateApt } from '../../host/node/apt.ts';
import { buildInitramfs } from './initramfs.ts';

/** What can be fetched: names of `vetro fetch`, and the package that depends on the newest kernel of that flavour. */
export const SYSTEMS = {
  'debian-686': { architecture: 'i386', kernelPackage: 'linux-image-686' },
  'debian-686-pae': { architecture: 'i386', kernelPackage: 'linux-image-686-pae' },
} as const;
export type SystemName = keyof typeof SYSTEMS;

export interface FetchedSystem {
  /** Paths of a bzImage and an initramfs. */
  readonly kernel: string;
  readonly initrd: string;
}

/** One step of work, for display. `percent` is given while something is downloaded. */
export type ProgressListener = (step: string, percent?: number) => void;

export interface FetchOptions {
  readonly onProgress?: ProgressListener;
  /** Default: `$XDG_CACHE_HOME/vetro`, or `~/.cache/vetro`. */
  readonly cacheFolder?: string;
}

export function defaultCacheFolder(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  // The XDG base directory specification has relative paths ignored.
  const base = environment.XDG_CACHE_HOME?.startsWith('/') ? environment.XDG_CACHE_HOME : join(homedir(), '.cache');
  return join(base, 'vetro');
}

/** @throws UserError if there is no apt, no network, or no such package in the machine's sources. */
export async function fetchSystem(name: SystemName, options: FetchOptions = {}): Promise<FetchedSystem> {
  const cache = options.cacheFolder ?? defaultCacheFolder();
  const folder = join(cache, name);
  const kernel = join(folder, 'vmlinuz');
  const busybox = join(folder, 'busybox');
  if (!(await exists(kernel)) || !(await exists(busybox))) {
    await mkdir(cache, { recursive: true });
    const work = join(cache, `${name}.${process.pid}.tmp`);
    try {
      await download(name, work, options.onProgress ?? (() => {}));
      await rm(folder, { recursive: true, force: true });
      await rename(join(work, 'result'), folder);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  return { kernel, initrd: await writeInitramfs(busybox, join(folder, 'initrd.cpio')) };
}

/** Whether `fetchSystem` would need no network. */
export async function isFetched(name: SystemName, cacheFolder = defaultCacheFolder()): Promise<boolean> {
  return (await exists(join(cacheFolder, name, 'vmlinuz'))) && (await exists(join(cacheFolder, name, 'busybox')));
}

/** Rebuilt each time, which takes milliseconds, so that a newer Vetro brings its own /init; rewritten only if it differs. */
async function writeInitramfs(busybox: string, path: string): Promise<string> {
  const archive = buildInitramfs(await readFile(busybox));
  const present = await readFile(path).catch(() => undefined);
  if (!present?.equals(archive)) {
    const partial = `${path}.${process.pid}.tmp`;
    await writeFile(partial, archive);
    await rename(partial, path);
  }
  return path;
}

async function download(name: SystemName, work: string, onProgress: ProgressListener): Promise<void> {
  const { architecture, kernelPackage } = SYSTEMS[name];
  let step = `reading package lists (${architecture})`;
  onProgress(step);
  const apt = await PrivateApt.create({
    folder: join(work, 'apt'),
    architecture,
    onProgress: (percent) => onProgress(step, percent),
  });
  await apt.update();

  step = `downloading ${kernelPackage}`;
  onProgress(step);
  const kernelDeb = await downloadKernel(apt, kernelPackage, join(work, 'debs'));
  step = 'downloading busybox-static';
  onProgress(step);
  const busyboxDeb = await downloadNewest(apt, 'busybox-static', join(work, 'debs'));

  onProgress('unpacking');
  await extractDeb(kernelDeb, './boot/vmlinuz-*', work);
  await extractDeb(busyboxDeb, '*bin/busybox', work); // /bin or, since the merge in Debian 13, /usr/bin
  const result = join(work, 'result');
  await mkdir(result);
  const [vmlinuz] = await readdir(join(work, 'boot'));
  await rename(join(work, 'boot', vmlinuz!), join(result, 'vmlinuz'));
  const bin = (await exists(join(work, 'bin'))) ? 'bin' : 'usr/bin';
  await rename(join(work, bin, 'busybox'), join(result, 'busybox'));
  await writeFile(join(result, 'version'), `${vmlinuz!.replace('vmlinuz-', '')}\n`);
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
