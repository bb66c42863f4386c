/**
 * The Linux boot protocol for x86: what a boot loader does with a bzImage, from the setup header to the 32-bit entry.
 * Source: Linux, Documentation/arch/x86/boot.rst and zero-page.rst.
 *
 * Not modelled: the real-mode entry (setup code runs no BIOS calls here; its results are written by us), the EFI
 * handover, zImages below 1 MiB, kexec extensions (setup_data).
 */
import { PAGE_SIZE } from '../base/address.ts';
import { UserError } from '../base/errors.ts';
import { findCpuModel } from '../cpu/cpu-model.ts';
import type { BootImage } from './boot.ts';
import { flatGdt } from './flat-gdt.ts';
import { ImageStore } from './image-store.ts';
import { isIntact } from './kernel-checksum.ts';
import { memoryMap } from './pc-map.ts';

export interface LinuxBootOptions {
  /** A bzImage, boot protocol 2.06 or newer. */
  readonly kernel: Uint8Array;
  /** An initial RAM disk or file system in a format that the kernel knows. */
  readonly initrd?: Uint8Array;
  readonly commandLine: string;
  /** Size of the guest's RAM in bytes. */
  readonly memoryBytes: number;
  /** Name of the CPU model it is to run on. */
  readonly cpu: string;
  /** Where kernels are kept and known that were looked at before. */
  readonly images?: ImageStore | undefined;
}

/** Offsets in the file and, equally, in boot_params: the fields of struct setup_header. */
const HEADER = {
  SETUP_SECTS: 0x1f1,
  SYSSIZE: 0x1f4,
  BOOT_FLAG: 0x1fe,
  /** Second byte of the jump at 200h: where the header ends, counted from 202h. */
  JUMP_LENGTH: 0x201,
  MAGIC: 0x202,
  VERSION: 0x206,
  TYPE_OF_LOADER: 0x210,
  LOADFLAGS: 0x211,
  CODE32_START: 0x214,
  RAMDISK_IMAGE: 0x218,
  RAMDISK_SIZE: 0x21c,
  HEAP_END_PTR: 0x224,
  CMD_LINE_PTR: 0x228,
  INITRD_ADDR_MAX: 0x22c,
  RELOCATABLE_KERNEL: 0x234,
  XLOADFLAGS: 0x236,
  CMDLINE_SIZE: 0x238,
  PAYLOAD_OFFSET: 0x248,
  PAYLOAD_LENGTH: 0x24c,
  PREF_ADDRESS: 0x258,
  INIT_SIZE: 0x260,
} as const;
const HEADER_START = 0x1f1;
const MAGIC_HDRS = 0x5372_6448;
const LOADED_HIGH = 0x01;
/** xloadflags: there is a 64-bit entry, so the kernel is a 64-bit one. */
const KERNEL_64 = 0x0001;
/** "No identifier assigned": a loader that is not in the kernel's list. */
const LOADER_UNKNOWN = 0xff;
const SECTOR = 512;
/** Protocol 2.06 brought cmdline_size, 2.08 the payload's place, 2.10 pref_address and init_size, 2.12 xloadflags. */
const VERSION_NEEDED = 0x0206;
const VERSION_WITH_PAYLOAD = 0x0208;
const VERSION_WITH_INIT_SIZE = 0x020a;
const VERSION_WITH_XLOADFLAGS = 0x020c;
/** Where a bzImage's protected-mode code begins at the lowest. */
const HIGH_MEMORY = 0x10_0000;

/** Fields of struct boot_params outside the setup header. */
const PARAMS = { EXT_MEM_K: 0x02, ALT_MEM_K: 0x1e0, E820_ENTRIES: 0x1e8, E820_TABLE: 0x2d0 } as const;
const E820_ENTRY = 20;
const E820_TYPE = { usable: 1, reserved: 2 } as const;
/** struct screen_info, at the start of boot_params: VGA text mode 3. */
const SCREEN_INFO = { MODE: 0x06, COLUMNS: 0x07, EGA_BX: 0x0a, LINES: 0x0e, IS_VGA: 0x0f, POINTS: 0x10 } as const;

/** Where the loader puts its own things: conventional memory that the kernel copies from before it reuses it. */
const BOOT_PARAMS_AT = 0x9_0000;
const GDT_AT = 0x9_1000;
const COMMAND_LINE_AT = 0x9_2000;

/**
 * Lays a kernel out in memory.
 * @throws UserError if the kernel is not a complete and intact bzImage, or one that this machine cannot start, or if
 * kernel, initrd or command line do not fit.
 */
export function linuxBoot(options: LinuxBootOptions): BootImage {
  const { initrd, commandLine, memoryBytes, cpu, images = new ImageStore() } = options;
  const kernel = images.keep(options.kernel);
  const header = readHeader(kernel, images);
  if (header.is64Bit && !findCpuModel(cpu).features.has('lm')) {
    throw new UserError(`the kernel is a 64-bit one, and CPU ${cpu} has no 64-bit mode; take a 32-bit kernel (i386)`);
  }
  const kernelEnd = placeKernel(header, memoryBytes);
  const initrdAt = initrd ? placeInitrd(initrd.length, header, kernelEnd, memoryBytes) : 0;
  const commandLineBytes = new TextEncoder().encode(commandLine);
  if (commandLineBytes.length > header.commandLineSize) {
    throw new UserError(`the command line is longer than the ${header.commandLineSize} bytes that this kernel takes`);
  }

  const params = new Uint8Array(PAGE_SIZE);
  const view = new DataView(params.buffer);
  params.set(kernel.subarray(HEADER_START, header.end), HEADER_START);
  params[HEADER.TYPE_OF_LOADER] = LOADER_UNKNOWN;
  view.setUint32(HEADER.CMD_LINE_PTR, COMMAND_LINE_AT, true);
  view.setUint32(HEADER.RAMDISK_IMAGE, initrdAt, true);
  view.setUint32(HEADER.RAMDISK_SIZE, initrd?.length ?? 0, true);
  writeScreenInfo(view);
  writeMemoryMap(view, memoryBytes);

  // "__BOOT_CS must have execute/read permission, __BOOT_DS read/write", flat 4 GiB.
  const gdt = flatGdt();
  return {
    pieces: [
      { address: BOOT_PARAMS_AT, bytes: params },
      { address: GDT_AT, bytes: gdt.bytes },
      { address: COMMAND_LINE_AT, bytes: Uint8Array.of(...commandLineBytes, 0) },
      { address: header.loadAddress, bytes: kernel.subarray(header.setupBytes) },
      ...(initrd ? [{ address: initrdAt, bytes: initrd }] : []),
    ],
    entry: {
      mode: 'protected',
      eip: header.loadAddress,
      registers: { esi: BOOT_PARAMS_AT },
      codeSelector: gdt.codeSelector,
      dataSelector: gdt.dataSelector,
      gdt: { address: GDT_AT, limit: gdt.bytes.length - 1 },
    },
  };
}

const CORRUPT = 'the kernel is corrupt: its header or its checksum (CRC-32) does not fit its content; get it anew';

interface SetupHeader {
  /** Length of boot sector and setup code: what precedes the protected-mode kernel in the file. */
  readonly setupBytes: number;
  readonly kernelBytes: number;
  readonly is64Bit: boolean;
  /** Offset in the file where the header ends. */
  readonly end: number;
  readonly loadAddress: number;
  /** Highest address an initrd may occupy. */
  readonly initrdMaximum: number;
  /** Without the terminating zero. */
  readonly commandLineSize: number;
  /** Memory the kernel needs from `runAddress` on before it reads the memory map. */
  readonly runAddress: number;
  readonly runBytes: number;
}

/** It has the setup header, whole. */
export function isBzImage(kernel: Uint8Array): boolean {
  if (kernel.length < HEADER.INIT_SIZE + 4) return false;
  const view = new DataView(kernel.buffer, kernel.byteOffset, kernel.byteLength);
  return view.getUint16(HEADER.BOOT_FLAG, true) === 0xaa55 && view.getUint32(HEADER.MAGIC, true) === MAGIC_HDRS;
}

function readHeader(kernel: Uint8Array, images: ImageStore): SetupHeader {
  if (!isBzImage(kernel)) throw new UserError('the kernel is not a Linux bzImage');
  const view = new DataView(kernel.buffer, kernel.byteOffset, kernel.byteLength);
  const version = view.getUint16(HEADER.VERSION, true);
  if (version < VERSION_NEEDED) {
    const text = `${version >>> 8}.${(version & 0xff).toString().padStart(2, '0')}`;
    throw new UserError(`the kernel speaks boot protocol ${text}; 2.06 or newer is needed`);
  }
  if (!(kernel[HEADER.LOADFLAGS] & LOADED_HIGH)) {
    throw new UserError('the kernel is a zImage, made for memory below 1 MiB; a bzImage is needed');
  }
  // "For backwards compatibility, if the setup_sects field contains 0, the real value is 4."
  const setupBytes = ((kernel[HEADER.SETUP_SECTS] || 4) + 1) * SECTOR;
  const kernelBytes = view.getUint32(HEADER.SYSSIZE, true) * 16;
  // syssize counts paragraphs: the last one may be incomplete.
  if (kernel.length <= setupBytes + kernelBytes - 16) {
    throw new UserError(`the kernel is truncated: ${kernel.length} of ${setupBytes + kernelBytes} bytes`);
  }
  if (version >= VERSION_WITH_PAYLOAD) {
    const payloadEnd = view.getUint32(HEADER.PAYLOAD_OFFSET, true) + view.getUint32(HEADER.PAYLOAD_LENGTH, true);
    if (payloadEnd > kernelBytes) throw new UserError(CORRUPT);
  }
  const intact = images.isTrueOf(kernel, () => isIntact(kernel, setupBytes + kernelBytes));
  if (!intact) throw new UserError(CORRUPT);
  const loadAddress = view.getUint32(HEADER.CODE32_START, true);
  if (loadAddress < HIGH_MEMORY) {
    throw new UserError(
      'the kernel has no 32-bit entry (code32_start): its setup code wants BIOS services, which are not there yet',
    );
  }
  const relocates = version >= VERSION_WITH_INIT_SIZE && kernel[HEADER.RELOCATABLE_KERNEL] !== 0;
  return {
    setupBytes,
    kernelBytes,
    is64Bit: version >= VERSION_WITH_XLOADFLAGS && (view.getUint16(HEADER.XLOADFLAGS, true) & KERNEL_64) !== 0,
    end: Math.min(HEADER.MAGIC + kernel[HEADER.JUMP_LENGTH], PARAMS.E820_TABLE),
    loadAddress,
    initrdMaximum: view.getUint32(HEADER.INITRD_ADDR_MAX, true),
    commandLineSize: view.getUint32(HEADER.CMDLINE_SIZE, true),
    // A relocatable kernel moves itself up to pref_address if it was loaded lower.
    runAddress: relocates ? Math.max(loadAddress, Number(view.getBigUint64(HEADER.PREF_ADDRESS, true))) : loadAddress,
    runBytes: version >= VERSION_WITH_INIT_SIZE ? view.getUint32(HEADER.INIT_SIZE, true) : kernelBytes,
  };
}

/** @returns the first address behind the kernel and the room it unpacks itself into. */
function placeKernel({ loadAddress, kernelBytes, runAddress, runBytes }: SetupHeader, memoryBytes: number): number {
  const end = Math.max(loadAddress + kernelBytes, runAddress + runBytes);
  if (end > memoryBytes) {
    throw new UserError(
      `the kernel needs at least ${mebibytes(end)} MiB of memory, the guest has ${mebibytes(memoryBytes)}`,
    );
  }
  return end;
}

/** As high as the kernel allows: there it is in nobody's way. */
function placeInitrd(length: number, header: SetupHeader, kernelEnd: number, memoryBytes: number): number {
  const limit = Math.min(header.initrdMaximum + 1, memoryBytes);
  const address = Math.floor((limit - length) / PAGE_SIZE) * PAGE_SIZE;
  if (address < kernelEnd) {
    throw new UserError(
      `the initrd (${mebibytes(length)} MiB) does not fit into ${mebibytes(memoryBytes)} MiB of memory next to the kernel`,
    );
  }
  return address;
}

const mebibytes = (bytes: number): number => Math.ceil(bytes / 2 ** 20);

function writeScreenInfo(params: DataView): void {
  params.setUint8(SCREEN_INFO.MODE, 3);
  params.setUint8(SCREEN_INFO.COLUMNS, 80);
  params.setUint16(SCREEN_INFO.EGA_BX, 3, true);
  params.setUint8(SCREEN_INFO.LINES, 25);
  params.setUint8(SCREEN_INFO.IS_VGA, 1);
  params.setUint16(SCREEN_INFO.POINTS, 16, true);
}

function writeMemoryMap(params: DataView, memoryBytes: number): void {
  const extendedKibibytes = (memoryBytes - 2 ** 20) / 1024;
  params.setUint16(PARAMS.EXT_MEM_K, Math.min(extendedKibibytes, 0xffff), true);
  params.setUint32(PARAMS.ALT_MEM_K, extendedKibibytes, true);
  const ranges = memoryMap(memoryBytes);
  params.setUint8(PARAMS.E820_ENTRIES, ranges.length);
  ranges.forEach(({ first, length, kind }, index) => {
    const at = PARAMS.E820_TABLE + index * E820_ENTRY;
    params.setBigUint64(at, BigInt(first), true);
    params.setBigUint64(at + 8, BigInt(length), true);
    params.setUint32(at + 16, E820_TYPE[kind], true);
  });
}
