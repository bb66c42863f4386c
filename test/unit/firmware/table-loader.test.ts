/** The script for other firmware, carried out as it would be: the same tables as our own BIOS writes. */
import { describe, expect, it } from 'vitest';
import { acpiFiles } from '../../../src/firmware/tables/acpi/table-loader.ts';
import { acpiTables } from '../../../src/firmware/tables/acpi/tables.ts';

const sumOf = (bytes: Uint8Array) => bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
const textOf = (bytes: Uint8Array) => new TextDecoder('latin1').decode(bytes).replace(/\0+$/, '');

/** A loader: where it puts each file is the test's choice. Each command is refused that goes beyond its file. */
function load(places: Readonly<Record<string, number>>) {
  const files = new Map(acpiFiles({ floppies: 1 }).map(({ name, bytes }) => [name, bytes.slice()]));
  const script = files.get('etc/table-loader')!;
  const view = new DataView(script.buffer);
  const allocated: Record<string, { align: number; zone: number }> = {};
  for (let at = 0; at < script.length; at += 128) {
    const name = (from: number) => textOf(script.subarray(at + from, at + from + 56));
    const number = (from: number) => view.getUint32(at + from, true);
    const file = files.get(name(4))!;
    switch (number(0)) {
      case 1:
        allocated[name(4)] = { align: number(60), zone: script[at + 64] };
        break;
      case 2: {
        const [offset, width] = [number(116), script[at + 120]];
        expect(offset + width).toBeLessThanOrEqual(file.length);
        expect(Object.keys(allocated)).toEqual(expect.arrayContaining([name(4), name(60)]));
        const target = new DataView(file.buffer);
        target.setUint32(offset, target.getUint32(offset, true) + places[name(60)], true);
        break;
      }
      case 3: {
        const [offset, start, length] = [number(60), number(64), number(68)];
        expect(start + length).toBeLessThanOrEqual(file.length);
        file[offset] -= sumOf(file.subarray(start, start + length));
        break;
      }
      default:
        expect.fail(`command ${number(0)}`);
    }
  }
  return { rsdp: files.get('etc/acpi/rsdp')!, tables: files.get('etc/acpi/tables')!, allocated };
}

describe('the loader script for ACPI tables', () => {
  const base = 0x7fe_0000;
  const { rsdp, tables, allocated } = load({ 'etc/acpi/rsdp': 0xf_5000, 'etc/acpi/tables': base });
  const view = new DataView(tables.buffer);
  const tableAt = (at: number) => tables.subarray(at - base, at - base + view.getUint32(at - base + 4, true));
  const long = (bytes: Uint8Array, at: number) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);

  it('wants the root pointer below 1 MiB, the tables in high memory, aligned as the FACS is', () => {
    expect(allocated).toEqual({
      'etc/acpi/rsdp': { align: 16, zone: 2 },
      'etc/acpi/tables': { align: 64, zone: 1 },
    });
    expect(textOf(tables.subarray(0, 4))).toBe('FACS');
  });

  it('leads from the root pointer to all tables, whose sums are 0', () => {
    expect(textOf(rsdp.subarray(0, 8))).toBe('RSD PTR ');
    expect([sumOf(rsdp.subarray(0, 20)), sumOf(rsdp)]).toEqual([0, 0]);
    const [rsdt, xsdt] = [tableAt(long(rsdp, 16)), tableAt(long(rsdp, 24))];
    const fadt = tableAt(long(rsdt, 36));
    const all = [rsdt, xsdt, fadt, tableAt(long(fadt, 40))];
    expect(all.map((table) => textOf(table.subarray(0, 4)))).toEqual(['RSDT', 'XSDT', 'FACP', 'DSDT']);
    expect(all.map(sumOf)).toEqual([0, 0, 0, 0]);
    expect([long(fadt, 36), long(fadt, 132)]).toEqual([base, base]);
    expect(long(fadt, 140)).toBe(long(fadt, 40));
    expect([long(xsdt, 36), long(xsdt, 40)]).toEqual([long(rsdt, 36), 0]);
  });
});

it('each table stands behind those that it points to', () => {
  const known = new Set<string>();
  for (const { name, pointers } of acpiTables({ floppies: 0 })) {
    for (const { to } of pointers) expect(known).toContain(to);
    known.add(name);
  }
  expect(known.size).toBe(6);
});
