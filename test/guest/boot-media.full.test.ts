/**
 * What people boot, on our BIOS and on SeaBIOS: boot loaders and tools from Debian's packages, and Debian's kernel by way
 * of GRUB, ISOLINUX and SYSLINUX. The images with a kernel need packages on this machine: see `boot-images`.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { fetchSystem } from '../../src/cli/fetch/debian.ts';
import type { DriveKind } from '../../src/firmware/board.ts';
import { createBootBench, firmwares } from '../support/boot-bench.ts';
import { type BootLoader, bootImageOf, missingFor } from '../support/boot-images.ts';
import { debianFiles } from '../support/debian-files.ts';

const GRUB = 'usr/lib/grub-rescue/grub-rescue-';
const files = debianFiles('grub-rescue-pc', 'memtest86+', 'ipxe');
afterAll(() => files.dispose());

const images = new Map<BootLoader, Uint8Array>();
async function imageOf(loader: BootLoader): Promise<Uint8Array> {
  const image = images.get(loader) ?? bootImageOf(loader, await fetchSystem('debian-686'));
  images.set(loader, image);
  return image;
}

// Limits, in millions of instructions, are about three times what it takes.
describe.each(await firmwares())('$name', (firmware) => {
  const reason = firmware.reason ?? files.reason;

  describe.skipIf(reason)(`media of Debian packages (${reason ?? 'fetched'})`, () => {
    it.each<[string, DriveKind, string, string]>([
      ['floppy', 'floppy', `${GRUB}floppy.img`, '(hd0) (fd0) (fd0,msdos1)'],
      ['CD', 'cd', `${GRUB}cdrom.iso`, '(hd0) (cd) (cd,msdos1)'],
      ['CD, written to a disk', 'disk', `${GRUB}cdrom.iso`, '(hd0) (hd0,msdos1)'],
    ])('GRUB’s rescue %s reaches its prompt, and ls shows the drives', (_, from, path, drives) => {
      const bench = createBootBench({ firmware, from, image: files.read(path) });
      bench.shows('GNU GRUB  version 2.', 4000);
      bench.type('KeyC');
      bench.shows('grub> ', 200);
      bench.type('KeyL', 'KeyS', 'Enter');
      bench.shows(/grub> ls\s+\(hd0\).*grub> /s, 1000);
      const [answer] = bench.lines().slice(bench.lines().indexOf('grub> ls') + 1);
      expect(answer).toBe(drives);
    });

    it('memtest86+ runs, and its pass goes on', () => {
      const image = files.read('usr/lib/memtest86+/memtest86+ia32.iso');
      const bench = createBootBench({ firmware, from: 'cd', image, memory: 16 });
      bench.shows('Test #', 1000);
      bench.shows(/Pass\s+0%/, 2500);
      bench.shows(/Pass\s+1\d%/, 7000);
      expect(bench.screen()).toMatch(/Errors:\s+0/);
    });

    it('iPXE shows its banner', () => {
      const bench = createBootBench({ firmware, from: 'cd', image: files.read('usr/lib/ipxe/ipxe.iso') });
      bench.shows('Open Source Network Boot Firmware', 2000);
    });
  });

  describe.each<[BootLoader, DriveKind, readonly string[]]>([
    ['grub-mkrescue', 'cd', ['Booting `debian']],
    ['grub-mkrescue', 'disk', ['Booting `debian']],
    ['ISOLINUX', 'cd', [firmware.booting.cd, 'ISOLINUX 6.', 'Loading /vmlinuz... ok', 'Loading /initrd...ok']],
    ['ISOLINUX', 'disk', [firmware.booting.disk, 'ISOLINUX 6.', 'Loading /vmlinuz... ok', 'Loading /initrd...ok']],
    ['SYSLINUX', 'disk', [firmware.booting.disk, 'SYSLINUX 6.', 'Loading /vmlinuz... ok', 'Loading /initrd...ok']],
  ])('%s on a %s', (loader, from, shown) => {
    const reason = firmware.reason ?? missingFor(loader);

    it.skipIf(reason)(
      `boots Debian’s kernel to a shell; poweroff powers off${reason ? ` (${reason})` : ''}`,
      async () => {
        const bench = createBootBench({ firmware, from, image: await imageOf(loader), memory: 256 });
        const transcript = bench.debianToPowerOff('uname -m', 9000);
        const screen = bench.screen();
        for (const text of shown) expect(screen).toContain(text);
        expect(transcript).toContain('DMI: Vetro PC');
        expect(transcript).toMatch(/ACPI: FACP 0x\w+ 0000F4 \(v03 VETRO /);
        expect(transcript).toContain('ACPI: Using PIC for interrupt routing');
        expect(transcript).toContain('PCI: Using ACPI for IRQ routing');
        expect(transcript).toMatch(/\ni686\r/);
        expect(transcript).not.toMatch(/FW_BUG|\[Firmware Bug\]|ACPI Error|ACPI BIOS Error|Kernel panic/);
      },
    );
  });
});
