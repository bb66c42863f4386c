/**
 * SeaBIOS, ISOLINUX, Debian's kernel, a shell, and off: from a CD, and from the same image written to a disk. Needs
 * Debian's packages xorriso, isolinux and syslinux-common.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fetchSystem } from '../../src/cli/fetch/debian.ts';
import type { PcOptions } from '../../src/machine/pc.ts';
import { COMMAND_LINE, READY_MARKER } from '../support/debian.ts';
import { BytesMedium } from '../support/media.ts';
import { createSeaBiosMachine, seaBios } from '../support/seabios-machine.ts';

const ISOLINUX = '/usr/lib/ISOLINUX';
const MODULES = '/usr/lib/syslinux/modules/bios';
const MIB = 2 ** 20;
/** About three times what it takes. */
const LIMIT = 10e9;

const { files, reason } = await seaBios();
const folder = mkdtempSync(join(tmpdir(), 'vetro-seabios-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const missing = [
  `${ISOLINUX}/isolinux.bin`,
  `${ISOLINUX}/isohdpfx.bin`,
  `${MODULES}/ldlinux.c32`,
  '/usr/bin/xorriso',
].find((path) => !existsSync(path));
const image = files && missing === undefined ? await isoImage() : undefined;
const excuse = reason ?? (missing && `no ${missing}`);

/** A CD that is a disk, too: with a boot sector and a partition. */
async function isoImage(): Promise<Uint8Array> {
  const { kernel, initrd } = await fetchSystem('debian-686');
  const root = join(folder, 'root');
  mkdirSync(join(root, 'isolinux'), { recursive: true });
  cpSync(kernel, join(root, 'vmlinuz'));
  cpSync(initrd, join(root, 'initrd'));
  cpSync(`${ISOLINUX}/isolinux.bin`, join(root, 'isolinux/isolinux.bin'));
  cpSync(`${MODULES}/ldlinux.c32`, join(root, 'isolinux/ldlinux.c32'));
  writeFileSync(
    join(root, 'isolinux/isolinux.cfg'),
    `DEFAULT linux\nPROMPT 0\nLABEL linux\nKERNEL /vmlinuz\nAPPEND initrd=/initrd ${COMMAND_LINE}\n`,
  );
  const path = join(folder, 'image.iso');
  execFileSync(
    'xorriso',
    [
      ...['-as', 'mkisofs', '-quiet', '-o', path, '-isohybrid-mbr', `${ISOLINUX}/isohdpfx.bin`],
      ...['-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat', '-no-emul-boot', '-boot-load-size', '4'],
      ...['-boot-info-table', root],
    ],
    { stdio: 'ignore' },
  );
  return readFileSync(path);
}

/** Boots to the shell, types a command and powers off. @returns what was on the serial port */
function runToPowerOff(drives: Pick<PcOptions, 'disks' | 'cdrom'>): { transcript: string; screen: string } {
  const { pc, serial, screen } = createSeaBiosMachine(files!, { ...drives, memoryBytes: 256 * MIB });
  let typed = false;
  while (pc.instructions < LIMIT) {
    const exit = pc.run({ instructions: 20_000_000, time: pc.time + 60e9 });
    if (exit.reason === 'power-off') return { transcript: serial(), screen: screen() };
    if (exit.reason !== 'budget' && exit.reason !== 'output')
      throw new Error(`${exit.reason}: ${serial().slice(-500)}`);
    if (!typed && serial().includes(READY_MARKER)) {
      typed = true;
      pc.serial.send(new TextEncoder().encode('uname -m; poweroff -f\n'));
    }
  }
  throw new Error(`no end: ${serial().slice(-500)}`);
}

describe.skipIf(!image)(`Debian by way of SeaBIOS and ISOLINUX${excuse ? ` (${excuse})` : ''}`, () => {
  it.each([
    ['a CD', (bytes: Uint8Array) => ({ cdrom: new BytesMedium(bytes, { readOnly: true }) }), 'DVD/CD'],
    ['a disk', (bytes: Uint8Array) => ({ disks: [new BytesMedium(bytes)] }), 'Hard Disk'],
  ])('from %s to a shell; poweroff powers off', (_, drives, kind) => {
    const { transcript, screen } = runToPowerOff(drives(image!));
    expect(screen).toContain(`Booting from ${kind}...`);
    expect(screen).toContain('ISOLINUX 6');
    expect(transcript).toContain('DMI: Vetro PC');
    expect(transcript).toMatch(/ACPI: FACP 0x\w+ 0000F4 \(v03 VETRO /);
    expect(transcript).toContain('ACPI: Using PIC for interrupt routing');
    expect(transcript).toContain('PCI: Using ACPI for IRQ routing');
    expect(transcript).toMatch(/\ni686\r/);
    expect(transcript).not.toMatch(/FW_BUG|\[Firmware Bug\]|ACPI Error|ACPI BIOS Error|Kernel panic/);
  });
});
