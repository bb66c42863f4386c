/** `npm start -- --guest NAME` on a terminal: what a user sees of GRUB and of memtest86+, and that keys arrive. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestNamed } from '../../src/cli/guests.ts';
import { Typist } from '../support/debian.ts';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';
import { hasScript, RESTORED, Terminal } from '../support/terminal.ts';

const missing = await Promise.all(
  (['grub', 'memtest'] as const).map((name) =>
    guestNamed(name)
      .fetch({})
      .then(
        () => undefined,
        (error: Error) => error.message,
      ),
  ),
);
const reason =
  missing.find((message) => message !== undefined) ?? (hasScript ? undefined : 'the program script is missing');
const QUIT = '\x01x';
const TIMEOUT = 90_000;

describe.skipIf(reason !== undefined)(`guests by their names${reason ? ` (${reason})` : ''}`, () => {
  let vetro: Vetro;
  let folder: string;
  beforeAll(async () => {
    vetro = await buildVetro();
    folder = mkdtempSync(join(tmpdir(), 'vetro-guests-'));
    writeFileSync(join(folder, 'd.img'), new Uint8Array(2 ** 20));
  });
  afterAll(() => {
    vetro.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  async function onTerminal(args: readonly string[], action: (typist: Typist) => Promise<void>) {
    const terminal = new Terminal([...vetro.command, 'run', ...args]);
    try {
      const typist = new Typist(terminal);
      await action(typist);
      typist.type(QUIT);
      await typist.waitFor(RESTORED, TIMEOUT);
      expect(await terminal.ended).toBe(0);
    } finally {
      terminal.kill();
    }
  }

  it('grub: its menu, its command line, and the drives it has', async () => {
    await onTerminal(['--guest', 'grub', '--disk', join(folder, 'd.img'), '--memory', '64'], async (typist) => {
      await typist.waitFor(/GNU GRUB {2}version \d/, TIMEOUT);
      await typist.waitFor('GNU/Hurd', TIMEOUT);
      typist.type('c');
      await typist.waitFor('grub>', TIMEOUT);
      // SeaBIOS looks 18 times a second whether a key has come.
      for (const key of 'ls') {
        typist.type(key);
        await typist.waitFor(key, TIMEOUT);
      }
      typist.type('\r');
      await typist.waitFor('(hd0) (cd)', TIMEOUT);
      await typist.waitFor('grub>', TIMEOUT);
    });
  });

  it('memtest: its screen, and a test that goes on', async () => {
    await onTerminal(['--guest', 'memtest', '--memory', '8'], async (typist) => {
      await typist.waitFor(/Memtest86\+ v\d/, TIMEOUT);
      await typist.waitFor('#0', TIMEOUT);
      // It draws its screen every few seconds: which of its tests are seen depends on how fast they pass.
      await typist.waitFor(/#(?:[2-9]|10)\b/, TIMEOUT);
      expect(typist.transcript).not.toMatch(/Errors: [1-9]/);
    });
  });
});
