/** Tables in the BIOS's segment, below its code, where operating systems look for them. */

import type { Board } from '../board.ts';
import { writeAcpiTables } from './acpi/tables.ts';
import { pirTable } from './pir-table.ts';
import { smbios } from './smbios.ts';

/** Multiples of 16; all end below F000:E000. */
export const TABLES = { RSDP: 0xf_0000, PIR: 0xf_0040, SMBIOS: 0xf_0400, SMBIOS_TABLES: 0xf_0440 } as const;

/** While the segment can be written to. */
export function writeSystemTables({ physical, ramBytes, drives }: Board): void {
  writeAcpiTables(physical, { rsdp: TABLES.RSDP, ramBytes, floppies: drives.floppy.length });
  physical.copyIn(TABLES.PIR, pirTable());
  const { entry, tables } = smbios(ramBytes, TABLES.SMBIOS_TABLES);
  physical.copyIn(TABLES.SMBIOS, entry);
  physical.copyIn(TABLES.SMBIOS_TABLES, tables);
}
