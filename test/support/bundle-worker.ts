/** Makes the program of a host's threads (`HostOptions.worker`) from the sources, for those who run from sources. */
import { resolve } from 'node:path';
import { build } from 'esbuild';

/** `root`: the repository. */
export async function bundleWorker(root: string, path: string): Promise<void> {
  await build({
    entryPoints: [resolve(root, 'src/worker.ts')],
    outfile: path,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    logLevel: 'warning',
  });
}
