/** Kernels of Debian's packages that cannot run here: they end, with a word why, and do not flood the terminal. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';

const folder = mkdtempSync(join(tmpdir(), 'vetro-kernels-'));

/** Downloads packages and unpacks them. @returns why not, if not */
function fetchPackages(...names: string[]): string | undefined {
  try {
    execFileSync('apt-get', ['download', '-q', ...names], { cwd: folder, stdio: 'pipe', timeout: 120_000 });
    for (const deb of readdirSync(folder).filter((name) => name.endsWith('.deb')))
      execFileSync('dpkg-deb', ['-x', deb, '.'], { cwd: folder });
    return undefined;
  } catch (error) {
    return `no packages from apt: ${(error as Error).message.split('\n')[0]}`;
  }
}

const reason = fetchPackages('memtest86+', 'ipxe');
let vetro: Vetro;
beforeAll(async () => {
  vetro = await buildVetro();
});
afterAll(() => {
  vetro.dispose();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(reason)(`U14: unsuitable kernels${reason ? ` (${reason})` : ''}`, () => {
  it.each([
    ['memtest86+x64.bin', /64-bit/],
    ['ipxe.lkrn', /BIOS/],
  ])('%s', async (name, why) => {
    const path = join(folder, 'boot', name);
    expect(existsSync(path)).toBe(true);
    const { status, stdout, stderr } = await vetro.run(['run', '--kernel', path]);
    expect(stderr.split('\n')).toEqual([expect.stringMatching(why), '']);
    expect([2, 3]).toContain(status);
    expect(stdout).toBe('');
  });
});
