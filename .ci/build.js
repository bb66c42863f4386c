// Bundles src into dist: the command (dist/cli.js) and the library (dist/index.js). `--watch` rebuilds on change.
import { readdirSync, readFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build, context } from 'esbuild';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** @type {import('esbuild').BuildOptions} */
const options = {
  entryPoints: { cli: 'src/cli/main.ts', index: 'src/index.ts' },
  outdir: 'dist',
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  sourcemap: true,
  logLevel: 'warning',
  define: { DEMO_SOURCES: JSON.stringify(demoSources()) },
  plugins: [
    {
      name: 'executable',
      setup: (build) => build.onEnd(() => chmod('dist/cli.js', 0o755).catch(() => {})),
    },
  ],
};

if (process.argv.includes('--watch')) await (await context(options)).watch();
else await build(options);

/** The embedded demo: dist does not need the folder roms. See src/cli/demo.ts. */
function demoSources() {
  const names = readdirSync('roms', { recursive: true }).filter((name) => name.endsWith('.asm'));
  return Object.fromEntries(names.map((name) => [name.replaceAll('\\', '/'), readFileSync(`roms/${name}`, 'utf8')]));
}
