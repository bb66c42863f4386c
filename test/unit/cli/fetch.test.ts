import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.ts';
import { defaultCacheFolder, fetchSystem, isFetched } from '../../../src/cli/fetch/debian.ts';
import { parseDependencies } from '../../../src/host/node/apt.ts';

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

describe('vetro fetch', () => {
  const fetchHere = () => fetchSystem('debian-686', { cacheFolder: join(world, 'cache') });

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
    expect(await isFetched('debian-686', join(world, 'cache'))).toBe(true);
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
    expect(await isFetched('debian-686', join(world, 'cache'))).toBe(false);
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

describe('the cache folder', () => {
  it('is $XDG_CACHE_HOME/vetro, "if set and absolute", else ~/.cache/vetro', () => {
    expect(defaultCacheFolder({ XDG_CACHE_HOME: '/var/tmp/c' })).toBe('/var/tmp/c/vetro');
    expect(defaultCacheFolder({ XDG_CACHE_HOME: 'relative' })).toMatch(/^\/.*\/\.cache\/vetro$/);
    expect(defaultCacheFolder({})).toMatch(/\/\.cache\/vetro$/);
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
