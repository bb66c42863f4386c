/** Debian's kernel, of which pages are sent away all the time, or are still in the snapshot that it was restored from. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Guest, Host } from '../../src/index.ts';
import { linuxBoot } from '../../src/machine/linux-boot.ts';
import { Pc } from '../../src/machine/pc.ts';
import { COMMAND_LINE, debianBoot } from '../support/debian.ts';
import { MapSwap } from '../support/map-swap.ts';
import { randomCounts, runUpTo } from '../support/save-restore.ts';
import { sharedCode } from '../support/shared-code.ts';

const MIB = 2 ** 20;
const MEMORY = 128 * MIB;
const { boot, reason } = await debianBoot('debian-686');

function createPc(): Pc {
  const { kernel, initrd } = boot as { kernel: Uint8Array; initrd: Uint8Array };
  const options = { kernel, initrd, commandLine: COMMAND_LINE, memoryBytes: MEMORY, cpu: 'i686' };
  const code = sharedCode();
  return new Pc({
    ...{ name: 'linux', memoryBytes: MEMORY, cpu: 'i686', engine: 'auto', powerOnTime: 0, code },
    boot: linuxBoot({ ...options, images: code.images }),
  });
}

describe.skipIf(!boot)(`Debian whose pages are elsewhere${reason ? ` (${reason})` : ''}`, () => {
  it('boots as it does with all in memory, swapped out and in at random counts', () => {
    const [plain, swapped] = [createPc(), createPc()];
    const swap = new MapSwap();
    const random = randomCounts(3);
    for (const end of [150_000_000, 400_000_000]) {
      runUpTo(plain, end);
      while (swapped.instructions < end) {
        swapped.swapOut((1 + random(2_000)) * 4096, swap);
        runUpTo(swapped, Math.min(swapped.instructions + 1 + random(8_000_000), end));
      }
      expect(swapped.stateHash()).toBe(plain.stateHash());
    }
    expect(Math.min(swapped.swaps.in, swapped.swaps.out)).toBeGreaterThan(500);
    for (const pc of [plain, swapped]) pc.dispose();
    expect(swap.size).toBe(0);
  });

  it('goes on from a file as from bytes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vetro-lazy-'));
    await using host = await Host.create();
    try {
      const { kernel, initrd } = boot as { kernel: Uint8Array; initrd: Uint8Array };
      const guest = await host.createGuest({ boot: { kernel, initrd, commandLine: COMMAND_LINE }, memory: 128 });
      await guest.runTo(350_000_000);
      const path = join(folder, 'debian.vetro');
      await guest.snapshot({ to: path });
      guest.dispose();
      const hashOf = async (restored: Guest): Promise<string> => {
        await restored.runTo(370_000_000);
        return restored.machine.stateHash();
      };
      const eager = await hashOf(await host.restore(new Uint8Array(readFileSync(path)), { name: 'eager' }));
      expect(await hashOf(await host.restore(path, { name: 'lazy' }))).toBe(eager);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
