/** Fetched files for this run, also where the cache cannot be used. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileProblem, isFileError } from '../../host/node/file-problem.ts';
import { CacheError } from './cache-folder.ts';
import type { FetchOptions } from './fetched-files.ts';

/** What `load` gives from the cache; if that cannot be used, from a temporary folder, which is gone afterwards. */
export async function loadSomewhere<Loaded>(
  load: (options: FetchOptions) => Promise<Loaded>,
  options: FetchOptions,
): Promise<Loaded> {
  try {
    return await load(options);
  } catch (error) {
    if (!(error instanceof CacheError)) throw error;
    options.onNotice?.(`${error.message}; fetching into a temporary folder, for this run only`);
    return await loadTemporarily(load, options);
  }
}

async function loadTemporarily<Loaded>(
  load: (options: FetchOptions) => Promise<Loaded>,
  options: FetchOptions,
): Promise<Loaded> {
  const cacheFolder = await mkdtemp(join(tmpdir(), 'vetro-')).catch((error: unknown) => {
    throw isFileError(error) ? new CacheError(`no temporary folder in ${tmpdir()}: ${fileProblem(error)}`) : error;
  });
  try {
    return await load({ ...options, cacheFolder });
  } finally {
    await rm(cacheFolder, { recursive: true, force: true }).catch(() => {});
  }
}
