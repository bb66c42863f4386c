/** Files from Debian's packages: fetched once with apt, kept in the user's cache, used from there without a network. */
import { join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { PrivateApt } from '../../host/node/apt.ts';
import {
  CacheError,
  defaultCacheFolder,
  readCached,
  replaceFolder,
  workInCache,
  writeChecksums,
} from './cache-folder.ts';

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

/** What belongs together, and how it is made from packages. */
export interface FetchRecipe {
  /** Of the folder in the cache. */
  readonly name: string;
  /** What is read of the folder. */
  readonly files: readonly string[];
  /** Debian's name of the architecture to fetch for. */
  readonly architecture: string;
  /** Bytes that package lists, packages and unpacked files take while they are fetched. */
  readonly needed: number;
  /** @returns the folder with the result, within the workshop's */
  readonly download: (workshop: Workshop) => Promise<string>;
}

/** Where packages are fetched and unpacked. */
export interface Workshop {
  /** With fresh package lists. */
  readonly apt: PrivateApt;
  /** It is gone afterwards. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Says what is done from now on. */
  announce(step: string): void;
}

/**
 * The files of a recipe, by name; a cache that is complete need not be writable.
 * @throws CacheError if the cache cannot be used
 * @throws UserError if there is no apt, no network, or no such package in the machine's sources
 */
export async function loadFetched(
  recipe: FetchRecipe,
  options: FetchOptions,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const { name } = recipe;
  const cache = options.cacheFolder ?? defaultCacheFolder();
  const folder = join(cache, name);
  const present = await readCached(folder, recipe.files);
  if (present.state === 'complete' && present.verified) return present.files;
  if (present.state === 'damaged') options.onNotice?.(`${present.problem}; fetching ${name} anew`);
  try {
    await fillCache(recipe, cache, options);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    if (present.state === 'damaged') throw renewed(error, `${present.problem} and cannot be fetched anew: `);
    if (present.state === 'absent') throw error;
    options.onNotice?.(`${folder} has no checksums and cannot be fetched anew (${error.message}); used as it is`);
    return present.files;
  }
  const fetched = await readCached(folder, recipe.files);
  if (fetched.state === 'complete') return fetched.files;
  const problem = fetched.state === 'damaged' ? fetched.problem : `${folder} is gone`;
  throw new UserError(`${problem}, though it has just been fetched: remove ${folder} and try again`);
}

/** The same error with more to say. */
function renewed(error: UserError, prefix: string): UserError {
  const Kind = error instanceof CacheError ? CacheError : UserError;
  return new Kind(`${prefix}${error.message}`);
}

const fillCache = (recipe: FetchRecipe, cache: string, { onProgress = () => {}, signal }: FetchOptions) =>
  workInCache({ cache, name: recipe.name, needed: recipe.needed, signal }, async (folder, within) => {
    const { architecture } = recipe;
    let step = '';
    const announce = (next: string): void => {
      step = next;
      onProgress(step);
    };
    announce(`reading package lists (${architecture})`);
    const apt = await PrivateApt.create({
      folder: join(folder, 'apt'),
      architecture,
      onProgress: (percent) => onProgress(step, percent),
      signal: within,
    });
    await apt.update();
    const result = await recipe.download({ apt, folder, signal: within, announce });
    await writeChecksums(result);
    within.throwIfAborted();
    await replaceFolder(result, join(cache, recipe.name));
  });

/** The path of the newest .deb that the mirror really has. @throws UserError if there is none */
export async function downloadNewest({ apt, folder, announce }: Workshop, packageName: string): Promise<string> {
  announce(`downloading ${packageName}`);
  for (const version of await versionsOf(apt, packageName)) {
    const deb = await apt.download(packageName, version, join(folder, 'debs'));
    if (deb) return deb;
  }
  throw new UserError(`no version of ${packageName} could be downloaded`);
}

/** Newest first. @throws UserError if there is none */
export async function versionsOf(apt: PrivateApt, packageName: string): Promise<string[]> {
  const versions = await apt.versions(packageName);
  if (versions.length === 0) throw new UserError(`the package sources of this machine do not offer ${packageName}`);
  return versions;
}
