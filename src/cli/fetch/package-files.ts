/** Files out of one of Debian's packages for the i386, as they are in it. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { extractDeb } from '../../host/node/apt.ts';
import { downloadNewest, type FetchOptions, type FetchRecipe, loadFetched, type Workshop } from './fetched-files.ts';

/** What package lists take while something is fetched, and some room. */
const LISTS = 70 * 2 ** 20;

export interface PackageFiles {
  /** Of the folder in the cache. */
  readonly name: string;
  readonly packageName: string;
  /** Paths within the package, without a slash before them; their last words are their names in the cache. */
  readonly paths: readonly string[];
  /** Bytes of package and files. */
  readonly size: number;
}

/** By name, without the folder. @throws CacheError, UserError as `loadFetched` does */
export const loadPackageFiles = (
  files: PackageFiles,
  options: FetchOptions,
): Promise<ReadonlyMap<string, Uint8Array>> => loadFetched(recipeOf(files), options);

function recipeOf({ name, packageName, paths, size }: PackageFiles): FetchRecipe {
  return {
    name,
    files: paths.map((path) => basename(path)),
    architecture: 'i386',
    needed: LISTS + size,
    download: (workshop) => download(packageName, paths, workshop),
  };
}

async function download(packageName: string, paths: readonly string[], workshop: Workshop): Promise<string> {
  const { folder, signal, announce } = workshop;
  const deb = await downloadNewest(workshop, packageName);
  announce('unpacking');
  const result = join(folder, 'result');
  await mkdir(result);
  for (const path of paths) {
    await extractDeb(deb, `./${path}`, { folder, signal });
    await rename(join(folder, path), join(result, basename(path)));
  }
  await writeFile(join(result, 'version'), `${basename(deb).split('_')[1]}\n`);
  return result;
}
