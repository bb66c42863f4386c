/**
 * SeaBIOS, ISOLINUX, Debian's kernel, a shell, and off: from a CD, and from the same image written to a disk. Needs
 * Debian's packages xorriso, isolinux and syslinux-common.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fetchSystem } from '../../src/cli/fetch/debian.ts';
import type { PcOptions } from '../../src/machine/pc.ts';
import { COMMAND_LINE, READY_MARKER } from '../support/debian.ts';
import { isolinuxImage, NO_ISOLINUX } from '../support/isolinux-image.ts';
import { BytesMedium } from '../support/media.ts';
import { createSeaBiosMachine, seaBios } from '../support/seabios-machine.ts';

const MIB = 2 ** 20;
/** About three times what it takes. */
const LIMIT = 10e9;

const { files, reason } = await seaBios();
const image = files && NO_ISOLINUX === undefined ? await isoImage() : undefined;
const excuse = reason ?? NO_ISOLINUX;

async function isoImage(): Promise<Uint8Array> {
  const { kernel, initrd } = await fetchSystem('debian-686');
  return isolinuxImage({ kernel: readFileSync(kernel), initrd: readFileSync(initrd), commandLine: COMMAND_LINE });
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
