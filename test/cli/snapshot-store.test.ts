/** Stores of snapshots, and recovery from checkpoints: as a user meets them. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectOneLine, runHere } from '../support/run-here.ts';
import { useVetroInFolder } from '../support/vetro-in-folder.ts';

const { folder, file, words, run, start } = useVetroInFolder();

/** Of a guest that goes on, and is ended then. */
const saved = async (words: readonly string[], as: string): Promise<void> => {
  const running = start(words);
  running.child.stdin?.write('spin\n');
  await running.shows(new RegExp(`guest was saved in \\S*${as} \\([\\d.]+ KiB \\([\\d,]+ bytes\\)\\) at`));
  expect(await running.signal('SIGTERM')).toBe(143);
};

describe('vetro snapshot, with a store', () => {
  it('lists, inspects, verifies, restores, exports, imports and deletes', { timeout: 120_000 }, async () => {
    await saved(['run', '--demo', '--snapshot', file('s/'), '--snapshot-at', '300ms'], 's/guest-1');
    const restore = ['snapshot', 'restore', file('s/guest-1'), '--snapshot', file('s/later'), '--snapshot-at', '400ms'];
    await saved(restore, 's/later');
    const { stdout } = await run('snapshot list @/s');
    expect(stdout.replaceAll(/ +/g, ' ').split('\n')).toEqual([
      'ID TAKEN (UTC) GUEST KIND INSTRUCTIONS MEMORY PARENT',
      expect.stringMatching(/^guest-1 \d{4}-\d\d-\d\d \d\d:\d\d:\d\d guest snapshot [\d,]+ [\d.]+ KiB -$/),
      expect.stringMatching(/^later \S+ \S+ guest snapshot [\d,]+ [\d.]+ KiB guest-1$/),
      '',
    ]);
    const rows = JSON.parse((await run('snapshot list --store @/s --json')).stdout);
    expect(rows).toMatchObject([
      { id: 'guest-1', guest: 'guest', kind: 'snapshot', parent: null, problem: null },
      { id: 'later', parent: 'guest-1', instructions: expect.any(Number), memory: expect.any(Number) },
    ]);
    const shown = await run('snapshot inspect later --store @/s');
    expect(shown.stdout).toMatch(
      /^snapshot {2}s\/later\nstore {5}s, \d+ pages in 2 packs\ntaken .*\nparent {4}guest-1\n/,
    );
    expect((await run('snapshot verify @/s')).stdout).toMatch(
      /^s: 2 snapshots and \d+ pages are as they were written\n$/,
    );
    expect((await run('snapshot verify @/s/later')).stdout).toMatch(/^s\/later: \d+ pages and what describes them /);
    expect((await run('snapshot export @/s/later @/later.vetro')).stdout).toMatch(
      /^s\/later was written into later\.vetro /,
    );
    expect((await run('snapshot delete guest-1 --store @/s')).stdout).toBe('s/guest-1 is deleted\n');
    expect((await run('snapshot import @/later.vetro @/t/')).stdout).toMatch(
      /^later\.vetro was put into t as guest-1 /,
    );
    for (const name of ['s/later', 'later.vetro', 't/guest-1']) {
      const restored = await run(`snapshot restore @/${name}`, '\x03ticks\n');
      expect([name, restored.status, restored.stderr]).toEqual([name, 0, '']);
      expect(restored.stdout).toMatch(/\d+ ticks, \d\.\d\d seconds\r\n/);
    }
    expect((await run('snapshot delete @/t/guest-1')).status).toBe(0);
    expect((await run('snapshot list @/t')).stdout).toBe('t has no snapshots\n');
    expect(readdirSync(file('t/packs'))).toEqual([]);
  });

  it('takes snapshots from several processes at once', { timeout: 120_000 }, async () => {
    const lines = await Promise.all(Array.from({ length: 3 }, () => run('snapshot import @/later.vetro @/u/')));
    expect(lines.map(({ status, stderr }) => `${status}${stderr}`)).toEqual(['0', '0', '0']);
    const rows = JSON.parse((await run('snapshot list @/u --json')).stdout) as { id: string }[];
    expect(rows.map(({ id }) => id)).toEqual(['guest-1', 'guest-2', 'guest-3']);
    expect(readdirSync(file('u/packs'))).toHaveLength(1);
    expect((await run('snapshot verify @/u')).status).toBe(0);
  });

  it('says in a line what cannot be', { timeout: 120_000 }, async () => {
    writeFileSync(file('s/snapshots/odd'), 'x'.repeat(200));
    const cases: [string, RegExp][] = [
      ['snapshot list', /^vetro snapshot list needs a STORE$/],
      ['snapshot list @/none', /^none is no store of snapshots: there is no such folder$/],
      ['snapshot restore @/s', /^s is a store of snapshots: say which one, as in s\/ID$/],
      ['snapshot restore @/s/none', /^s\/none: s has no snapshot none$/],
      ['snapshot verify @/s', /^s: snapshot odd: this is no snapshot$/],
      ['snapshot delete none --store @/s', /^s has no snapshot none$/],
      ['snapshot inspect @/later.vetro --json', /^vetro snapshot inspect takes no --json$/],
      ['run --demo --checkpoint @/c,often', /^--checkpoint takes FOLDER,every=30s,keep=2, not often$/],
      ['snapshot export @/s/later', /^vetro snapshot export needs STORE\/ID and a FILE$/],
      ['snapshot inspect @/s/odd', /^s\/odd: this is no snapshot$/],
      ['snapshot delete @/s', /^s is no snapshot in a store: say which one, as in STORE\/ID$/],
      ['snapshot import @/later.vetro @/nowhere', /^later\.vetro: nowhere is no store of snapshots/],
      ['snapshot import @/later.vetro @/s/later', /^later\.vetro: s has a snapshot later already: delete it/],
      ['run --demo --checkpoint @/c,every=5', /^--checkpoint: every must be a time as in 30s, 500ms, 2m, not 5$/],
      ['recover @/none', /^none is no store of snapshots$/],
      ['recover @/s', /^s\/odd: this is no snapshot$/],
    ];
    for (const [line, reason] of cases) {
      const { stdout, stderr, status } = await runHere(words(line));
      expectOneLine({ status, stdout, stderr: stderr.replaceAll(`${folder}/`, '') }, reason);
    }
    const deleted = await run('snapshot delete @/s/later');
    expect(deleted.stdout).toMatch(
      /^s\/later is deleted; pages that nobody needs are left where they are: snapshot odd /,
    );
    rmSync(file('s/snapshots/odd'));
  });
});

describe('vetro recover', () => {
  it('goes on with a guest whose emulator was killed', { timeout: 120_000 }, async () => {
    const store = file('checkpoints');
    const running = start(['run', '--demo', '--checkpoint', `${store},every=100ms`]);
    running.child.stdin?.write('spin\n');
    const ids = (): string[] => {
      try {
        return readdirSync(join(store, 'snapshots')).filter((name) => !name.endsWith('.partial'));
      } catch {
        return [];
      }
    };
    while (!ids().includes('guest-3')) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await running.signal('SIGKILL')).not.toBe(0);
    expect(readFileSync(join(store, 'vetro-store'), 'utf8')).toContain('version 1');
    const started = await run('run --demo --checkpoint @/checkpoints');
    expect(started.stderr).toMatch(/^vetro: checkpoints has checkpoints of guest: recover it \(vetro recover\)/);
    const { status, stdout, stderr } = await run('recover @/checkpoints', '\x03ticks\nhalt\n');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/\d+ ticks, \d\.\d\d seconds\r\n/);
    expect(stdout).not.toContain('Vetro demo');
    // It has ended by itself: there is nothing to go on with.
    expect(ids()).toEqual([]);
    expect((await run('recover @/checkpoints')).stderr).toBe(
      'vetro: checkpoints has no checkpoints: nothing can be recovered\n',
    );
  });
});
