/** The memory of a disposed guest returns: what the process holds does not depend on how many there were before. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { debianBoot } from '../support/debian.ts';
import type { Round } from '../support/dispose-rounds.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const { reason } = await debianBoot('debian-686');
const MINUTE = 60_000;

describe('disposed guests', () => {
  let folder: string;
  let bundle: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(ROOT, 'node_modules', '.vetro-test-'));
    bundle = join(folder, 'rounds.mjs');
    await build({
      entryPoints: [join(ROOT, 'test/support/dispose-rounds.ts')],
      outfile: bundle,
      bundle: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
      target: 'node20.19',
      logLevel: 'warning',
      define: { 'import.meta.dirname': JSON.stringify(join(ROOT, 'src/cli')) },
    });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** The figures of each round, from a process of its own: 1 is the first. */
  function rounds(what: string, guests: number, count: number, handles: 'keep' | 'drop'): Round[] {
    const args = ['--expose-gc', bundle, what, String(guests), String(count), handles];
    const lines = execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 60 * MINUTE })
      .trim()
      .split('\n');
    const figures = lines.map((line) => JSON.parse(line) as Round);
    console.log(
      `${what}, ${guests} guests, ${handles}: MiB after each round ${figures.map(({ rss }) => rss).join(' ')}`,
    );
    expect(figures).toHaveLength(count);
    return [{ up: 0, rss: 0, external: 0 }, ...figures];
  }

  it(
    '20 demos, 20 times: resident memory after round 20 is within 5 % of that after round 3',
    () => {
      const figures = rounds('demo', 20, 20, 'drop');
      expect(figures[20].rss).toBeLessThan(figures[3].rss * 1.05);
      expect(figures[20].external).toBeLessThan(16);
    },
    60 * MINUTE,
  );

  it(
    'who keeps the handle of a disposed guest does not keep its memory',
    () => {
      const figures = rounds('demo', 5, 6, 'keep');
      // A guest's WebAssembly memory is 64 MiB of address space: 30 of them would be 1920 MiB.
      expect(figures[6].external).toBeLessThan(16);
      expect((figures[6].rss - figures[2].rss) / 20).toBeLessThan(2);
    },
    30 * MINUTE,
  );

  it.skipIf(reason)(
    `Debian, 4 times, handles kept${reason ? ` (${reason})` : ''}`,
    () => {
      const figures = rounds('debian-686', 1, 4, 'keep');
      expect(figures[4].up).toBeGreaterThan(figures[4].rss + 30); // what it used has returned
      expect(figures[4].rss).toBeLessThan(figures[2].rss * 1.05 + 2);
      expect(figures[4].external).toBeLessThan(32);
    },
    60 * MINUTE,
  );
});
