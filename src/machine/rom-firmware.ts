/**
 * A BIOS that comes as an image of its ROM and is made for QEMU's PC, as SeaBIOS is: where its ROM answers, and what it is
 * told of the machine by way of fw_cfg. Which files it reads: SeaBIOS, docs/Runtime_config.md and `fw/paravirt.c`.
 */
import { UserError } from '../base/errors.ts';
import type { VirtualClock } from '../base/virtual-clock.ts';
import type { PortBus } from '../bus/port-bus.ts';
import type { Fdc82077 } from '../devices/floppy/fdc82077.ts';
import { FW_CFG_ITEM, FwCfg, type FwCfgFile } from '../devices/fw-cfg.ts';
import { AtaDisk } from '../devices/ide/ata-disk.ts';
import type { Rtc146818 } from '../devices/rtc146818.ts';
import type { DriveKind } from '../firmware/board.ts';
import { acpiFiles } from '../firmware/tables/acpi/table-loader.ts';
import { smbios } from '../firmware/tables/smbios.ts';
import type { GuestMemory } from '../memory/guest-memory.ts';
import { describeMemory } from './after-firmware.ts';
import type { RomBoot } from './boot.ts';
import { describeFloppies } from './floppy-setup.ts';
import { guestDma } from './guest-dma.ts';
import type { IdeDrives } from './ide-drives.ts';
import { MEMORY, PCI, PORTS, USUAL_BOOT_ORDER } from './pc-map.ts';

const KIB = 1024;
const ROM_STEP = 64 * KIB;
export const LARGEST_ROM = 256 * KIB;
/** A ROM that was never programmed, or was erased. */
const BLANK = [0x00, 0xff];
/** The processor starts so many bytes before the end. */
const RESET_VECTOR_ROOM = 16;
/** What marks the ROM of an adapter, and how it says its size. PCI Local Bus Specification 2.1, 6.3.1.1. */
const EXPANSION_ROM = { SIGNATURE: [0x55, 0xaa], SIZE_BYTE: 2, UNIT: 512, LARGEST: 64 * KIB } as const;
const E820 = { ENTRY: 20, RAM: 1 } as const;
/** CMOS, as QEMU's firmware knows it: how INT 13h translates cylinders. It can name so many. */
const DISK_TRANSLATIONS = 0x39;
const TRANSLATED_BY_LBA = 1;
const MOST_CYLINDERS = 1024;
/** "etc/boot-fail-wait": without a bootable device it waits for ever. */
const NEVER = 0xffff_ffff;

export interface RomFirmwareOptions {
  readonly clock: VirtualClock;
  readonly memory: GuestMemory;
  readonly ports: PortBus;
  readonly rtc: Rtc146818;
  readonly drives: IdeDrives;
  readonly floppy: Fdc82077;
}

/** @throws UserError for what cannot be the image of a BIOS */
export function checkRomImage(image: Uint8Array, what = 'boot.bios'): void {
  const { length } = image;
  if (length === 0 || length > LARGEST_ROM || length % ROM_STEP !== 0)
    throw new UserError(`${what} has ${length} bytes: the image of a BIOS has 64, 128, 192 or 256 KiB`);
  const start = image.subarray(-RESET_VECTOR_ROOM);
  if (BLANK.some((blank) => start.every((byte) => byte === blank)))
    throw new UserError(
      `${what} is no BIOS: there is no code in its last ${RESET_VECTOR_ROOM} bytes, where a PC starts`,
    );
}

/** @throws UserError for what is no expansion ROM */
export function checkVideoBios(rom: Uint8Array, what = 'boot.videoBios'): void {
  const { SIGNATURE, SIZE_BYTE, UNIT, LARGEST } = EXPANSION_ROM;
  const isRom = SIGNATURE.every((byte, index) => rom[index] === byte);
  const size = rom[SIZE_BYTE] * UNIT;
  if (!isRom || rom.length > LARGEST || size > rom.length)
    throw new UserError(
      `${what} is not the ROM of an adapter: that begins with 55 AA, its size in half KiB, at most 64 KiB`,
    );
}

/** Puts the ROM in its places and the device at its ports, and describes the machine in the CMOS RAM. @throws UserError as `checkRomImage` does */
export function installRom(rom: RomBoot['rom'], options: RomFirmwareOptions): FwCfg {
  const { image } = rom;
  const { clock, memory, ports, rtc, drives, floppy } = options;
  checkRomImage(image);
  if (rom.videoBios) checkVideoBios(rom.videoBios);
  memory.addRom(2 ** 32 - image.length, image);
  const low = image.subarray(-MEMORY.LARGE_BIOS[1]);
  memory.addRom(MEMORY.BIOS[0] + MEMORY.BIOS[1] - low.length, low);
  const device = new FwCfg({ clock, memory: guestDma(memory), items: items(), files: files(rom, options) });
  ports.attach(PORTS.FW_CFG, device);
  describeMemory(rtc, memory.size);
  describeFloppies(rtc, floppy.drives);
  rtc.writeCmos(DISK_TRANSLATIONS, translations(drives.cables));
  return device;
}

/** The way in which each of the four ATA drives is translated, two bits each: those that have too many cylinders are by LBA. */
const translations = (cables: IdeDrives['cables']): number =>
  cables.flat().reduce((bits, drive, place) => {
    const isLarge = drive instanceof AtaDisk && drive.defaultGeometry.cylinders > MOST_CYLINDERS;
    return isLarge ? bits | (TRANSLATED_BY_LBA << (2 * place)) : bits;
  }, 0);

/** One processor; nobody is asked at start-up which drive to boot from. */
const items = (): Map<number, Uint8Array> =>
  new Map([
    [FW_CFG_ITEM.NO_GRAPHIC, integer(0, 2)],
    [FW_CFG_ITEM.PROCESSORS, integer(1, 2)],
    [FW_CFG_ITEM.BOOT_MENU, integer(0, 2)],
    [FW_CFG_ITEM.MAXIMUM_PROCESSORS, integer(1, 2)],
  ]);

function files({ videoBios, order = USUAL_BOOT_ORDER, serialConsole }: RomBoot['rom'], options: RomFirmwareOptions) {
  const { memory, drives, floppy } = options;
  const result: FwCfgFile[] = [
    { name: 'bootorder', bytes: bootOrder(order, drives.cables, floppy.drives.length) },
    { name: 'etc/boot-fail-wait', bytes: integer(NEVER, 4) },
    { name: 'etc/e820', bytes: ramTable(memory.size) },
    ...acpiFiles({ floppies: floppy.drives.length }),
    ...smbiosFiles(memory.size),
  ];
  if (serialConsole) result.push({ name: 'etc/sercon-port', bytes: integer(PORTS.COM1[0], 2) });
  if (videoBios) result.push({ name: 'vgaroms/vgabios.bin', bytes: videoBios });
  return result;
}

/** The firmware says where the tables are, and reckons the checksums again. */
function smbiosFiles(ramBytes: number): FwCfgFile[] {
  const { entry, tables } = smbios(ramBytes, 0);
  return [
    { name: 'etc/smbios/smbios-anchor', bytes: entry },
    { name: 'etc/smbios/smbios-tables', bytes: tables },
  ];
}

/** RAM alone, as one range: what lies in it otherwise (adapters, ROM) the firmware knows. */
function ramTable(bytes: number): Uint8Array {
  const entry = new Uint8Array(E820.ENTRY);
  const view = new DataView(entry.buffer);
  view.setBigUint64(8, BigInt(bytes), true);
  view.setUint32(16, E820.RAM, true);
  return entry;
}

/** Open Firmware's paths of the drives, the first to be tried first, a line each. */
function bootOrder(order: readonly DriveKind[], cables: IdeDrives['cables'], floppies: number): Uint8Array {
  const ata = cables.flatMap((cable, channel) =>
    cable.flatMap((drive, device) =>
      drive === undefined ? [] : [{ isDisk: drive instanceof AtaDisk, path: `drive@${channel}/disk@${device}` }],
    ),
  );
  const idePaths = (disks: boolean) =>
    ata.filter(({ isDisk }) => isDisk === disks).map(({ path }) => `ide@${PCI.IDE.device},${PCI.IDE.function}/${path}`);
  const paths: Readonly<Record<DriveKind, readonly string[]>> = {
    floppy: Array.from({ length: floppies }, (_, unit) => `isa@${PCI.ISA_BRIDGE.device}/fdc@03f0/floppy@${unit}`),
    disk: idePaths(true),
    cd: idePaths(false),
  };
  const lines = order.flatMap((kind) => paths[kind]).map((path) => `/pci@i0cf8/${path}`);
  return new TextEncoder().encode(`${lines.join('\n')}\0`);
}

/** Little-endian. */
const integer = (value: number, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, index) => value >>> (8 * index));
