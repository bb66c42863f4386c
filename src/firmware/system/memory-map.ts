/** What INT 15h says of memory: its several ways agree. ACPI 1.0, section 14.1 (E820). */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Kinds of ranges by their numbers. */
export const MEMORY_TYPE = { USABLE: 1, RESERVED: 2, ACPI_DATA: 3, ACPI_NVS: 4 } as const;

export interface MemoryRange {
  readonly first: number;
  readonly length: number;
  readonly type: number;
}

const EBDA = 0x9_fc00;
const ADAPTERS = 0xa_0000;
const ROM = 0xf_0000;
const RESET_ROM = 0xffff_0000;
/**
 * At the end of RAM: tables that an operating system may give back, and the one that it shares with firmware. Together a
 * multiple of 64 KiB, so that all ways of counting agree.
 */
export const ACPI_AREA = { DATA: 60 * KIB, NVS: 4 * KIB } as const;
/** With less, an operating system would have no use for tables. */
const LEAST_FOR_ACPI = 2 * MIB;

/** Where the two areas are; undefined: memory is too small for them. */
export function acpiAreas(ramBytes: number): { readonly data: number; readonly nvs: number } | undefined {
  if (ramBytes < LEAST_FOR_ACPI) return undefined;
  return { data: ramBytes - ACPI_AREA.DATA - ACPI_AREA.NVS, nvs: ramBytes - ACPI_AREA.NVS };
}

/** The end of memory that programs may use, in bytes. */
export const endOfUsable = (ramBytes: number): number => acpiAreas(ramBytes)?.data ?? ramBytes;

/** In order, without overlaps. */
export function memoryRanges(ramBytes: number): MemoryRange[] {
  const areas = acpiAreas(ramBytes);
  const extended = endOfUsable(ramBytes) - MIB;
  return [
    { first: 0, length: EBDA, type: MEMORY_TYPE.USABLE },
    { first: EBDA, length: ADAPTERS - EBDA, type: MEMORY_TYPE.RESERVED },
    { first: ROM, length: MIB - ROM, type: MEMORY_TYPE.RESERVED },
    ...(extended > 0 ? [{ first: MIB, length: extended, type: MEMORY_TYPE.USABLE }] : []),
    ...(areas
      ? [
          { first: areas.data, length: ACPI_AREA.DATA, type: MEMORY_TYPE.ACPI_DATA },
          { first: areas.nvs, length: ACPI_AREA.NVS, type: MEMORY_TYPE.ACPI_NVS },
        ]
      : []),
    { first: RESET_ROM, length: 2 ** 32 - RESET_ROM, type: MEMORY_TYPE.RESERVED },
  ];
}

/** KiB above 1 MiB, up to 16 MiB; and units of 64 KiB above that. INT 15h, AX=E801h. */
export function memoryInTwoParts(ramBytes: number): { readonly kib: number; readonly blocks: number } {
  const end = endOfUsable(ramBytes);
  return {
    kib: Math.max(0, Math.min(end, 16 * MIB) - MIB) / KIB,
    blocks: Math.max(0, Math.floor((end - 16 * MIB) / (64 * KIB))),
  };
}

/** KiB above 1 MiB, as far as a word of old can say. INT 15h, AH=88h. */
export const extendedKib = (ramBytes: number): number =>
  Math.min(Math.max(0, endOfUsable(ramBytes) - MIB) / KIB, 0xfc00);
