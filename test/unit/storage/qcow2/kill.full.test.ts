/** A process that writes records and is killed at any moment: each that it said was flushed is whole, and the image sound. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it } from 'vitest';
import { FileStore } from '../../../../src/host/node/file-store.ts';
import { imageFiles } from '../../../../src/host/node/image-files.ts';
import { openImage } from '../../../../src/storage/open-image.ts';
import { checkQcow2 } from '../../../../src/storage/qcow2/check-qcow2.ts';
import { createQcow2 } from '../../../../src/storage/qcow2/create-qcow2.ts';
import { RECORD_BYTES, recordBytes, recordOffset } from '../../../support/numbered-records.ts';
import { QEMU_IMG_MISSING, qemuCheck } from '../../../support/qemu-img.ts';
import { createRandom } from '../../../support/random-transfers.ts';

const KILLS = 25;
const folder = mkdtempSync(join(tmpdir(), 'vetro-kill-'));
const path = join(folder, 'disk.qcow2');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** @returns the number of the last record that was said to be flushed */
async function writeUntilKilled(first: number, milliseconds: number): Promise<number> {
  const words = ['.ci/ts.js', 'test/support/record-writer.ts', path, String(first)];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let last = first - 1;
  for await (const line of createInterface({ input: child.stdout })) {
    const pid = /^pid (\d+)$/.exec(line)?.[1];
    if (pid === undefined) last = Number(line);
    else setTimeout(() => process.kill(Number(pid), 'SIGKILL'), milliseconds);
  }
  return last;
}

describe('SIGKILL', () => {
  it(`${KILLS} times: no record that was flushed is lost, the lock is taken over, the image has leaks at worst`, async () => {
    const store = FileStore.open(path, { writable: true, create: 'new' });
    await createQcow2(store, { size: 512 * 2 ** 20, clusterBits: 12 });
    store.close();
    const random = createRandom(6);
    let next = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const last = await writeUntilKilled(next, 20 + random.below(400));
      const image = await openImage(imageFiles(), path);
      for (let number = 0; number <= last; number++) {
        const found = await image.read(recordOffset(number, image.size), RECORD_BYTES);
        if (Buffer.compare(found, recordBytes(number)) !== 0) expect.fail(`record ${number} of ${last} is lost`);
      }
      await image.close();
      const file = FileStore.open(path);
      expect(await checkQcow2(file)).toMatchObject({ corruptions: 0 });
      file.close();
      if (!QEMU_IMG_MISSING) expect([0, 3]).toContain(qemuCheck(path).status);
      next = last + 1;
    }
    console.log(`${next} records checked, 0 lost`);
    expect(next).toBeGreaterThan(50);
  });
});
