/** What management programs read. System Management BIOS Reference Specification 2.8 (DMTF DSP0134). */

export const ENTRY_POINT_SIZE = 31;
const VERSION = [2, 8] as const;
const NAME = 'Vetro';
const DATE = '01/01/2026';
const MIB = 2 ** 20;

const HANDLE = {
  BIOS: 0x0000,
  SYSTEM: 0x0100,
  CHASSIS: 0x0300,
  PROCESSOR: 0x0400,
  ARRAY: 0x1000,
  DEVICE: 0x1100,
  MAPPED: 0x1300,
  BOOT: 0x2000,
  END: 0x7f00,
} as const;

type Field = readonly [value: number, bytes: number];
const byte = (value: number): Field => [value, 1];
const word = (value: number): Field => [value, 2];
const doubleword = (value: number): Field => [value, 4];
const zeros = (count: number): Field[] => Array.from({ length: count }, () => byte(0));

/** A structure: header, fields, then its strings, which fields name from 1 on. */
function structure(type: number, handle: number, fields: readonly Field[], strings: readonly string[] = []): number[] {
  const body = fields.flatMap(([value, bytes]) =>
    Array.from({ length: bytes }, (_, index) => Math.floor(value / 2 ** (8 * index)) & 0xff),
  );
  const text = strings.length > 0 ? strings.map((each) => `${each}\0`).join('') : '\0';
  return [type, 4 + body.length, handle & 0xff, handle >>> 8, ...body, ...new TextEncoder().encode(`${text}\0`)];
}

function structures(ramBytes: number): number[][] {
  const mebibytes = ramBytes / MIB;
  return [
    structure(
      0,
      HANDLE.BIOS,
      // Segment F000h, one unit of 64 KiB; PCI, shadowing, CD boot, selectable boot; EDD; ACPI; a virtual machine.
      [
        byte(1),
        byte(2),
        word(0xf000),
        byte(3),
        byte(0),
        doubleword(0x0001_9080 | 0x0008_0000),
        doubleword(0),
        byte(1),
        byte(0x10),
        byte(0),
        byte(1),
        byte(0xff),
        byte(0xff),
      ],
      [NAME, '1', DATE],
    ),
    structure(
      1,
      HANDLE.SYSTEM,
      [byte(1), byte(2), byte(0), byte(0), ...zeros(16), byte(6), byte(0), byte(0)],
      [NAME, 'PC'],
    ),
    structure(
      3,
      HANDLE.CHASSIS,
      // Kind unknown; all states safe.
      [
        byte(1),
        byte(2),
        ...zeros(3),
        byte(3),
        byte(3),
        byte(3),
        byte(3),
        doubleword(0),
        byte(0),
        byte(1),
        byte(0),
        byte(0),
        byte(0),
      ],
      [NAME],
    ),
    structure(
      4,
      HANDLE.PROCESSOR,
      // A central processor of a family that is not listed; its socket is populated, and it is enabled.
      [
        byte(1),
        byte(3),
        byte(2),
        byte(2),
        ...zeros(8),
        byte(0),
        byte(0),
        word(0),
        word(0),
        word(0),
        byte(0x41),
        byte(1),
        word(0xffff),
        word(0xffff),
        word(0xffff),
        byte(0),
        byte(0),
        byte(0),
        byte(1),
        byte(1),
        byte(1),
        word(0),
        word(2),
      ],
      ['CPU 0', NAME],
    ),
    structure(16, HANDLE.ARRAY, [
      byte(3),
      byte(3),
      byte(3),
      doubleword(ramBytes / 1024),
      word(0xfffe),
      word(1),
      doubleword(0),
      doubleword(0),
    ]),
    structure(
      17,
      HANDLE.DEVICE,
      [
        word(HANDLE.ARRAY),
        word(0xfffe),
        word(64),
        word(64),
        word(mebibytes),
        byte(9),
        byte(0),
        byte(1),
        byte(0),
        byte(7),
        word(2),
        ...zeros(2 + 4 + 1 + 4 + 2 + 6),
      ],
      ['DIMM 0'],
    ),
    structure(19, HANDLE.MAPPED, [
      doubleword(0),
      doubleword(ramBytes / 1024 - 1),
      word(HANDLE.ARRAY),
      byte(1),
      ...zeros(16),
    ]),
    structure(32, HANDLE.BOOT, [...zeros(6), byte(0)]),
    structure(127, HANDLE.END, []),
  ];
}

/** Entry point and tables; the tables go to `tablesAt`. */
export function smbios(
  ramBytes: number,
  tablesAt: number,
): { readonly entry: Uint8Array; readonly tables: Uint8Array } {
  const all = structures(ramBytes);
  const tables = Uint8Array.from(all.flat());
  const entry = new Uint8Array(ENTRY_POINT_SIZE);
  const view = new DataView(entry.buffer);
  entry.set(new TextEncoder().encode('_SM_'));
  entry.set([ENTRY_POINT_SIZE, ...VERSION], 5);
  view.setUint16(8, Math.max(...all.map(({ length }) => length)), true);
  entry.set(new TextEncoder().encode('_DMI_'), 16);
  view.setUint16(22, tables.length, true);
  view.setUint32(24, tablesAt, true);
  view.setUint16(28, all.length, true);
  entry[30] = (VERSION[0] << 4) | VERSION[1];
  // The second half has a sum of its own, for who looks for it alone.
  entry[21] = -entry.subarray(16).reduce((sum, each) => sum + each, 0);
  entry[4] = -entry.reduce((sum, each) => sum + each, 0);
  return { entry, tables };
}
