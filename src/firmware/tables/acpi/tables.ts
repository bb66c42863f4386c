/**
 * ACPI tables: RSDP, RSDT, XSDT, FADT, FACS, DSDT. ACPI 2.0, section 5.2; what 1.0 reads of them is where it was. They are
 * made without knowing where they will be.
 */
import type { MemoryAccess } from '../../memory-access.ts';
import { PM_BASE, SCI_LINE } from '../../pci/pci-setup.ts';
import { acpiAreas } from '../../system/memory-map.ts';
import { dsdtBody } from './dsdt.ts';

const HEADER_SIZE = 36;
const OEM = { ID: 'VETRO ', TABLE: 'VETRO-PC', REVISION: 1, CREATOR: 'VTRO' } as const;
const CHECKSUM_AT = 9;
const ALIGNMENT = 16;

const text = (string: string): Uint8Array => new TextEncoder().encode(string);
const checksum = (bytes: Uint8Array): number => -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;

export type AcpiTableName = 'facs' | 'dsdt' | 'fadt' | 'rsdt' | 'xsdt' | 'rsdp';

export interface AcpiTable {
  readonly name: AcpiTableName;
  /** With zeros where its pointers and checksums go. */
  readonly bytes: Uint8Array;
  /** Addresses of other tables, little-endian. */
  readonly pointers: readonly { readonly at: number; readonly width: 4 | 8; readonly to: AcpiTableName }[];
  /** Bytes that make the sum of the first `length` bytes 0, in the order in which they are reckoned. */
  readonly checksums: readonly { readonly at: number; readonly length: number }[];
}

/** Each behind those that it points to. */
export const acpiTables = ({ floppies }: { readonly floppies: number }): readonly AcpiTable[] => [
  { name: 'facs', bytes: facs(), pointers: [], checksums: [] },
  table('dsdt', 'DSDT', { revision: 1, body: Uint8Array.from(dsdtBody({ floppies })) }),
  fadt(),
  rootTable('rsdt', 'RSDT', 4),
  rootTable('xsdt', 'XSDT', 8),
  rootPointer(),
];

export interface AcpiPlaces {
  /** Of the RSDP, a multiple of 16 between E0000h and FFFFFh. */
  readonly rsdp: number;
  readonly ramBytes: number;
  readonly floppies: number;
}

/** Writes all tables. Without room for them there is no RSDP, and so no ACPI. */
export function writeAcpiTables(memory: MemoryAccess, { rsdp, ramBytes, floppies }: AcpiPlaces): void {
  const areas = acpiAreas(ramBytes);
  if (areas === undefined) return;
  const places = new Map<AcpiTableName, number>();
  let next = areas.data;
  for (const each of acpiTables({ floppies })) {
    const fixed = each.name === 'facs' ? areas.nvs : each.name === 'rsdp' ? rsdp : undefined;
    places.set(each.name, fixed ?? next);
    if (fixed === undefined) next = Math.ceil((next + each.bytes.length) / ALIGNMENT) * ALIGNMENT;
    memory.copyIn(places.get(each.name)!, placed(each, places));
  }
}

/** A table as it is in memory. */
function placed({ bytes, pointers, checksums }: AcpiTable, places: ReadonlyMap<AcpiTableName, number>): Uint8Array {
  const result = bytes.slice();
  const view = new DataView(result.buffer);
  for (const { at, to } of pointers) view.setUint32(at, places.get(to)!, true);
  for (const { at, length } of checksums) result[at] = checksum(result.subarray(0, length));
  return result;
}

interface Contents {
  readonly revision: number;
  readonly body: Uint8Array;
  readonly pointers?: AcpiTable['pointers'];
}

function table(name: AcpiTableName, signature: string, { revision, body, pointers = [] }: Contents): AcpiTable {
  const bytes = new Uint8Array(HEADER_SIZE + body.length);
  const view = new DataView(bytes.buffer);
  bytes.set(text(signature));
  view.setUint32(4, bytes.length, true);
  bytes[8] = revision;
  bytes.set(text(OEM.ID), 10);
  bytes.set(text(OEM.TABLE), 16);
  view.setUint32(24, OEM.REVISION, true);
  bytes.set(text(OEM.CREATOR), 28);
  view.setUint32(32, OEM.REVISION, true);
  bytes.set(body, HEADER_SIZE);
  return { name, bytes, pointers, checksums: [{ at: CHECKSUM_AT, length: bytes.length }] };
}

/** The table of tables, with addresses of `width` bytes. */
const rootTable = (name: AcpiTableName, signature: string, width: 4 | 8): AcpiTable =>
  table(name, signature, {
    revision: 1,
    body: new Uint8Array(width),
    pointers: [{ at: HEADER_SIZE, width, to: 'fadt' }],
  });

function rootPointer(): AcpiTable {
  const bytes = new Uint8Array(36);
  bytes.set(text('RSD PTR '));
  bytes.set(text(OEM.ID), 9);
  bytes[15] = 2;
  bytes[20] = bytes.length;
  return {
    name: 'rsdp',
    bytes,
    pointers: [
      { at: 16, width: 4, to: 'rsdt' },
      { at: 24, width: 8, to: 'xsdt' },
    ],
    // Of what ACPI 1.0 knows, and of all.
    checksums: [
      { at: 8, length: 20 },
      { at: 32, length: bytes.length },
    ],
  };
}

/** What operating system and firmware share; the lock is free. */
function facs(): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set(text('FACS'));
  bytes[4] = bytes.length;
  bytes[32] = 1;
  return bytes;
}

const FADT_SIZE = 244;
const SMI = { PORT: 0xb2, ENABLE: 0xf1, DISABLE: 0xf0 } as const;
const PM = { EVENT: [PM_BASE, 4], CONTROL: [PM_BASE + 4, 2], TIMER: [PM_BASE + 8, 4], GPE0: [0xafe0, 4] } as const;
/** Longer than any state that is worth it: there is none. */
const NO_STATE = 0xfff;
const CENTURY = 0x32;
/** ISA devices, and an 8042. */
const BOOT_ARCHITECTURE = 0x0003;
/** WBINVD works; C1 works; no sleep button; the clock wakes by no status of PM1; the reset register is there. */
const FLAGS = 0x0001 | 0x0004 | 0x0020 | 0x0040 | 0x0400;
const RESET = { PORT: 0xcf9, VALUE: 0x06 } as const;
const DESKTOP = 1;

function fadt(): AcpiTable {
  const bytes = new Uint8Array(FADT_SIZE);
  const view = new DataView(bytes.buffer);
  const doublewords = (values: readonly (readonly [at: number, value: number])[]) => {
    for (const [at, value] of values) view.setUint32(at, value, true);
  };
  doublewords([
    [48, SMI.PORT],
    [56, PM.EVENT[0]],
    [64, PM.CONTROL[0]],
    [76, PM.TIMER[0]],
    [80, PM.GPE0[0]],
    [112, FLAGS],
  ]);
  bytes[45] = DESKTOP;
  view.setUint16(46, SCI_LINE, true);
  bytes.set([SMI.ENABLE, SMI.DISABLE], 52);
  bytes.set([PM.EVENT[1], PM.CONTROL[1], 0, PM.TIMER[1], PM.GPE0[1]], 88);
  view.setUint16(96, NO_STATE, true);
  view.setUint16(98, NO_STATE, true);
  bytes[108] = CENTURY;
  view.setUint16(109, BOOT_ARCHITECTURE, true);
  register(view, 116, [RESET.PORT, 1]);
  bytes[128] = RESET.VALUE;
  register(view, 148, PM.EVENT);
  register(view, 172, PM.CONTROL);
  register(view, 208, PM.TIMER);
  register(view, 220, PM.GPE0);
  return table('fadt', 'FACP', {
    revision: 3,
    body: bytes.subarray(HEADER_SIZE),
    pointers: [
      { at: 36, width: 4, to: 'facs' },
      { at: 40, width: 4, to: 'dsdt' },
      { at: 132, width: 8, to: 'facs' },
      { at: 140, width: 8, to: 'dsdt' },
    ],
  });
}

const SYSTEM_IO = 1;
/** A generic address: space, width in bits, offset, access, 64-bit address. */
function register(view: DataView, at: number, [port, length]: readonly [number, number]): void {
  view.setUint8(at, SYSTEM_IO);
  view.setUint8(at + 1, 8 * length);
  view.setUint32(at + 4, port, true);
}
