/** Modules of the real kernel, for tests: fetched once into the user's cache, beside the kernel they belong to. */
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { defaultCacheFolder } from '../../src/cli/fetch/cache-folder.ts';
import { fetchSystem, type SystemName } from '../../src/cli/fetch/debian.ts';
import { extractDeb, PrivateApt } from '../../src/host/node/apt.ts';

export interface KernelModule {
  readonly name: string;
  readonly data: Uint8Array;
}

/** `names`, without `.ko`, and all that they depend on, in the order in which they can be inserted. */
export async function debianModules(system: SystemName, names: readonly string[]): Promise<KernelModule[]> {
  const { kernel } = await fetchSystem(system);
  const release = (await readFile(join(kernel, '../version'), 'utf8')).trim();
  const folder = join(defaultCacheFolder(), `test-modules-${release}`);
  const files = await readdir(folder).catch(() => fetchModules(system, release, folder));
  const modules = new Map<string, KernelModule>();
  const take = async (name: string): Promise<void> => {
    if (modules.has(name)) return;
    // Underscores and hyphens are the same.
    const file = files.find((each) => moduleName(each) === name.replaceAll('-', '_'));
    if (file === undefined) throw new Error(`no module ${name} in ${folder}`);
    const data = new Uint8Array(await readFile(join(folder, file)));
    for (const other of dependenciesOf(data)) await take(other);
    modules.set(name, { name: basename(file, '.ko'), data });
  };
  for (const name of names) await take(name);
  return [...modules.values()];
}

const moduleName = (file: string): string => basename(file, '.ko').replaceAll('-', '_');

/** The `depends=` entry of its .modinfo section. */
function dependenciesOf(data: Uint8Array): string[] {
  const text = Buffer.from(data).toString('latin1');
  const match = /\0depends=([^\0]*)\0/.exec(text);
  return match?.[1] ? match[1].split(',') : [];
}

async function fetchModules(system: SystemName, release: string, folder: string): Promise<string[]> {
  const work = await mkdtemp(join(tmpdir(), 'vetro-modules-'));
  try {
    const apt = await PrivateApt.create({ folder: join(work, 'apt'), architecture: 'i386' });
    await apt.update();
    const name = `linux-image-${release}`;
    const [version] = await apt.versions(name);
    const deb = version && (await apt.download(name, version, work));
    if (!deb) throw new Error(`no package ${name} for ${system}`);
    await extractDeb(deb, '*.ko', { folder: join(work, 'unpacked') });
    const flat = join(work, 'flat');
    await mkdir(flat);
    for (const entry of await readdir(join(work, 'unpacked'), { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) await rename(join(entry.parentPath, entry.name), join(flat, entry.name));
    }
    await mkdir(join(folder, '..'), { recursive: true });
    // Another test may have been faster.
    await moveFolder(flat, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return readdir(folder);
}

/** The temporary folder may be on another device. */
async function moveFolder(from: string, to: string): Promise<void> {
  const { cp } = await import('node:fs/promises');
  const staging = `${to}.${process.pid}.tmp`;
  await cp(from, staging, { recursive: true });
  await rename(staging, to).catch(() => rm(staging, { recursive: true }));
}
