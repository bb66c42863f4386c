// Runs a TypeScript program of this repository on any supported Node: node .ci/ts.js bench/main.ts [arguments]
import { spawn } from 'node:child_process';
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const [source, ...args] = process.argv.slice(2);
if (!source) throw new Error('usage: node .ci/ts.js <program.ts> [arguments]');
const root = fileURLToPath(new URL('..', import.meta.url));
const bundle = resolve(root, 'node_modules/.cache/vetro', `${basename(source, '.ts')}.${process.pid}.mjs`);
await build({
  entryPoints: [resolve(source)],
  outfile: bundle,
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  sourcemap: 'inline',
  logLevel: 'warning',
  define: { 'import.meta.dirname': JSON.stringify(resolve(source, '..')) },
});
const child = spawn(process.execPath, ['--enable-source-maps', bundle, ...args], { stdio: 'inherit' });
// It ends by them when it has cleaned up, and then so do we.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', async (status) => {
  const { rm } = await import('node:fs/promises');
  await rm(bundle, { force: true });
  process.exitCode = status ?? 1;
});
