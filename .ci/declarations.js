// Writes the declarations of the library's public face to dist/types: for ES modules (.d.ts) and CommonJS (.d.cts).
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';

const COMPILER = 'node_modules/typescript/bin/tsc';
const FORMATS = [
  { declaration: '.d.ts', specifier: '.js' },
  { declaration: '.d.cts', specifier: '.cjs' },
];
/** `from './guest.ts'`, `import("./guest.ts")`: the compiler leaves them as they are written. */
const RELATIVE_IMPORT = /(from |import\()(['"])(\.[^'"]*)\.ts\2/g;

/** @param {{ entry: string, folder: string }} options a TypeScript file in src; where to write */
export async function writeDeclarations({ entry, folder }) {
  const compiled = await mkdtemp(join(tmpdir(), 'vetro-types-'));
  try {
    compile(entry, compiled);
    await rm(folder, { recursive: true, force: true });
    const wanted = [`${basename(entry, '.ts')}.d.ts`];
    // The compiler wrote a file for every module of the program: only those that the public face names are taken.
    for (const name of wanted) {
      const text = await readFile(join(compiled, name), 'utf8');
      for (const [, , , path] of text.matchAll(RELATIVE_IMPORT)) {
        const imported = join(dirname(name), `${path}.d.ts`);
        if (!wanted.includes(imported)) wanted.push(imported);
      }
      for (const { declaration, specifier } of FORMATS) {
        const target = join(folder, name.replace(/\.d\.ts$/, declaration));
        const imports = text.replace(RELATIVE_IMPORT, `$1$2$3${specifier}$2`);
        await mkdir(dirname(target), { recursive: true });
        await writeFile(target, imports);
      }
    }
  } finally {
    await rm(compiled, { recursive: true, force: true });
  }
}

/** The settings are the repository's, so that what is written is what `npm run check` has checked. */
function compile(entry, folder) {
  const config = join(folder, 'tsconfig.json');
  const settings = {
    extends: resolve('tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      stripInternal: true,
      rootDir: resolve('src'),
      outDir: folder,
      typeRoots: [resolve('node_modules/@types')],
    },
    include: [],
    files: [resolve(entry)],
  };
  writeFileSync(config, JSON.stringify(settings));
  const { status, stdout } = spawnSync(process.execPath, [COMPILER, '-p', config], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the declarations of ${entry} cannot be written:\n${stdout}`);
}
