/**
 * A private apt: the machine's own package sources and keys, with state, caches and hooks of our own, so that packages
 * of another architecture can be fetched by an ordinary user and nothing outside one folder is touched.
 *
 * The machine's apt.conf is not read (its hooks would run); its `Acquire` options, proxies among them, are copied.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../base/errors.ts';

/** What a program did. `status` is -1 if it could not be started. */
interface Outcome {
  readonly status: number;
  readonly output: string;
  readonly errors: string;
}

export interface AptOptions {
  /** A folder of our own (created); holds indexes and configuration. */
  readonly folder: string;
  /** Debian's name of the architecture to fetch for, such as `i386`. */
  readonly architecture: string;
  /** Called with 0..100 while something is downloaded. */
  readonly onProgress?: (percent: number) => void;
  /** Aborted, it ends the program that runs, and all calls reject with its reason. */
  readonly signal?: AbortSignal | undefined;
}

export class PrivateApt {
  readonly #folder: string;
  readonly #signal: AbortSignal | undefined;
  readonly #onProgress: (percent: number) => void;

  private constructor(options: AptOptions) {
    this.#folder = options.folder;
    this.#signal = options.signal;
    this.#onProgress = options.onProgress ?? (() => {});
  }

  /** @throws UserError if the machine has no apt. */
  static async create(options: AptOptions): Promise<PrivateApt> {
    const apt = new PrivateApt(options);
    const machine = await execute('apt-config', ['dump'], { signal: options.signal });
    if (machine.status !== 0) throw new UserError('apt is not available on this machine');
    for (const folder of ['state/lists/partial', 'cache/archives/partial', 'log', 'empty']) {
      await mkdir(join(options.folder, folder), { recursive: true });
    }
    await writeFile(join(options.folder, 'status'), '');
    await writeFile(join(options.folder, 'main.conf'), '');
    await writeFile(join(options.folder, 'apt.conf'), configuration(options, machine.output));
    return apt;
  }

  /**
   * Fetches the indexes. One of several may fail (a mirror in mid-update); what succeeded is used.
   * @throws UserError if none could be had
   */
  async update(): Promise<void> {
    const { errors } = await this.#run('apt-get', ['update', ...STATUS_OPTIONS]);
    const { output } = await this.#run('apt-cache', ['pkgnames']);
    if (output !== '') return;
    refuseFullDevice(errors);
    throw new UserError('no package list could be fetched: is this machine offline?');
  }

  /** Versions of a package on offer, newest first; empty if it is unknown. */
  async versions(packageName: string): Promise<string[]> {
    const { output } = await this.#run('apt-cache', ['madison', packageName]);
    const versions = output
      .split('\n')
      .map((line) => line.split('|')[1]?.trim())
      .filter((version) => version !== undefined);
    return [...new Set(versions)];
  }

  /** What one version of a package depends on: names and, where it asks for exactly one, versions. */
  async dependencies(packageName: string, version: string): Promise<{ name: string; version?: string }[]> {
    const { output } = await this.#run('apt-cache', ['show', `${packageName}=${version}`]);
    return parseDependencies(/^Depends: (.*)$/m.exec(output)?.[1] ?? '');
  }

  /**
   * Downloads one version of a package into `folder`.
   * @returns the path of the .deb, or undefined if the mirror does not have it.
   */
  async download(packageName: string, version: string, folder: string): Promise<string | undefined> {
    await mkdir(folder, { recursive: true });
    const target = await mkdtemp(join(folder, 'download-'));
    const { status, errors } = await this.#run(
      'apt-get',
      ['download', `${packageName}=${version}`, ...STATUS_OPTIONS],
      target,
    );
    const file = (await readdir(target)).find((name) => name.endsWith('.deb'));
    if (status === 0 && file) return join(target, file);
    refuseFullDevice(errors);
    await rm(target, { recursive: true, force: true });
    return undefined;
  }

  #run(program: string, args: readonly string[], folder?: string): Promise<Outcome> {
    return execute(program, args, {
      cwd: folder ?? this.#folder,
      env: { ...process.env, APT_CONFIG: join(this.#folder, 'apt.conf'), LC_ALL: 'C' },
      onProgress: this.#onProgress,
      signal: this.#signal,
    });
  }
}

const DEVICE_FULL = [
  ['No space left on device', 'ENOSPC'],
  ['Disk quota exceeded', 'EDQUOT'],
] as const;

/** What apt says in its own words is to the caller as if he had met it himself. */
function refuseFullDevice(errors: string): void {
  for (const [text, code] of DEVICE_FULL) {
    if (errors.includes(text)) throw Object.assign(new Error(text), { code });
  }
}

export interface ExtractOptions {
  /** Where to; created. */
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
}

/** Extracts the members of a .deb that match `pattern` (a tar wildcard such as `./boot/vmlinuz-*`). */
export async function extractDeb(deb: string, pattern: string, { folder, signal }: ExtractOptions): Promise<void> {
  await mkdir(folder, { recursive: true });
  const script = 'dpkg-deb --fsys-tarfile "$1" | tar -x -f - -C "$2" --no-same-owner --wildcards "$3"';
  const { status, errors } = await execute('sh', ['-c', script, 'sh', deb, folder, pattern], { signal });
  if (status === 0) return;
  refuseFullDevice(errors);
  throw new UserError(`cannot unpack ${deb}: ${errors.trim().split('\n')[0]}`);
}

/** Progress in machine-readable form on file descriptor 3. */
const STATUS_OPTIONS = ['-o', 'APT::Status-Fd=3', '-q'];

function configuration({ folder, architecture }: AptOptions, machine: string): string {
  // "Acquire::IndexTargets" would fetch descriptions and contents; only the package lists are needed.
  const acquire = machine
    .split('\n')
    .filter((line) => /^Acquire::/.test(line) && !/^Acquire::(IndexTargets|Languages|Retries|Changelogs)/.test(line));
  const machineValue = (key: string) => new RegExp(`^${key} "(.*)";$`, 'm').exec(machine)?.[1];
  // The folders of the machine's sources and keys, normally under /etc/apt, whatever its configuration calls them.
  const etc = join(machineValue('Dir') || '/', machineValue('Dir::Etc') || 'etc/apt');
  const machinePath = (key: string, normal: string) => join(etc, machineValue(`Dir::Etc::${key}`) || normal);
  const quote = (path: string) => `"${path}"`;
  return [
    ...acquire,
    `Dir::State ${quote(join(folder, 'state'))};`,
    `Dir::State::status ${quote(join(folder, 'status'))};`,
    `Dir::Cache ${quote(join(folder, 'cache'))};`,
    `Dir::Log ${quote(join(folder, 'log'))};`,
    `Dir::Etc::parts ${quote(join(folder, 'empty'))};`,
    `Dir::Etc::main ${quote(join(folder, 'main.conf'))};`,
    `Dir::Etc::preferencesparts ${quote(join(folder, 'empty'))};`,
    `Dir::Etc::sourcelist ${quote(machinePath('sourcelist', 'sources.list'))};`,
    `Dir::Etc::sourceparts ${quote(machinePath('sourceparts', 'sources.list.d'))};`,
    `Dir::Etc::trusted ${quote(machinePath('trusted', 'trusted.gpg'))};`,
    `Dir::Etc::trustedparts ${quote(machinePath('trustedparts', 'trusted.gpg.d'))};`,
    `APT::Architecture "${architecture}";`,
    `APT::Architectures { "${architecture}"; };`,
    // Run by root, apt would drop to a user that cannot write here.
    `APT::Sandbox::User "root";`,
    `Acquire::Languages "none";`,
    `Acquire::Retries "2";`,
    `Acquire::http::Timeout "20";`,
    `Acquire::https::Timeout "20";`,
    '',
  ].join('\n');
}

/** `a (= 1), b | c, d (>= 2)` → the first alternative of each. */
export function parseDependencies(field: string): { name: string; version?: string }[] {
  return field
    .split(',')
    .map((entry) => /^\s*([a-z0-9][a-z0-9+.-]*)(?::\w+)?(?:\s*\(=\s*([^)\s]+)\))?/.exec(entry))
    .filter((match) => match !== null)
    .map(([, name, version]) => (version ? { name: name!, version } : { name: name! }));
}

interface ExecuteOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly onProgress?: (percent: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** How long, in ms, a program that was asked to end may take. */
const PATIENCE = 2000;

/**
 * Runs a program in a process group of its own, so that it and all that it starts can be ended together. Aborted, it
 * rejects once they have ended: nothing is written any more.
 */
function execute(program: string, args: readonly string[], options: ExecuteOptions): Promise<Outcome> {
  const { cwd, env, onProgress, signal } = options;
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe', 'pipe'], detached: true });
    let output = '';
    let errors = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    child.stdio[3]!.on('data', (text: Buffer) => {
      const percent = /^dlstatus:[^:]*:([\d.]+):/m.exec(text.toString())?.[1];
      if (percent) onProgress?.(Number(percent));
    });

    const kill = (how: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, how);
      } catch {
        // It has ended meanwhile.
      }
    };
    let insist: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      kill('SIGTERM');
      insist = setTimeout(() => kill('SIGKILL'), PATIENCE);
    };
    const onExit = (): void => kill('SIGKILL');
    signal?.addEventListener('abort', onAbort);
    process.on('exit', onExit);
    const end = (outcome: Outcome): void => {
      clearTimeout(insist);
      signal?.removeEventListener('abort', onAbort);
      process.off('exit', onExit);
      if (signal?.aborted) reject(signal.reason);
      else resolve(outcome);
    };
    child.on('error', (error) => end({ status: -1, output, errors: error.message }));
    child.on('close', (status) => end({ status: status ?? -1, output, errors }));
  });
}
