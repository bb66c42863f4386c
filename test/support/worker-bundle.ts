/** The program of a host's threads, bundled from the sources once per test file: see `HostOptions.worker`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll } from 'vitest';

/** For the tests of the file that calls this. @returns where the program is, once they run */
export function useWorkerBundle(): () => string {
  const folder = mkdtempSync(join(tmpdir(), 'vetro-worker-'));
  const path = join(folder, 'worker.mjs');
  beforeAll(async () => {
    await build({
      entryPoints: [resolve(import.meta.dirname, '../../src/worker.ts')],
      outfile: path,
      bundle: true,
      platform: 'neutral',
      format: 'esm',
      target: 'node20.19',
      logLevel: 'warning',
    });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return () => path;
}
