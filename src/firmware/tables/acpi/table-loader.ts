/**
 * ACPI tables for firmware that is not ours: two files, and a script that says where they go and which of their bytes are
 * addresses and checksums. QEMU, hw/acpi/bios-linker-loader.c ("BIOS linker/loader"), whose file names these are.
 */
import { type AcpiTable, type AcpiTableName, acpiTables } from './tables.ts';

const FILE = { RSDP: 'etc/acpi/rsdp', TABLES: 'etc/acpi/tables', SCRIPT: 'etc/table-loader' } as const;
const COMMAND = { ALLOCATE: 1, ADD_POINTER: 2, ADD_CHECKSUM: 3 } as const;
const COMMAND_SIZE = 128;
const NAME_SIZE = 56;
/** In high memory, or between F0000h and FFFFFh. */
const ZONE = { HIGH: 1, LOW: 2 } as const;
/** What the FACS wants, which comes first. */
const ALIGNMENT = { TABLES: 64, TABLE: 16, RSDP: 16 } as const;

export interface NamedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Where a table is: a file, and its offset there. */
interface Place {
  readonly file: string;
  readonly offset: number;
}

export function acpiFiles(options: { readonly floppies: number }): readonly NamedFile[] {
  const tables = acpiTables(options);
  const places = new Map<AcpiTableName, Place>();
  let size = 0;
  for (const { name, bytes } of tables) {
    if (name === 'rsdp') {
      places.set(name, { file: FILE.RSDP, offset: 0 });
      continue;
    }
    places.set(name, { file: FILE.TABLES, offset: size });
    size = Math.ceil((size + bytes.length) / ALIGNMENT.TABLE) * ALIGNMENT.TABLE;
  }
  const contents: Record<string, Uint8Array> = { [FILE.RSDP]: new Uint8Array(), [FILE.TABLES]: new Uint8Array(size) };
  for (const table of tables) {
    const { file, offset } = places.get(table.name)!;
    if (table.name === 'rsdp') contents[file] = withOffsets(table, places);
    else contents[file].set(withOffsets(table, places), offset);
  }
  return [
    ...Object.entries(contents).map(([name, bytes]) => ({ name, bytes })),
    { name: FILE.SCRIPT, bytes: script(tables, places) },
  ];
}

/** A pointer begins as an offset in the file that it points into. */
function withOffsets({ bytes, pointers }: AcpiTable, places: ReadonlyMap<AcpiTableName, Place>): Uint8Array {
  const result = bytes.slice();
  const view = new DataView(result.buffer);
  for (const { at, to } of pointers) view.setUint32(at, places.get(to)!.offset, true);
  return result;
}

function script(tables: readonly AcpiTable[], places: ReadonlyMap<AcpiTableName, Place>): Uint8Array {
  const commands = [
    command(COMMAND.ALLOCATE, [FILE.RSDP, [ALIGNMENT.RSDP, 4], [ZONE.LOW, 1]]),
    command(COMMAND.ALLOCATE, [FILE.TABLES, [ALIGNMENT.TABLES, 4], [ZONE.HIGH, 1]]),
  ];
  for (const { name, pointers, checksums } of tables) {
    const { file, offset } = places.get(name)!;
    for (const { at, width, to } of pointers)
      commands.push(command(COMMAND.ADD_POINTER, [file, places.get(to)!.file, [offset + at, 4], [width, 1]]));
    for (const { at, length } of checksums)
      commands.push(command(COMMAND.ADD_CHECKSUM, [file, [offset + at, 4], [offset, 4], [length, 4]]));
  }
  return Uint8Array.from(commands.flatMap((each) => [...each]));
}

/** Operands: names of files, and little-endian numbers with their sizes in bytes. */
function command(code: number, operands: readonly (string | readonly [value: number, size: number])[]): Uint8Array {
  const bytes = new Uint8Array(COMMAND_SIZE);
  let at = 4;
  bytes[0] = code;
  for (const operand of operands) {
    if (typeof operand === 'string') {
      bytes.set(new TextEncoder().encode(operand), at);
      at += NAME_SIZE;
      continue;
    }
    const [value, size] = operand;
    for (let index = 0; index < size; index++) bytes[at + index] = value >>> (8 * index);
    at += size;
  }
  return bytes;
}
