/** The package as its users get it: packed, installed into empty projects, compiled against and run there. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ConsumerProject, type Outcome, packVetro, RegistryUnreachable } from '../support/consumer-project.ts';

const SILENT: Outcome = { status: 0, stdout: '', stderr: '' };
const PROMPT = /Type "help" for the commands/;
const PROGRAM = readFileSync(join(import.meta.dirname, 'projects/program.ts'), 'utf8');
const RUNNERS = {
  module: `import { readFileSync } from 'node:fs';
import { bootDemo } from './program.js';
console.log(await bootDemo(readFileSync('../demo.img')));`,
  commonjs: `const { readFileSync } = require('node:fs');
const { bootDemo } = require('./program.js');
bootDemo(readFileSync('../demo.img')).then(console.log);`,
};
type ModuleType = keyof typeof RUNNERS;

const folder = mkdtempSync(join(tmpdir(), 'vetro-consumer-'));
let user: ConsumerProject;
let unreachable: string | undefined;

/** An empty project that gets Vetro, nothing that only Vetro's developers need, and an image. */
beforeAll(() => {
  const tarball = packVetro(folder);
  user = new ConsumerProject(folder);
  unreachable = install(user, '--omit=dev', tarball);
  if (unreachable !== undefined) return;
  expect(user.npx('vetro', 'asm', 'node_modules/vetro/roms/demo.asm', '-o', 'demo.img')).toEqual(SILENT);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach((context) => context.skip(unreachable !== undefined, unreachable));

/** @returns why not, if npm cannot get a package */
function install(project: ConsumerProject, ...packages: string[]): string | undefined {
  try {
    project.install(...packages);
  } catch (error) {
    if (error instanceof RegistryUnreachable) return error.message;
    throw error;
  }
}

/** A project that holds the program. */
function createProject(name: string, type: ModuleType, compilerOptions: object, file = 'program.ts'): ConsumerProject {
  const project = user.inner(name, { type });
  project.writeSettings(compilerOptions, file);
  project.write(file, PROGRAM);
  return project;
}

function expectDemo({ status, stdout, stderr }: Outcome): void {
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(PROMPT);
}

describe('L4: the packed types compile in an empty project, and what is compiled boots the demo', () => {
  it.each<[string, ModuleType, object]>([
    ['NodeNext, ES modules', 'module', { module: 'nodenext' }],
    ['NodeNext, CommonJS', 'commonjs', { module: 'nodenext' }],
    ['Node16, CommonJS', 'commonjs', { module: 'node16' }],
    ['CommonJS', 'commonjs', { module: 'commonjs', moduleResolution: 'bundler' }],
  ])('%s', (title, type, options) => {
    const project = createProject(title, type, options);
    expect(project.compile(['-p', '.'])).toBe('');
    project.write('main.js', RUNNERS[type]);
    expectDemo(project.node('main.js'));
  });

  it('a .cts file among ES modules', () => {
    const project = createProject('cts', 'module', { module: 'nodenext' }, 'program.cts');
    expect(project.compile(['-p', '.'])).toBe('');
    project.write('main.cjs', RUNNERS.commonjs.replace('program.js', 'program.cjs'));
    expectDemo(project.node('main.cjs'));
  });

  it('Bundler', async () => {
    const project = createProject('bundler', 'module', { module: 'esnext', moduleResolution: 'bundler' });
    expect(project.compile(['-p', '.', '--noEmit'])).toBe('');
    const main = project.write('main.ts', RUNNERS.module.replace('program.js', 'program.ts'));
    const outfile = join(project.folder, 'bundle.js');
    await build({ entryPoints: [main], outfile, bundle: true, platform: 'node', format: 'esm', target: 'es2022' });
    expectDemo(project.node('bundle.js'));
  });

  it('what `tsc --init` proposes, but that declarations are checked', () => {
    const project = createProject('init', 'module', {});
    rmSync(join(project.folder, 'tsconfig.json'));
    expect(project.compile(['--init'])).toMatch(/^(?:$|Created)/);
    // For the Node of today: it has `using` in a form that a newer target leaves as it is.
    expect(project.compile(['-p', '.', '--skipLibCheck', 'false', '--target', 'es2022'])).toBe('');
    project.write('main.js', RUNNERS.module);
    expectDemo(project.node('main.js'));
  });
});

it.each([
  ['browsers', { lib: ['es2022', 'dom'] }],
  ['Node', { types: ['node'], typeRoots: [resolve('node_modules/@types')] }],
])('the AbortSignal of %s will do', (title, options) => {
  const project = createProject(`signal of ${title}`, 'module', { module: 'nodenext', noEmit: true, ...options });
  project.write(
    'program.ts',
    `import type { Guest } from 'vetro';
export async function first(guest: Guest, signal: AbortSignal): Promise<string> {
  await guest.runTo(1, { signal });
  const match = await guest.serial.waitFor('x', { signal: AbortSignal.any([signal, AbortSignal.timeout(1)]) });
  return match.text;
}`,
  );
  expect(project.compile(['-p', '.'])).toBe('');
});

describe('the compiler of two years ago', () => {
  let compiler = '';
  let missing: string | undefined;
  beforeAll(() => {
    const project = user.inner('old-compiler', {});
    missing = unreachable ?? install(project, 'typescript@5.4');
    compiler = join(project.folder, 'node_modules/typescript');
  });
  beforeEach((context) => context.skip(missing !== undefined, missing));

  it.each<[string, ModuleType, object]>([
    ['NodeNext, ES modules', 'module', { module: 'nodenext' }],
    ['Node16, CommonJS', 'commonjs', { module: 'node16' }],
    ['CommonJS without `exports` of packages', 'commonjs', { module: 'commonjs', moduleResolution: 'node' }],
    ['Bundler', 'module', { module: 'esnext', moduleResolution: 'bundler' }],
  ])('TypeScript 5.4: %s', (title, type, options) => {
    const project = createProject(`old ${title}`, type, options);
    expect(project.compile(['-p', '.', '--noEmit'], compiler)).toBe('');
  });
});

describe('the package', () => {
  const installed = (): string => join(folder, 'node_modules/vetro');

  it('holds what runs and its types: no sources, tests or maps', () => {
    const names = readdirSync(installed(), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) =>
        join(entry.parentPath, entry.name)
          .slice(installed().length + 1)
          .replaceAll('\\', '/'),
      );
    const expected =
      /^(?:package\.json|README\.md|LICENSE|dist\/(?:cli\.js|worker\.js|index\.c?js|types\/.*\.d\.c?ts)|roms\/.*\.asm)$/;
    expect(names.filter((name) => !expected.test(name))).toEqual([]);
  });

  it('holds every file that its package.json names', () => {
    const manifest = JSON.parse(readFileSync(join(installed(), 'package.json'), 'utf8'));
    const named = JSON.stringify([manifest.bin, manifest.main, manifest.types, manifest.exports]).match(/dist\/[^"]+/g);
    expect(named?.filter((name) => !existsSync(join(installed(), name)))).toEqual([]);
  });

  it('exports the same from the ES module and from CommonJS', () => {
    const list = 'Object.keys(vetro).sort().join()';
    const [asModule, asCommonJs] = [
      user.node('--input-type=module', '-e', `import * as vetro from 'vetro'; console.log(${list})`),
      user.node('--input-type=commonjs', '-e', `const vetro = require('vetro'); console.log(${list})`),
    ];
    expect(asModule).toMatchObject({ status: 0, stderr: '' });
    expect(asCommonJs).toEqual(asModule);
  });

  it('runs guests in threads, and ends when they do', () => {
    const program = `const host = await Host.create({ threads: 2 });
      const guests = await Promise.all([1, 2].map(() => host.createGuest({ boot: { image: Uint8Array.of(0xeb, 0xfe) }, memory: 1 })));
      await Promise.all(guests.map((guest) => guest.runTo(100_000)));
      console.log(guests.map(({ instructions }) => instructions).join());`;
    const asModule = user.node('--input-type=module', '-e', `import { Host } from 'vetro'; ${program}`);
    const commonJs = `const { Host } = require('vetro'); (async () => { ${program} })();`;
    expect(asModule).toEqual({ status: 0, stdout: '100000,100000\n', stderr: '' });
    expect(user.node('--input-type=commonjs', '-e', commonJs)).toEqual(asModule);
  });

  it('has a command that boots the demo, without development dependencies', () => {
    expect(existsSync(join(folder, 'node_modules/esbuild'))).toBe(false);
    expectDemo(user.npx('vetro', 'run', '--demo'));
  });
});
