/** What `vetro run` boots by default: Debian from the user's cache; without a cache or a network, what there is instead. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { fileProblem, isFileError } from '../host/node/file-problem.ts';
import type { GuestBoot } from '../index.ts';
import { assembleDemo } from './demo.ts';
import { CacheError } from './fetch/cache-folder.ts';
import { type FetchOptions, type LoadedSystem, loadSystem, type SystemName } from './fetch/debian.ts';
import { createProgress } from './progress.ts';

export interface DebianBootOptions {
  readonly commandLine: string;
  /** Aborted, it rejects with the signal's reason, and leaves nothing behind. */
  readonly signal: AbortSignal;
}

/** What could not be had is said in one line on standard error. */
export async function bootDebian(system: SystemName, { commandLine, signal }: DebianBootOptions): Promise<GuestBoot> {
  const progress = createProgress();
  const onNotice = (line: string): void => {
    progress.end();
    process.stderr.write(`vetro: ${line}\n`);
  };
  try {
    const loaded = await loadSomewhere(system, { onProgress: progress.show, onNotice, signal });
    return { ...loaded, commandLine };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    onNotice(
      `no ${system} (${error.message}); booting the embedded demo instead. ` +
        'To give a kernel: vetro run --kernel <bzImage> --initrd <file>',
    );
    return { image: assembleDemo() };
  } finally {
    progress.end();
  }
}

async function loadSomewhere(system: SystemName, options: FetchOptions): Promise<LoadedSystem> {
  try {
    return await loadSystem(system, options);
  } catch (error) {
    if (!(error instanceof CacheError)) throw error;
    options.onNotice?.(`${error.message}; fetching into a temporary folder, for this run only`);
    return await loadTemporarily(system, options);
  }
}

async function loadTemporarily(system: SystemName, options: FetchOptions): Promise<LoadedSystem> {
  const cacheFolder = await mkdtemp(join(tmpdir(), 'vetro-')).catch((error: unknown) => {
    throw isFileError(error) ? new CacheError(`no temporary folder in ${tmpdir()}: ${fileProblem(error)}`) : error;
  });
  try {
    return await loadSystem(system, { ...options, cacheFolder });
  } finally {
    await rm(cacheFolder, { recursive: true, force: true }).catch(() => {});
  }
}
