/** Where everything sits in a PC: physical memory, I/O ports and interrupt lines. The only page with these numbers. */
import type { PciPlace } from '../bus/pci/pci-bus.ts';
import type { PortRange } from '../bus/port-bus.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Kinds of drives, the first to be tried first. */
export const USUAL_BOOT_ORDER = ['floppy', 'disk', 'cd'] as const;

/** Physical memory: [first byte, length]. RAM fills the rest, from 0 to the guest's size. */
export const MEMORY = {
  /** Conventional memory: where the BIOS data of a real PC would end. */
  CONVENTIONAL: [0, 639 * KIB],
  /** Where a boot sector, or a flat image of any size that fits, is loaded and started. */
  BOOT_IMAGE: [0x7c00, 639 * KIB - 0x7c00],
  EXTENDED_BIOS_DATA: [639 * KIB, KIB],
  VGA_WINDOW: [0xa_0000, 128 * KIB],
  /** Text modes 0–3: 4000h cells of character and attribute. */
  VGA_TEXT: [0xb_8000, 32 * KIB],
  /** Where adapters have their ROMs, and RAM that can take the place of these. */
  ADAPTER_ROMS: [0xc_0000, 192 * KIB],
  BIOS: [0xf_0000, 64 * KIB],
  /** The same end, for a BIOS that is larger. */
  LARGE_BIOS: [0xe_0000, 128 * KIB],
  EXTENDED: [MIB, 0],
  /** The BIOS again, where the processor starts. */
  RESET_ROM: [0xffff_0000, 64 * KIB],
} as const satisfies Record<string, readonly [first: number, length: number]>;

const SHADOW_STEP = 16 * KIB;
/** Segments whose RAM the host bridge switches on and off, in the order of its registers. */
export const SHADOW_SEGMENTS: readonly (readonly [first: number, length: number])[] = [
  MEMORY.BIOS,
  ...Array.from({ length: MEMORY.ADAPTER_ROMS[1] / SHADOW_STEP }, (_, index) => {
    return [MEMORY.ADAPTER_ROMS[0] + index * SHADOW_STEP, SHADOW_STEP] as const;
  }),
];

/** RAM a guest can have. The upper bound keeps clear of the 32-bit hole for PCI devices, APICs and flash. */
export const MINIMUM_MEMORY = 1 * MIB;
export const MAXIMUM_MEMORY = 3072 * MIB;

export const PORTS = {
  DMA1: [0x00, 16],
  PIC1: [0x20, 2],
  PIT: [0x40, 4],
  PS2_DATA: [0x60, 1],
  SYSTEM_CONTROL_B: [0x61, 1],
  PS2_STATUS: [0x64, 1],
  CMOS: [0x70, 2],
  POST: [0x80, 1],
  /** The page registers begin at 80h, where progress codes are shown instead. */
  DMA_PAGES: [0x81, 15],
  SYSTEM_CONTROL_A: [0x92, 1],
  PIC2: [0xa0, 2],
  IDE_SECONDARY: [0x170, 8],
  IDE_PRIMARY: [0x1f0, 8],
  IDE_SECONDARY_CONTROL: [0x376, 1],
  IDE_PRIMARY_CONTROL: [0x3f6, 1],
  SMI_COMMAND: [0xb2, 2],
  DMA2: [0xc0, 32],
  DEBUG_CONSOLE: [0xe9, 1],
  COPROCESSOR_ERROR: [0xf0, 1],
  DEBUG_EXIT: [0xf4, 1],
  VGA: [0x3c0, 32],
  FLOPPY: [0x3f0, 6],
  FLOPPY_DIR: [0x3f7, 1],
  COM1: [0x3f8, 8],
  BIOS_DEBUG: [0x402, 1],
  ELCR: [0x4d0, 2],
  FW_CFG: [0x510, 12],
  /** Ours: where the BIOS's ROM calls what it does (`roms/bios`). */
  FIRMWARE: [0xce0, 12],
  PCI_CONFIG: [0xcf8, 8],
  GENERAL_PURPOSE_EVENTS: [0xafe0, 4],
} as const satisfies Record<string, PortRange>;

export const ISA_IRQ = {
  PIT: 0,
  KEYBOARD: 1,
  CASCADE: 2,
  COM1: 4,
  FLOPPY: 6,
  RTC: 8,
  MOUSE: 12,
  COPROCESSOR: 13,
  IDE_PRIMARY: 14,
  IDE_SECONDARY: 15,
} as const;

/** DMA request lines of the ISA bus. */
export const ISA_DRQ = { FLOPPY: 2 } as const;

/** Interrupts of ACPI: a level, on a line that devices may share. */
export const SYSTEM_CONTROL_IRQ = 9;

/** Where firmware puts the IDE bus masters. */
export const BUS_MASTER_IDE_PORT = 0xc000;

/** What sits on PCI bus 0. */
export const PCI = {
  HOST_BRIDGE: { device: 0, function: 0 },
  ISA_BRIDGE: { device: 1, function: 0 },
  IDE: { device: 1, function: 1 },
  POWER_MANAGEMENT: { device: 1, function: 3 },
  BALLOON: { device: 3, function: 0 },
} as const satisfies Record<string, PciPlace>;

/** The interrupt pin of a device with one function. */
export const PIN_A = 0;

/**
 * The PIRQ, 0–3, that interrupt pin 0–3 (A–D) of a device is wired to: neighbours differ, so that devices, which mostly
 * use pin A alone, share as little as can be.
 */
export const pirqOf = (device: number, pin: number): number => (pin + device + 3) & 3;

/** What `int 15h, ax=e820h` would report. */
export type MemoryKind = 'usable' | 'reserved';
export interface MemoryRange {
  readonly first: number;
  readonly length: number;
  readonly kind: MemoryKind;
}

/** The memory map that is handed to an operating system, for `size` bytes of RAM. */
export function memoryMap(size: number): MemoryRange[] {
  const range = ([first, length]: readonly [number, number], kind: MemoryKind): MemoryRange => ({
    first,
    length,
    kind,
  });
  const extended = MEMORY.EXTENDED[0];
  return [
    range(MEMORY.CONVENTIONAL, 'usable'),
    range(MEMORY.EXTENDED_BIOS_DATA, 'reserved'),
    range(MEMORY.BIOS, 'reserved'),
    ...(size > extended ? [range([extended, size - extended], 'usable')] : []),
  ];
}
