/** Snapshots of all versions that were released restore in this one, and their guests go on. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Host } from '../../src/index.ts';
import { goldenMedia, MORE, seenOf, turnsOf } from '../support/golden-snapshots.ts';

const FOLDER = join(import.meta.dirname, 'snapshots');
const names = readdirSync(FOLDER).filter((name) => name.endsWith('.vetro'));
let host: Host;

beforeAll(async () => {
  host = await Host.create();
});
afterAll(() => host.dispose());

describe('a golden snapshot', () => {
  it('is there for each version of the format', () => {
    expect(names.map((name) => name.slice(0, 2))).toContain('1-');
  });

  it.each(names)('%s restores as what it was, and its guest goes on', async (name) => {
    const path = join(FOLDER, name);
    const expected = JSON.parse(readFileSync(path.replace('.vetro', '.json'), 'utf8'));
    for (const engine of ['interpreter', 'auto'] as const) {
      const guest = await host.restore(path, { ...goldenMedia(), engine });
      expect(seenOf(guest)).toEqual(expected);
      const before = turnsOf(guest);
      expect(await guest.runTo(expected.instructions + MORE)).toBe('reached');
      expect((turnsOf(guest) - before + 256) % 256).toBeGreaterThan(3);
      guest.dispose();
    }
  });
});
