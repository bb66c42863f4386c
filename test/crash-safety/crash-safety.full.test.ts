/**
 * A guest's acknowledged records outlive the death of its emulator: `npm run check:long -- crash` kills it 200 times, this
 * does it a few times, on each kind of image. And what finds lost records does find them.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { debianBoot } from '../support/debian.ts';
import { CrashDisk, DISK_TOOLS_MISSING } from './crash-disk.ts';
import { lostRecords, recordText, SLOT_BYTES } from './crash-records.ts';
import { killAtRandom } from './crash-rounds.ts';

const KILLS = 9;
const reason = DISK_TOOLS_MISSING ?? (await debianBoot('debian-686')).reason;
const folder = mkdtempSync(join(tmpdir(), 'vetro-crash-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('what looks for lost records', () => {
  /** Records 1 to 9: in slots 3, 6, 9; in the log 1, 4, 7; in files 2, 5, 8. */
  function nineRecords(name: string): string {
    const at = join(folder, name);
    mkdirSync(join(at, 'records'), { recursive: true });
    for (const number of [1, 4, 7]) appendFileSync(join(at, 'log'), recordText(number));
    for (const number of [2, 5, 8]) writeFileSync(join(at, 'records', `${number}`), recordText(number));
    const slot = (number: number) =>
      `${recordText(number)
        .trimEnd()
        .padEnd(SLOT_BYTES - 1)}\n`;
    writeFileSync(join(at, 'slots'), '\0'.repeat(SLOT_BYTES) + [3, 6, 9].map(slot).join(''));
    return at;
  }

  it('finds all that are there', () => {
    expect(lostRecords(nineRecords('all'), 9)).toEqual({ checked: 9, lost: [] });
  });

  it('misses those that are cut off, of another number, or gone', () => {
    const at = nineRecords('some');
    writeFileSync(join(at, 'log'), recordText(1) + recordText(4) + recordText(7).slice(0, -1));
    writeFileSync(join(at, 'records', '5'), recordText(2));
    rmSync(join(at, 'records', '8'));
    writeFileSync(join(at, 'slots'), '\0'.repeat(4 * SLOT_BYTES));
    expect(lostRecords(at, 9).lost).toEqual([3, 5, 6, 7, 8, 9]);
  });
});

describe.skipIf(DISK_TOOLS_MISSING)(
  `a disk after a crash${DISK_TOOLS_MISSING ? ` (${DISK_TOOLS_MISSING})` : ''}`,
  () => {
    it('is judged by what its file system holds', () => {
      const disk = new CrashDisk('qcow2', { folder: join(folder, 'judged'), clusterBytes: 4096 });
      expect(disk.judge()).toEqual({ problems: [], checked: 0, lost: [], needsRecovery: false });
      disk.acknowledged = 1;
      expect(disk.judge()).toMatchObject({ problems: [], checked: 1, lost: [1] });
    });

    it('has a problem where its image or its file system is damaged', () => {
      const disk = new CrashDisk('qcow2', { folder: join(folder, 'damaged'), clusterBytes: 65_536 });
      const write = (...command: string[]) =>
        execFileSync('qemu-io', ['-f', 'qcow2', ...command.flatMap((each) => ['-c', each]), disk.image]);
      // The group descriptors' checksums, and blocks that are in use.
      write('write -P 0xff 4k 4k');
      expect(disk.judge().problems.join()).toMatch(/e2fsck/);
    });
  },
);

describe.skipIf(reason)(`records of a guest${reason ? ` (${reason})` : ''}`, () => {
  it(`are whole after each of ${KILLS} kills; journals replay, qcow2 checks clean`, {
    timeout: 3_000_000,
    // A record that is lost once is lost.
    retry: 0,
  }, async () => {
    const lines: string[] = [];
    const totals = await killAtRandom({ kills: KILLS, seed: 1, say: (line) => lines.push(line) });
    expect({ kills: totals.kills, lost: totals.lost, problems: totals.problems }, lines.join('\n')).toEqual({
      ...{ kills: KILLS, lost: 0, problems: [] },
    });
    expect(totals.checked).toBeGreaterThan(KILLS);
    expect(totals.replays).toBeGreaterThan(KILLS / 3);
    expect(totals.guestReplays).toBeGreaterThan(0);
    expect(totals.guestChecks).toBeGreaterThan(KILLS / 3);
    expect(totals.qcow2Checks).toBeGreaterThan(KILLS / 3);
  });
});
