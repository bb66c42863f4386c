// Bundles src into dist: the command (cli.js), the library for ES modules (index.js) and CommonJS (index.cjs), with its
// declarations (types), and the program of its threads (worker.js). `--watch` rebuilds the bundles on change.
import { readdirSync, readFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build, context } from 'esbuild';
import { writeDeclarations } from './declarations.js';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** Maps while one works on it: the bundles are readable as they are, and the package needs no sources. */
const watch = process.argv.includes('--watch');

/** @type {import('esbuild').BuildOptions} */
const common = { outdir: 'dist', bundle: true, packages: 'external', sourcemap: watch, logLevel: 'warning' };

/** @type {import('esbuild').BuildOptions} */
const command = {
  ...common,
  entryPoints: { cli: 'src/cli/main.ts' },
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  define: { DEMO_SOURCES: JSON.stringify(demoSources()) },
  plugins: [
    {
      name: 'executable',
      setup: (build) => build.onEnd(() => chmod('dist/cli.js', 0o755).catch(() => {})),
    },
  ],
};

/**
 * Parts of Node are got when they are used, not imported: bundlers for browsers need know nothing of them. An import by
 * any other way than `node:` is an error.
 * @type {import('esbuild').Plugin}
 */
const nodeWhereThereIsOne = {
  name: 'node where there is one',
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'node' }));
    build.onLoad({ filter: /.*/, namespace: 'node' }, ({ path }) => ({
      contents: `module.exports = globalThis.process?.getBuiltinModule?.('${path}') ?? {};`,
    }));
  },
};

/** Runs in Node and in browsers. */
const library = (format, extension, entryPoints = { index: 'src/index.ts' }) => ({
  ...common,
  plugins: [nodeWhereThereIsOne],
  entryPoints,
  platform: 'neutral',
  format,
  target: ['node20.19', 'es2022'],
  outExtension: { '.js': extension },
});

/** A CommonJS module knows where it lies by other means. */
const whereItIs = {
  define: { 'import.meta.url': 'vetroUrl' },
  banner: {
    js: `const vetroUrl = typeof __filename === 'string' ? globalThis.process?.getBuiltinModule?.('node:url').pathToFileURL(__filename).href : undefined;`,
  },
};

const bundles = [
  command,
  library('esm', '.js'),
  // Browsers load it as it is: it needs no package.
  { ...library('esm', '.js', { worker: 'src/worker.ts' }), packages: 'bundle' },
  { ...library('cjs', '.cjs'), ...whereItIs },
];
if (watch) {
  await Promise.all(bundles.map(async (options) => (await context(options)).watch()));
} else {
  const declarations = { entry: 'src/index.ts', folder: 'dist/types' };
  await Promise.all([...bundles.map((options) => build(options)), writeDeclarations(declarations)]);
}

/** The embedded demo: dist does not need the folder roms. See src/cli/demo.ts. */
function demoSources() {
  const names = readdirSync('roms', { recursive: true }).filter((name) => name.endsWith('.asm'));
  return Object.fromEntries(names.map((name) => [name.replaceAll('\\', '/'), readFileSync(`roms/${name}`, 'utf8')]));
}
