/** The program of a host's threads, bundled from the sources once per test file: see `HostOptions.worker`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

export interface WorkerBundle {
  readonly path: string;
  dispose(): void;
}

export async function bundleWorker(): Promise<WorkerBundle> {
  const folder = mkdtempSync(join(tmpdir(), 'vetro-worker-'));
  const path = join(folder, 'worker.mjs');
  await build({
    entryPoints: [resolve(import.meta.dirname, '../../src/worker.ts')],
    outfile: path,
    bundle: true,
    platform: 'neutral',
    format: 'esm',
    target: 'node20.19',
    logLevel: 'warning',
  });
  return { path, dispose: () => rmSync(folder, { recursive: true, force: true }) };
}
