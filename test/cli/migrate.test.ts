/** `vetro migrate --listen`, and the monitor's `migrate`: as a user meets them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Typist } from '../support/debian.ts';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';
import { hasScript, RESTORED, Terminal } from '../support/terminal.ts';

const CTRL_A = '\x01';
const PROMPT = '(vetro) ';
const TIMEOUT = 60_000;
const folder = mkdtempSync(join(tmpdir(), 'vetro-migrate-'));
const file = (name: string): string => join(folder, name);
let vetro: Vetro;

beforeAll(async () => {
  vetro = await buildVetro();
});
afterAll(() => {
  vetro.dispose();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(!hasScript)(`moving a guest${hasScript ? '' : ' (the program script is missing)'}`, () => {
  it('takes it from a terminal to a pipe; both commands end with 0', async () => {
    const terminal = new Terminal([...vetro.command, 'run', '--demo']);
    const typist = new Typist(terminal);
    try {
      await typist.waitFor('Vetro demo', TIMEOUT);
      typist.type(`${CTRL_A}c`);
      await typist.waitFor(PROMPT, TIMEOUT);
      typist.type(`migrate unix:${file('nobody')}\r`);
      expect(await typist.waitFor(PROMPT, TIMEOUT)).toContain('nobody: no such file');
      const receiver = vetro.start(['migrate', '--listen', `unix:${file('socket')}`]);
      await receiver.shows(/waiting for a guest at unix:/);
      typist.type(`migrate unix:${file('socket')}\r`);
      await receiver.shows(/vetro: guest has come\n/);
      expect(await typist.waitFor(RESTORED, TIMEOUT)).toContain('guest runs at another host now');
      expect(await terminal.ended).toBe(0);
      receiver.child.stdin!.write('\x03ticks\n');
      await receiver.shows(/\d+ ticks, \d\.\d\d seconds\r\n/);
      receiver.child.stdin!.end('halt\n');
      expect(await receiver.ended).toBe(0);
      expect(receiver.stdout).not.toContain('Vetro demo');
    } finally {
      terminal.kill();
    }
  });
});

describe('what cannot be', () => {
  it.each([
    ['no address', 'migrate', /^say where the guest comes from: --listen tcp:\[HOST:\]PORT or unix:PATH/],
    ['an address that is none', 'migrate --listen 4444', /^--listen 4444: must be tcp:\[HOST:\]PORT or unix:PATH$/],
    ['a port that is none', 'migrate --listen tcp:70000', /^--listen tcp:70000: must be/],
    [
      'a socket where a file is',
      'migrate --listen unix:@/file',
      /^cannot listen at unix:\S+file: the address is in use$/,
    ],
    ['drives to boot from', 'migrate --listen tcp:0 --boot cdrom', /^vetro migrate takes no --boot/],
  ])('%s', async (_, line, message) => {
    writeFileSync(file('file'), 'x');
    const words = line.split(' ').map((word) => word.replace('@', folder));
    const { status, stdout, stderr } = await vetro.run(words, {});
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr.replace(/^vetro: /, '').trimEnd()).toMatch(message);
  });

  it('a stream that is none is refused, and a signal ends the wait', async () => {
    const receiver = vetro.start(['migrate', '--listen', `unix:${file('other')}`]);
    await receiver.shows(/waiting/);
    const { connect } = await import('node:net');
    connect(file('other')).end('GET / HTTP/1.1\r\nHost: me\r\n\r\n');
    expect(await receiver.ended).toBe(2);
    expect(receiver.stderr).toMatch(
      /\nvetro: this is no migration, or damaged: the other side does not speak this protocol\n$/,
    );
    const waiting = vetro.start(['migrate', '--listen', 'tcp:0']);
    await waiting.shows(/waiting for a guest at tcp:127\.0\.0\.1:\d+\n/);
    expect(await waiting.signal('SIGTERM')).toBe(143);
  });
});
