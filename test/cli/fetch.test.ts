import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../src/base/errors.ts';
import { CacheError, defaultCacheFolder, removeLeftovers, workInCache } from '../../src/cli/fetch/cache-folder.ts';
import { fetchSystem, loadSystem } from '../../src/cli/fetch/debian.ts';
import type { FetchOptions } from '../../src/cli/fetch/fetched-files.ts';
import { guestNamed } from '../../src/cli/guests.ts';
import { parseDependencies } from '../../src/host/node/apt.ts';
import { expectOneLine, runHere } from '../support/run-here.ts';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';

/** A PATH on which apt is a set of scripts: what they say is decided by files in `world`. */
let world: string;
let path: string | undefined;

beforeEach(() => {
  world = mkdtempSync(join(tmpdir(), 'vetro-fetch-'));
  path = process.env.PATH;
  mkdirSync(join(world, 'bin'));
});

afterEach(() => {
  process.env.PATH = path;
  rmSync(world, { recursive: true, force: true });
});

function program(name: string, script: string): void {
  const file = join(world, 'bin', name);
  writeFileSync(file, `#!/bin/sh\necho "${name} $*" >> ${world}/log\n${script}\n`);
  chmodSync(file, 0o755);
}

/** The mirror has the older kernel only; one index of the update fails. */
function installApt({ versions = ['6.1.2-1', '6.1.1-1'], present = '6.1.1-1' } = {}): void {
  process.env.PATH = `${world}/bin:${path}`;
  program('apt-config', 'echo \'Dir "/";\'; echo \'Acquire::http::Proxy "http://proxy.example:3128";\'');
  program(
    'apt-cache',
    `case "$1 $2" in
      'pkgnames '*) echo linux-image-686;;
      'madison linux-image-686') for v in ${versions.join(' ')}; do echo " linux-image-686 | $v | somewhere"; done;;
      'madison busybox-static') echo ' busybox-static | 1:1.35 | somewhere';;
      'show linux-image-686='*) v=\${2#*=}; echo "Depends: linux-image-$v-686 (= $v), extra";;
    esac`,
  );
  program(
    'apt-get',
    `[ "$1" = update ] && exit 100
    for word in "$@"; do case "$word" in
      linux-image-${present}-686=*) touch kernel.deb; exit 0;;
      busybox-static=*) touch busybox.deb; exit 0;;
    esac; done
    exit 100`,
  );
  // The package's files, as a tar stream.
  program(
    'dpkg-deb',
    `root=$(mktemp -d); mkdir $root/boot $root/bin
    case "$2" in *kernel.deb) echo kernel > $root/boot/vmlinuz-test;; *) echo busybox > $root/bin/busybox;; esac
    tar -c -C $root .; rm -r $root`,
  );
}

const log = () => (existsSync(join(world, 'log')) ? readFileSync(join(world, 'log'), 'utf8') : '');

const cache = (...names: string[]) => join(world, 'cache', ...names);
const fetchHere = (options: FetchOptions = {}) => fetchSystem('debian-686', { cacheFolder: cache(), ...options });

/** An apt-get that hangs, as one without a network does; its process id and that of what it started are in files. */
const installHangingApt = () => {
  installApt();
  program('apt-get', `sleep 1000 & echo $! > ${world}/child; echo $$ > ${world}/self; wait`);
};
const hangs = async () => {
  while (!existsSync(join(world, 'self')) || readFileSync(join(world, 'self'), 'utf8') === '')
    await new Promise((resolve) => setTimeout(resolve, 10));
};
/** It no longer runs; what is dead and not yet waited for (by an init that takes its time) does not count. */
const isGone = (file: 'self' | 'child') => {
  try {
    return /^State:\tZ/m.test(readFileSync(`/proc/${readFileSync(join(world, file), 'utf8').trim()}/status`, 'utf8'));
  } catch {
    return true;
  }
};

describe('vetro fetch', () => {
  it('goes on when an index fails, and falls back to an older version when the newest is not there', async () => {
    installApt();
    const { kernel, initrd } = await fetchHere();
    expect(readFileSync(kernel, 'utf8')).toBe('kernel\n');
    expect(readFileSync(initrd).subarray(0, 6).toString()).toBe('070701');
    expect(log()).toMatch(/apt-get download linux-image-6\.1\.2-1-686=6\.1\.2-1/);
    expect(log()).toMatch(/apt-get download linux-image-6\.1\.1-1-686=6\.1\.1-1/);
  });

  it('a complete cache is used without apt', async () => {
    installApt();
    const first = await fetchHere();
    rmSync(join(world, 'log'));
    expect(await fetchHere()).toEqual(first);
    expect(log()).toBe('');
  });

  it('leaves nothing but the result behind', async () => {
    installApt();
    await fetchHere();
    expect(existsSync(join(world, 'cache', `debian-686.${process.pid}.tmp`))).toBe(false);
  });

  it('works as an ordinary user in a configuration of its own: the proxies of the machine, not its hooks', async () => {
    installApt();
    program('apt-get', 'cat "$APT_CONFIG" > $(dirname "$0")/../seen; exit 100');
    await expect(fetchHere()).rejects.toThrow(UserError);
    const configuration = readFileSync(join(world, 'seen'), 'utf8');
    expect(configuration).toContain('Acquire::http::Proxy "http://proxy.example:3128";');
    expect(configuration).toContain('Dir::Etc::sourceparts "/etc/apt/sources.list.d";');
    expect(configuration).toContain('APT::Architecture "i386";');
    for (const line of configuration.split('\n').filter((text) => /^Dir::(State|Cache|Log|Etc::parts)/.test(text))) {
      expect(line).toContain(join(world, 'cache'));
    }
  });

  it('says so when there is no apt', async () => {
    process.env.PATH = `${world}/bin`;
    await expect(fetchHere()).rejects.toThrow('apt is not available on this machine');
  });

  it('says so when there is no network', async () => {
    installApt();
    program('apt-cache', 'exit 0');
    await expect(fetchHere()).rejects.toThrow('no package list could be fetched: is this machine offline?');
  });

  it('says so when no version can be had, and when the package is unknown', async () => {
    installApt({ present: 'none' });
    await expect(fetchHere()).rejects.toThrow('no version of the kernel behind linux-image-686 could be downloaded');
    installApt({ versions: [] });
    await expect(fetchHere()).rejects.toThrow('the package sources of this machine do not offer linux-image-686');
  });
});

describe('an unusable cache', () => {
  // biome-ignore format: one case a line
  const places: [what: string, folder: () => string, problem: RegExp][] = [
    ['below a file', () => join(world, 'file', 'vetro'), /part of its path is not a folder/],
    ['below a device', () => '/dev/null/.cache/vetro', /part of its path is not a folder/],
    ['a file itself', () => join(world, 'file'), /a file is in its place|part of its path is not a folder/],
    ['a name that is too long', () => join(world, 'x'.repeat(300)), /the name is too long/],
    ['where no folder can be', () => '/proc/self/fdinfo/a/b', /no such file|permission denied|operation not permitted/],
  ];

  it.each(places)('U2: %s: one line that says which, why, and what to do', async (_, folder, problem) => {
    installApt();
    writeFileSync(join(world, 'file'), '');
    const error = await fetchHere({ cacheFolder: folder() }).catch((reason) => reason);
    expect(error).toBeInstanceOf(CacheError);
    expect(error.message).toMatch(/^cannot use the cache folder \/.*; set XDG_CACHE_HOME to another folder$/);
    expect(error.message).toMatch(problem);
    expect(error.message).not.toContain('\n');
    expect(log()).not.toContain('apt-get');
  });

  it('U2: initrd.cpio a directory: fetch says so; a run needs no such file', async () => {
    installApt();
    const { initrd } = await fetchHere();
    const bytes = readFileSync(initrd);
    rmSync(initrd);
    mkdirSync(join(initrd, 'full'), { recursive: true });
    await expect(fetchHere()).rejects.toThrow(/^cannot use the cache folder .*: it is a directory; /);
    expect(readdirSync(cache('debian-686')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    expect((await loadSystem('debian-686', { cacheFolder: cache() })).initrd).toEqual(new Uint8Array(bytes));
  });

  it('U3: a device without room is noticed before anything is fetched', async () => {
    const action = () => Promise.reject(new Error('not reached'));
    const work = workInCache({ cache: cache(), name: 'system', needed: 2 ** 60 }, action);
    await expect(work).rejects.toThrow(
      /^cannot use the cache folder .*: \d+ MiB are free there, 1099511627776 are needed; /,
    );
    expect(readdirSync(cache())).toEqual([]);
  });

  it.each([
    ['No space left on device', 'no space left on the device'],
    ['Disk quota exceeded', 'your disk quota is used up'],
  ])('U3: what apt calls "%s" is not taken for a missing network', async (text, problem) => {
    installApt();
    program('apt-cache', 'exit 0');
    program('apt-get', `echo "E: Write error - write (28: ${text})" >&2; exit 100`);
    await expect(fetchHere()).rejects.toThrow(`cannot use the cache folder ${cache()}: ${problem}; set XDG_CACHE_HOME`);
    expect(readdirSync(cache())).toEqual([]);
  });
});

describe('an interrupted fetch', () => {
  it('U5: ends all that it has started, leaves nothing, and rejects with the reason', async () => {
    installHangingApt();
    const stop = new AbortController();
    const ended = fetchHere({ signal: stop.signal }).catch((reason) => reason);
    await hangs();
    expect([isGone('self'), isGone('child')]).toEqual([false, false]);
    const reason = new Error('enough');
    stop.abort(reason);
    expect(await ended).toBe(reason);
    expect([isGone('self'), isGone('child')]).toEqual([true, true]);
    expect(readdirSync(cache())).toEqual([]);
  });

  it('U5: what cannot be asked to end is ended', async () => {
    installApt();
    program('apt-get', `trap '' TERM; echo $$ > ${world}/self; while :; do sleep 1; done`);
    const stop = new AbortController();
    const ended = fetchHere({ signal: stop.signal }).catch((reason) => reason);
    await hangs();
    stop.abort('enough');
    expect(await ended).toBe('enough');
    expect(isGone('self')).toBe(true);
  });

  it('U5: leftovers of dead processes go, those of living ones stay', async () => {
    installApt();
    const dead = await new Promise<number>((resolve) => {
      const child = spawn('true');
      child.on('close', () => resolve(child.pid!));
    });
    for (const name of [`debian-686.${dead}.tmp/apt`, `debian-686.${process.ppid}.tmp`, 'debian-686/x', 'other.tmp'])
      mkdirSync(cache(name), { recursive: true });
    writeFileSync(cache('debian-686', `initrd.cpio.${dead}.tmp`), '');
    await removeLeftovers(cache());
    await removeLeftovers(cache('debian-686'));
    expect(readdirSync(cache()).sort()).toEqual(['debian-686', `debian-686.${process.ppid}.tmp`, 'other.tmp']);
    expect(readdirSync(cache('debian-686'))).toEqual(['x']);
  });
});

describe('what lies in the cache', () => {
  const damages: [what: string, damage: (kernel: string) => unknown, problem: string][] = [
    ['other bytes', (kernel) => writeFileSync(kernel, 'Kernel\n'), 'is damaged'],
    ['a truncated file', (kernel) => truncateSync(kernel, 3), 'is damaged'],
    ['a missing file', (kernel) => rmSync(kernel), 'is unusable (no such file)'],
    ['a folder in its place', (kernel) => [rmSync(kernel), mkdirSync(kernel)], 'is unusable (it is a directory)'],
  ];

  it.each(damages)('U6: %s: named, and fetched anew', async (_, damage, problem) => {
    installApt();
    const { kernel } = await fetchHere();
    damage(kernel);
    const notices: string[] = [];
    await fetchHere({ onNotice: (line) => notices.push(line) });
    expect(notices).toEqual([`${kernel} ${problem}; fetching debian-686 anew`]);
    expect(readFileSync(kernel, 'utf8')).toBe('kernel\n');
    expect(readdirSync(cache())).toEqual(['debian-686']);
  });

  it.each(damages)('U6: %s, without a network: the error names the file', async (_, damage, problem) => {
    installApt();
    const { kernel } = await fetchHere();
    damage(kernel);
    program('apt-cache', 'exit 0');
    await expect(fetchHere()).rejects.toThrow(
      `${kernel} ${problem} and cannot be fetched anew: no package list could be fetched: is this machine offline?`,
    );
  });

  it('files without checksums (of an older Vetro) are fetched anew, or, without a network, used', async () => {
    installApt();
    const { kernel } = await fetchHere();
    rmSync(cache('debian-686', 'SHA256SUMS'));
    program('apt-cache', 'exit 0');
    const notices: string[] = [];
    expect((await fetchHere({ onNotice: (line) => notices.push(line) })).kernel).toBe(kernel);
    expect(notices).toEqual([
      expect.stringMatching(/debian-686 has no checksums and cannot be fetched anew .*; used as it is$/),
    ]);
    installApt();
    await fetchHere();
    expect(readFileSync(cache('debian-686', 'SHA256SUMS'), 'utf8')).toMatch(/^([0-9a-f]{64} {2}\w+\n){3}$/);
  });
});

describe('the process', () => {
  let vetro: Vetro;
  beforeAll(async () => {
    vetro = await buildVetro();
  });
  afterAll(() => vetro.dispose());

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('U5, U8: %s during a fetch: status %i, no orphan, nothing left, nothing said', async (signal, status) => {
    installHangingApt();
    const running = vetro.start(['run'], { env: { ...process.env, XDG_CACHE_HOME: world } });
    await hangs();
    expect(await running.signal(signal)).toBe(status);
    expect([isGone('self'), isGone('child')]).toEqual([true, true]);
    expect(readdirSync(join(world, 'vetro'))).toEqual([]);
    expect(running.stdout + running.stderr).toBe('');
  });

  it('U2: HOME=/dev/null: a temporary folder, which is gone afterwards; without a network, the demo', async () => {
    installApt();
    program('apt-cache', 'exit 0');
    const temporary = join(world, 'temporary');
    mkdirSync(temporary);
    const running = vetro.start(['run', '--serial', 'none'], {
      env: { ...process.env, HOME: '/dev/null', XDG_CACHE_HOME: '', TMPDIR: temporary },
    });
    await running.shows(/instead.*\n/);
    expect(await running.signal('SIGTERM')).toBe(143);
    expect(running.stderr.split('\n')).toEqual([
      'vetro: cannot use the cache folder /dev/null/.cache/vetro: part of its path is not a folder; ' +
        'set XDG_CACHE_HOME to another folder; fetching into a temporary folder, for this run only',
      expect.stringMatching(/^vetro: no debian-686 \(no package list .*\); booting the embedded demo instead/),
      '',
    ]);
    expect(running.stdout).toBe('');
    expect(readdirSync(temporary)).toEqual([]);
  });
});

describe('other guests', () => {
  /** The mirror has one package, with one file in it. */
  function installPackage(path: string): void {
    installApt();
    program('apt-cache', `case "$1" in pkgnames) echo x;; madison) echo " $2 | 1.0-1 | somewhere";; esac`);
    program('apt-get', '[ "$1" = update ] || touch package_1.0-1_i386.deb');
    program(
      'dpkg-deb',
      `root=$(mktemp -d); mkdir -p $root/$(dirname ${path}); echo content > $root/${path}; tar -c -C $root .; rm -r $root`,
    );
  }

  it('memtest: the one file of a package, kept with its checksum', async () => {
    installPackage('boot/memtest86+ia32.bin');
    const options = { cacheFolder: cache() };
    expect(await guestNamed('memtest').fetch(options)).toEqual([`kernel ${cache('memtest', 'memtest86+ia32.bin')}`]);
    expect(readFileSync(cache('memtest', 'memtest86+ia32.bin'), 'utf8')).toBe('content\n');
    expect(readFileSync(cache('memtest', 'version'), 'utf8')).toBe('1.0-1\n');
    rmSync(join(world, 'log'));
    const { boot, cd } = await guestNamed('memtest').load('quiet', options);
    expect([boot, cd]).toEqual([{ kernel: expect.any(Uint8Array), commandLine: 'quiet' }, undefined]);
    expect(log()).toBe('');
  });

  it('a package without the file is an error that says so, and leaves nothing', async () => {
    installPackage('boot/memtest.bin');
    await expect(guestNamed('memtest').fetch({ cacheFolder: cache() })).rejects.toThrow(/^cannot unpack .*\.deb: /);
    expect(readdirSync(cache())).toEqual([]);
  });

  it('none takes the place of one that cannot be had: one line', async () => {
    installApt();
    program('apt-cache', 'exit 0');
    const result = await runHere(['run', '--guest', 'grub'], { XDG_CACHE_HOME: world });
    expectOneLine(result, /^no package list could be fetched: is this machine offline\?$/);
  });
});

describe('the cache folder', () => {
  it('is $XDG_CACHE_HOME/vetro, "if set and absolute", else ~/.cache/vetro', () => {
    expect(defaultCacheFolder({ XDG_CACHE_HOME: '/var/tmp/c' })).toBe('/var/tmp/c/vetro');
    expect(defaultCacheFolder({ XDG_CACHE_HOME: 'relative' })).toMatch(/^\/.*\/\.cache\/vetro$/);
    expect(defaultCacheFolder({})).toMatch(/\/\.cache\/vetro$/);
  });

  it('U2: HOME= is as no HOME: the user’s own is taken', () => {
    const home = process.env.HOME;
    process.env.HOME = '';
    try {
      expect(defaultCacheFolder({})).toMatch(/^\/.*\.cache\/vetro$/);
    } finally {
      process.env.HOME = home;
    }
  });
});

describe('a Depends field', () => {
  it('yields names, exact versions, and the first of alternatives', () => {
    expect(parseDependencies('a (= 1:2-3), b | c, d:any (>= 2), e')).toEqual([
      { name: 'a', version: '1:2-3' },
      { name: 'b' },
      { name: 'd' },
      { name: 'e' },
    ]);
    expect(parseDependencies('')).toEqual([]);
  });
});
