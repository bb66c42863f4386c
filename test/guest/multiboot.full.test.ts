/** GNU Mach from Debian's package, a Multiboot kernel: what it says, on the screen and on the serial port. */
import { gunzipSync } from 'fflate';
import { afterAll, describe, expect, it } from 'vitest';
import { loadPackageFiles } from '../../src/cli/fetch/package-files.ts';
import { type GuestOptions, Host } from '../../src/index.ts';

const PACKAGE = 'gnumach-image-1.8-486';
const FILE = 'gnumach-1.8-486.gz';
const BANNER = /GNU Mach 1\.8\S*-486/;
/** More than it needs to count its memory and to look for PCI. */
const SOME = 100_000_000;

async function fetchMach(): Promise<{ kernel?: Uint8Array; reason?: string }> {
  try {
    const recipe = { name: 'gnumach', packageName: PACKAGE, paths: [`boot/${FILE}`], size: 2 ** 21 };
    const files = await loadPackageFiles(recipe, {});
    return { kernel: gunzipSync(files.get(FILE)!) };
  } catch (error) {
    return { reason: (error as Error).message };
  }
}

const { kernel, reason } = await fetchMach();

describe.skipIf(!kernel)(`GNU Mach${reason ? ` (${reason})` : ''}`, async () => {
  const host = await Host.create();
  afterAll(() => host.dispose());
  const boot = (more: object = {}, options: Partial<GuestOptions> = {}) =>
    host.createGuest({ boot: { kernel: kernel!, ...more }, onReset: 'stop', onTripleFault: 'stop', ...options });

  // Its text lies at 16 MiB.
  it.each([24, 64, 512])('with %i MiB: its banner is on the screen, and it finds memory and PCI', async (memory) => {
    await using guest = await boot({}, { memory });
    expect(await guest.runTo(SOME)).toBe('reached');
    const screen = guest.machine.screen().join('\n');
    expect(screen).toMatch(BANNER);
    const end = (memory * 2 ** 20).toString(16).padStart(18, '0');
    expect(screen).toContain(`biosmem: 000000000000100000:${end}, available`);
    expect(screen).toContain('ide: Intel 82371 PIIX3');
  });

  it('on the serial port, with a module: up to the servers that it would start', async () => {
    const modules = [{ image: Uint8Array.of(1), commandLine: 'ext2fs --readonly' }];
    await using guest = await boot({ commandLine: 'console=com0', modules }, { memory: 64 });
    const running = guest.run().catch(() => {});
    const { before: text } = await guest.serial.waitFor('1 multiboot modules', { timeout: 300_000 });
    expect(text).toMatch(BANNER);
    expect(text).toContain('module 0: ext2fs --readonly');
    guest.stop();
    await running;
  });

  it('needs the memory that it lies in', async () => {
    await expect(boot({}, { memory: 16 })).rejects.toThrow(
      /^the kernel needs at least 18 MiB of memory, the guest has 16$/,
    );
  });

  it('a reset starts it again', async () => {
    await using guest = await boot({ commandLine: 'console=com0' }, { memory: 64 });
    for (const end of [SOME, 2 * SOME]) {
      await guest.runTo(end);
      await guest.serial.waitFor(BANNER, { timeout: 0 });
      guest.reset();
    }
  });
});
