/** `vetro run --snapshot` and `vetro snapshot`: as a user meets them. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { useVetroInFolder } from '../support/vetro-in-folder.ts';

const { folder, file, run, start } = useVetroInFolder();

describe('vetro run --snapshot', () => {
  it('saves the guest when so much guest time has passed, and it goes on', async () => {
    const running = start(['run', '--demo', '--snapshot', file('a.vetro'), '--snapshot-at', '300ms']);
    running.child.stdin?.write('spin\n');
    await running.shows(
      /^vetro: guest was saved in \S*a\.vetro \([\d.]+ KiB \([\d,]+ bytes\)\) at instruction [\d,]+\n$/,
    );
    expect(running.stdout).toContain('Vetro demo');
    expect(await running.signal('SIGTERM')).toBe(143);
    expect(readdirSync(folder)).toEqual(['a.vetro']);
  });

  it('restores it: what it had said was said', async () => {
    const { status, stdout, stderr } = await run('snapshot restore @/a.vetro', '\x03ticks\n');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).not.toContain('Vetro demo');
    expect(stdout).toMatch(/\d+ ticks, \d\.\d\d seconds\r\n/);
  });

  it('shows what is in it, and verifies it', async () => {
    const shown = await run('snapshot inspect @/a.vetro');
    expect(shown).toMatchObject({ status: 0, stderr: '' });
    expect(shown.stdout).toMatch(/^snapshot {2}a\.vetro\nfile {6}[^\n]+ pages stored\nguest {5}guest, clock virtual\n/);
    expect(shown.stdout).toMatch(/\nprocessor i686, after [\d,]+ instructions\ntime {6}0\.\d{6} s\n/);
    expect(shown.stdout).toMatch(/\ndevices {3}pic1 1, pic2 1, pit 1, /);
    expect(await run('snapshot verify @/a.vetro')).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^a\.vetro: \d+ pages and what describes them are as they were written\n$/),
      stderr: '',
    });
  });

  it('writes nothing of a guest that has come to its end', async () => {
    const { status, stderr } = await run('run --demo --snapshot @/b.vetro', 'halt\n');
    expect([status, stderr, existsSync(file('b.vetro'))]).toEqual([
      0,
      'vetro: guest has ended: b.vetro was not written\n',
      false,
    ]);
  });
});

describe('what cannot be', () => {
  const bytes = (): Uint8Array => readFileSync(file('a.vetro'));
  it('is said in a line, with status 2', async () => {
    writeFileSync(file('text'), 'x'.repeat(200));
    writeFileSync(file('short.vetro'), bytes().subarray(0, 5000));
    const changed = bytes().slice();
    changed[100] ^= 1;
    writeFileSync(file('changed.vetro'), changed);
    const cases: [string, RegExp][] = [
      ['run --demo --snapshot-at 5s', /^--snapshot-at says when: say where, too, by --snapshot FILE$/],
      [
        'run --demo --snapshot @/c.vetro --snapshot-at 5x',
        /^--snapshot-at must be exit, or a time as in 10s, 500ms, 2m, not 5x$/,
      ],
      ['run --demo --snapshot @/c.vetro --count 2', /^--snapshot saves one guest: it does not go with --count$/],
      ['run --demo --snapshot @/no/c.vetro --snapshot-at 10ms', /^cannot write no\/c\.vetro: /],
      ['snapshot inspect @/text', /^text: this is no snapshot$/],
      ['snapshot inspect @/none', /^cannot open none: no such file$/],
      ['snapshot inspect @/short.vetro', /^short\.vetro: the snapshot is damaged: its end is missing$/],
      ['snapshot verify @/changed.vetro', /^changed\.vetro: the snapshot is damaged: /],
      ['snapshot restore @/changed.vetro', /^changed\.vetro: the snapshot is damaged: /],
      ['snapshot inspect @/a.vetro --engine jit', /^vetro snapshot inspect takes no --engine$/],
      ['snapshot inspect @/a.vetro --trust', /^vetro snapshot inspect takes no --trust$/],
      ['snapshot restore @/a.vetro --boot disk', /^vetro snapshot restore takes no --boot: the guest has booted$/],
      ['snapshot restore @/a.vetro --disk @/text', /^a\.vetro: restore: disks: the snapshot has 0, not 1$/],
    ];
    for (const [line, reason] of cases) {
      const { status, stdout, stderr } = await run(line, 'spin\n');
      expect([line, status, stdout.replace(/^.*Vetro demo.*$/s, '')]).toEqual([line, 2, '']);
      expect(stderr.replace(/^vetro: /, '').trimEnd()).toMatch(reason);
    }
  });
});
