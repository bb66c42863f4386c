/**
 * ACPI tables: RSDP, RSDT, XSDT, FADT, FACS, DSDT. ACPI 2.0, section 5.2; what 1.0 reads of them is where it was.
 */
import type { MemoryAccess } from '../memory-access.ts';
import { acpiAreas } from '../memory-map.ts';
import { PM_BASE, SCI_LINE } from '../pci-setup.ts';
import { dsdtBody } from './dsdt.ts';

const HEADER_SIZE = 36;
const OEM = { ID: 'VETRO ', TABLE: 'VETRO-PC', REVISION: 1, CREATOR: 'VTRO' } as const;
const CHECKSUM_AT = 9;

const text = (string: string): Uint8Array => new TextEncoder().encode(string);
const checksum = (bytes: Uint8Array): number => -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;

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
  let next = areas.data;
  const put = (bytes: Uint8Array): number => {
    const at = next;
    memory.copyIn(at, bytes);
    next = Math.ceil((at + bytes.length) / 16) * 16;
    return at;
  };
  memory.copyIn(areas.nvs, facs());
  const dsdt = put(table('DSDT', 1, Uint8Array.from(dsdtBody({ floppies }))));
  const fadtAt = put(fadt({ facs: areas.nvs, dsdt }));
  const pointers = (width: 4 | 8) => {
    const body = new DataView(new ArrayBuffer(width));
    body.setUint32(0, fadtAt, true);
    return new Uint8Array(body.buffer);
  };
  const rsdt = put(table('RSDT', 1, pointers(4)));
  const xsdt = put(table('XSDT', 1, pointers(8)));
  memory.copyIn(rsdp, rootPointer(rsdt, xsdt));
}

function table(signature: string, revision: number, body: Uint8Array): Uint8Array {
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
  bytes[CHECKSUM_AT] = checksum(bytes);
  return bytes;
}

function rootPointer(rsdt: number, xsdt: number): Uint8Array {
  const bytes = new Uint8Array(36);
  const view = new DataView(bytes.buffer);
  bytes.set(text('RSD PTR '));
  bytes.set(text(OEM.ID), 9);
  bytes[15] = 2;
  view.setUint32(16, rsdt, true);
  view.setUint32(20, bytes.length, true);
  view.setUint32(24, xsdt, true);
  bytes[8] = checksum(bytes.subarray(0, 20));
  bytes[32] = checksum(bytes);
  return bytes;
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

function fadt({ facs: facsAt, dsdt }: { facs: number; dsdt: number }): Uint8Array {
  const bytes = new Uint8Array(FADT_SIZE);
  const view = new DataView(bytes.buffer);
  const doublewords = (values: readonly (readonly [at: number, value: number])[]) => {
    for (const [at, value] of values) view.setUint32(at, value, true);
  };
  doublewords([
    [36, facsAt],
    [40, dsdt],
    [48, SMI.PORT],
    [56, PM.EVENT[0]],
    [64, PM.CONTROL[0]],
    [76, PM.TIMER[0]],
    [80, PM.GPE0[0]],
    [112, FLAGS],
    [132, facsAt],
    [140, dsdt],
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
  return table('FACP', 3, bytes.subarray(HEADER_SIZE));
}

const SYSTEM_IO = 1;
/** A generic address: space, width in bits, offset, access, 64-bit address. */
function register(view: DataView, at: number, [port, length]: readonly [number, number]): void {
  view.setUint8(at, SYSTEM_IO);
  view.setUint8(at + 1, 8 * length);
  view.setUint32(at + 4, port, true);
}
