/** Fetching on behalf of a command: how far it is, and what was amiss, is said on standard error. */
import type { FetchOptions } from './fetch/fetched-files.ts';
import { createProgress } from './progress.ts';

export async function fetchHere<Fetched>(
  work: (options: FetchOptions) => Promise<Fetched>,
  signal: AbortSignal,
): Promise<Fetched> {
  const progress = createProgress();
  const onNotice = (line: string): void => {
    progress.end();
    process.stderr.write(`vetro: ${line}\n`);
  };
  try {
    return await work({ onProgress: progress.show, onNotice, signal });
  } finally {
    progress.end();
  }
}
