/** Empty projects that install Vetro as a user would: from the packed tarball, outside of this repository. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const QUIET = ['--no-audit', '--no-fund', '--no-update-notifier', '--prefer-offline'];
/** What npm says when there is neither a registry nor a filled cache. */
const NO_REGISTRY = /\b(?:ENOTCACHED|ENOTFOUND|ECONNREFUSED|ECONNRESET|EAI_AGAIN|ETIMEDOUT|ERR_SOCKET_TIMEOUT)\b/;
const TIMEOUT = 300_000;

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** No registry and no cache: what needs them is skipped with this reason. */
export class RegistryUnreachable extends Error {}

/** Packs Vetro as it is now; `npm pack` builds it first. @returns path of the tarball, in `folder` */
export function packVetro(folder: string): string {
  const { status, stderr } = run('npm', ['pack', '--pack-destination', folder], ROOT);
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  if (status !== 0 || tarball === undefined) throw new Error(`npm pack failed: ${stderr}`);
  return join(folder, tarball);
}

export class ConsumerProject {
  readonly folder: string;

  constructor(folder: string, packageJson: object = {}) {
    this.folder = folder;
    this.write('package.json', JSON.stringify({ name: 'consumer', version: '1.0.0', private: true, ...packageJson }));
  }

  /** A project in a folder of this one: it sees what is installed here. */
  inner(name: string, packageJson: object): ConsumerProject {
    return new ConsumerProject(join(this.folder, name), packageJson);
  }

  /** @returns its path */
  write(name: string, content: string | Uint8Array): string {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  /** Settings that hide no error: declarations are checked, and there are no types but the language's. */
  writeSettings(compilerOptions: object, file = 'program.ts'): void {
    const strict = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false };
    const bare = { types: [], lib: ['es2022'], target: 'es2022' };
    const settings = { compilerOptions: { ...strict, ...bare, ...compilerOptions }, files: [file] };
    this.write('tsconfig.json', JSON.stringify(settings));
  }

  /** @throws RegistryUnreachable; Error with what npm says if it fails otherwise */
  install(...packages: string[]): void {
    const { status, stderr } = run('npm', ['install', ...QUIET, ...packages], this.folder);
    if (status === 0) return;
    if (NO_REGISTRY.test(stderr))
      throw new RegistryUnreachable('npm reaches no registry, and its cache lacks a package');
    throw new Error(`npm install ${packages.join(' ')} failed: ${stderr}`);
  }

  /** Runs the compiler of this repository, or one that is installed here. @returns its messages: empty if all is well */
  compile(args: readonly string[], compiler = join(ROOT, 'node_modules/typescript')): string {
    const { status, stdout, stderr } = this.node(join(compiler, 'bin/tsc'), ...args);
    return status === 0 ? '' : `${stdout}${stderr}`;
  }

  node(...args: readonly string[]): Outcome {
    return run(process.execPath, args, this.folder);
  }

  npx(...args: readonly string[]): Outcome {
    return run('npx', ['--no-install', ...args], this.folder);
  }
}

function run(command: string, args: readonly string[], cwd: string): Outcome {
  // What npm and Vitest hand down to their children is not what a user has.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_(?!config_)|VITEST|NODE_ENV|INIT_CWD)/i.test(name)),
  );
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: TIMEOUT,
    input: '',
    maxBuffer: 2 ** 26,
  });
  if (error) throw error;
  return { status, stdout, stderr };
}
