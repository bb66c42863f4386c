/** Debian's kernel, saved while it boots and works, goes on on each engine. A hundred times: `npm run check:long -- save-restore`. */
import { describe, expect, it } from 'vitest';
import { debianBoot } from '../support/debian.ts';
import { continueSavedLinux } from '../support/saved-linux.ts';

const MORE = { auto: 50_000_000, jit: 10_000_000, interpreter: 10_000_000, reference: 100_000 };

const { boot, reason } = await debianBoot('debian-686');

describe.skipIf(!boot)(`a Debian that is saved${reason ? ` (${reason})` : ''}`, () => {
  it('goes on elsewhere as here, on each engine, to the same state and with the same output', () => {
    const { kernel, initrd } = boot as { kernel: Uint8Array; initrd: Uint8Array };
    const { snapshots, differences } = continueSavedLinux({ kernel, initrd, rounds: 1, seed: 9, more: MORE });
    expect(differences).toEqual([]);
    expect(snapshots).toBe(7);
  });
});
