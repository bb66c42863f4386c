/** Mutations once more: with memory measured exactly; and what we read of them, against what qemu-img reads. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attempt, fuzzSamples, mutate } from '../../support/image-fuzz.ts';
import { QEMU_IMG_MISSING } from '../../support/qemu-img.ts';
import { createRandom } from '../../support/random-transfers.ts';

const samples = fuzzSamples();

describe('mutations', () => {
  it.each(samples)('$title: within 64 MiB', (sample) => {
    const random = createRandom(7);
    for (let round = 0; round < 300; round++) {
      attempt(mutate(sample, random), sample.format, random, { exactMemory: true });
    }
  });
});

describe.skipIf(QEMU_IMG_MISSING)(`next to qemu-img${QEMU_IMG_MISSING ? ` (${QEMU_IMG_MISSING})` : ''}`, () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'vetro-fuzz-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  // Nothing else is known to differ: VHD's sector bitmaps and VMDK's grain markers are looked at by neither.
  // Of VDI, QEMU reads blocks of 1 MiB only.
  it.each(samples.filter(({ format }) => format !== 'vdi'))('$title: what both read is the same', (sample) => {
    const random = createRandom(31);
    const seen = { same: 0, onlyOurs: 0 };
    const [made, raw] = [join(folder, 'made'), join(folder, 'raw')];
    for (let round = 0; round < 150; round++) {
      const bytes = mutate(sample, random);
      const { content } = attempt(bytes, sample.format, random);
      if (!content) continue;
      writeFileSync(made, bytes);
      const format = sample.format === 'vhd' ? 'vpc' : sample.format;
      const { status } = spawnSync('qemu-img', ['convert', '-f', format, '-O', 'raw', made, raw], { timeout: 60_000 });
      if (status !== 0) {
        seen.onlyOurs++;
        continue;
      }
      const theirs = readFileSync(raw);
      const length = Math.min(theirs.length, content.length);
      if (Buffer.compare(theirs.subarray(0, length), content.subarray(0, length)) !== 0) {
        const at = content.findIndex((byte, index) => byte !== theirs[index]);
        expect.fail(`mutation ${round}: byte ${at} is ${content[at]} to us, ${theirs[at]} to qemu-img`);
      }
      seen.same++;
    }
    expect(seen.same).toBeGreaterThan(15);
    expect(seen.onlyOurs).toBeLessThan(seen.same);
  });
});
