import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findImports, ROOT, readSources, type SourceFile, stripCommentsAndStrings } from './source-tree.ts';

/** Folder of src → folders it may import from, besides itself. Nothing else is allowed. See src/ARCHITECTURE.md. */
const BELOW_CLI = [
  'base',
  'wasm',
  'ir',
  'isa',
  'memory',
  'bus',
  'cpu',
  'engine',
  'devices',
  'storage',
  'firmware',
  'snapshot',
];
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  wasm: ['base'],
  ir: ['base'],
  isa: ['base', 'ir'],
  memory: ['base'],
  snapshot: ['base'],
  bus: ['base'],
  storage: ['base'],
  cpu: ['base', 'isa', 'memory'],
  engine: ['base', 'wasm', 'ir', 'isa', 'memory', 'cpu'],
  devices: ['base', 'bus', 'memory'],
  firmware: ['base', 'bus'],
  machine: ['base', 'snapshot', 'bus', 'memory', 'cpu', 'engine', 'devices', 'firmware'],
  hypervisor: ['base', 'snapshot', 'bus', 'memory', 'machine'],
  debug: ['base', 'isa', 'memory', 'cpu', 'engine', 'machine'],
  difftest: ['base', 'isa', 'memory', 'cpu', 'engine'],
  host: ['base', 'storage'],
  cli: [...BELOW_CLI, 'machine', 'hypervisor', 'debug', 'difftest', 'host'],
};

const NODE_ALLOWED = /^src\/(host\/node|cli|difftest)\//;
/** Packages from npm: the command line's own, and what packs and unpacks clusters and snapshots. All else that computes is written here. */
const PACKAGES_ALLOWED: Readonly<Record<string, RegExp>> = {
  yargs: /^src\/cli\//,
  chalk: /^src\/cli\//,
  fflate: /^src\/(storage|host)\//,
  fzstd: /^src\/storage\//,
};

const sources = readSources('src');
const layerOf = (path: string): string => path.split('/')[1];

/** The public face, and the program of the threads that it starts, stand above all layers. */
const isFace = (path: string): boolean => path === 'src/index.ts' || path === 'src/worker.ts';

describe('the layers of src', () => {
  it('are the folders there are, as src/ARCHITECTURE.md lists them', () => {
    const folders = new Set(sources.filter((file) => !isFace(file.path)).map((file) => layerOf(file.path)));
    expect([...folders].sort()).toEqual(Object.keys(LAYERS).sort());
    const map = readFileSync(join(ROOT, 'src/ARCHITECTURE.md'), 'utf8');
    for (const [layer, below] of Object.entries(LAYERS)) {
      const listed = new RegExp(`^\\| \`${layer}\` \\|[^|]*\\| (.*) \\|$`, 'm').exec(map)?.[1];
      expect(`${layer}: ${listed}`).toBe(`${layer}: ${layer === 'cli' ? 'all' : below.join(' ') || '–'}`);
    }
  });

  it('imports go downwards only', () => {
    const wrong = sources.flatMap((file) =>
      file.imports
        .filter(({ target }) => target !== undefined && !isFace(file.path) && !mayImport(file.path, target))
        .map(({ target }) => `${file.path} → ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('no file imports itself by a detour', () => {
    expect(findCycles(sources)).toEqual([]);
  });

  it('relative imports name the .ts file, and only files inside src', () => {
    const known = new Set(sources.map((file) => file.path));
    const wrong = sources.flatMap((file) =>
      file.imports
        .filter(({ target }) => target !== undefined && !known.has(target))
        .map(({ specifier }) => `${file.path}: ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  it('packages from npm are used where they are allowed', () => {
    const wrong = sources.flatMap((file) =>
      file.imports
        .filter(({ specifier, target }) => target === undefined && !specifier.startsWith('node:'))
        .filter(({ specifier }) => !PACKAGES_ALLOWED[specifier.split('/')[0]]?.test(file.path))
        .map(({ specifier }) => `${file.path}: ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('what the platform offers', () => {
  it('node: modules and Node globals are used in host/node, cli and difftest only', () => {
    const wrong = sources
      .filter((file) => !NODE_ALLOWED.test(file.path))
      .filter(
        (file) =>
          file.imports.some(({ specifier }) => specifier.startsWith('node:')) ||
          /(?<![.\w])(process\s*\.|Buffer\s*[.(]|__dirname\b)/.test(file.code),
      );
    expect(wrong.map((file) => file.path)).toEqual([]);
  });

  it('the DOM is used nowhere', () => {
    const wrong = sources.filter((file) => /(?<![.\w])(document|window|navigator|localStorage)\s*\./.test(file.code));
    expect(wrong.map((file) => file.path)).toEqual([]);
  });

  it('below host there is no wall clock, no timer and no chance', () => {
    const wrong = sources
      .filter((file) => !/^src\/(host|cli|difftest)\//.test(file.path))
      .filter((file) =>
        /\bMath\.random\b|\bDate\.now\b|\bnew Date\(\)|\bperformance\s*\.|(?<![.\w])(setTimeout|setInterval|setImmediate)\b/.test(
          file.code,
        ),
      );
    expect(wrong.map((file) => file.path)).toEqual([]);
  });

  it('there is no module-level mutable state', () => {
    const wrong = sources.filter((file) => /^(export )?(let|var)\s/m.test(file.code));
    expect(wrong.map((file) => file.path)).toEqual([]);
  });
});

describe('the checks themselves', () => {
  it('find imports in every form', () => {
    const text =
      "import type { A } from './a.ts';\nexport { b } from '../b.ts';\nimport {\n  c,\n} from 'c';\nimport './d.ts';";
    expect(findImports('src/x/y.ts', text).map(({ target, specifier }) => target ?? specifier)).toEqual([
      'src/x/a.ts',
      'src/b.ts',
      'c',
      'src/x/d.ts',
    ]);
  });

  it('refuse an upward arrow and find a cycle', () => {
    expect(mayImport('src/devices/pit8254.ts', 'src/cpu/state.ts')).toBe(false);
    expect(mayImport('src/cpu/state.ts', 'src/devices/pit8254.ts')).toBe(false);
    const file = (path: string, target: string): SourceFile => ({
      path,
      text: '',
      code: '',
      imports: [{ specifier: '', target }],
    });
    expect(findCycles([file('a', 'b'), file('b', 'c'), file('c', 'a')])).toEqual(['a → b → c → a']);
  });

  it('look neither into comments nor into strings', () => {
    expect(stripCommentsAndStrings("a('process.x'); // process.y\n/* process.z */ b")).not.toMatch(/process/);
  });
});

function mayImport(from: string, target: string): boolean {
  if (isFace(target)) return /^src\/cli\//.test(from);
  const [upper, lower] = [layerOf(from), layerOf(target)];
  return upper === lower || (LAYERS[upper]?.includes(lower) ?? false);
}

/** Cycles of imports, those of types alone included: who reads one file must not have to read its readers. */
function findCycles(files: readonly SourceFile[]): string[] {
  const arrows = new Map(files.map((file) => [file.path, file.imports.flatMap(({ target }) => target ?? [])]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) cycles.push([...trail.slice(start), path].join(' → '));
    if (start >= 0 || done.has(path)) return;
    for (const target of arrows.get(path) ?? []) if (arrows.has(target)) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of arrows.keys()) visit(path, []);
  return cycles;
}
