/** What operating systems look for in memory, and how PCI functions are left. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TABLES } from '../../../src/firmware/tables/system-tables.ts';
import type { Pc } from '../../../src/machine/pc.ts';
import { bootImage, createBiosMachine, runProgram } from '../../support/bios-machine.ts';
import { createTestFunction } from '../../support/pci.ts';

const MIB = 2 ** 20;
const sumOf = (bytes: Uint8Array) => bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
const textOf = (bytes: Uint8Array) => new TextDecoder('latin1').decode(bytes);
const tableAt = ({ memory }: Pc, at: number) => memory.copyOut(at, memory.read(at + 4, 4));
const long = (bytes: Uint8Array, at: number) => new DataView(bytes.buffer).getUint32(at, true);

/** The tables by their signatures, as a system finds them from the root pointer on. */
function acpiTables(pc: Pc) {
  const root = pc.memory.copyOut(TABLES.RSDP, 36);
  const rsdt = tableAt(pc, long(root, 16));
  const xsdt = tableAt(pc, long(root, 24));
  const fadt = tableAt(pc, long(rsdt, 36));
  return { root, rsdt, xsdt, fadt, dsdt: tableAt(pc, long(fadt, 40)), facsAt: long(fadt, 36) };
}

describe('ACPI tables', () => {
  const { pc } = runProgram('', { memory: 64, floppies: 1 });

  it('are found from the root pointer on, and add up to 0', () => {
    const { root, rsdt, xsdt, fadt, dsdt, facsAt } = acpiTables(pc);
    expect(textOf(root.subarray(0, 8))).toBe('RSD PTR ');
    expect([sumOf(root.subarray(0, 20)), sumOf(root)]).toEqual([0, 0]);
    const tables = [rsdt, xsdt, fadt, dsdt];
    expect(tables.map((table) => textOf(table.subarray(0, 4)))).toEqual(['RSDT', 'XSDT', 'FACP', 'DSDT']);
    expect(tables.map(sumOf)).toEqual([0, 0, 0, 0]);
    expect(long(xsdt, 36)).toBe(long(rsdt, 36));
    expect(textOf(pc.memory.copyOut(facsAt, 4))).toBe('FACS');
    expect(facsAt % 64).toBe(0);
  });

  it('lie where the map of memory says so', () => {
    const { rsdt, fadt, facsAt } = acpiTables(pc);
    const first = 64 * MIB - 64 * 1024;
    expect(long(rsdt, 36)).toBeGreaterThanOrEqual(first);
    expect(facsAt).toBe(64 * MIB - 4096);
    expect([long(fadt, 132), long(fadt, 140)]).toEqual([long(fadt, 36), long(fadt, 40)]);
  });

  it('the FADT names the ports that the chips have', () => {
    const { fadt } = acpiTables(pc);
    const { ports } = pc.processor;
    expect([long(fadt, 56), long(fadt, 64), long(fadt, 76), long(fadt, 80)]).toEqual([0x600, 0x604, 0x608, 0xafe0]);
    expect(fadt[46]).toBe(9);
    const timer = ports.read(long(fadt, 76), 4);
    expect(timer).toBeGreaterThan(0);
    expect(timer).toBeLessThan(0x100_0000);
    ports.write(long(fadt, 48), fadt[52], 1);
    expect(ports.read(long(fadt, 64), 2) & 1).toBe(1);
  });

  it('soft off by _S5 ends the run', () => {
    const machine = createBiosMachine({ floppy: bootImage('mov dx, 0x604\nmov ax, 0x2000\nout dx, ax\ncli\nhlt') });
    expect(machine.run()).toBe('power-off');
  });

  it('there are none where memory is too small', () => {
    const { pc: small } = runProgram('', { memory: 1 });
    expect(textOf(small.memory.copyOut(TABLES.RSDP, 8))).not.toBe('RSD PTR ');
  });

  const iasl = hasIasl();
  it.skipIf(!iasl)(
    'the DSDT is one that iasl takes apart and puts together again, without a complaint (needs acpica-tools)',
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'vetro-dsdt-'));
      try {
        writeFileSync(join(folder, 'dsdt.aml'), acpiTables(pc).dsdt);
        const run = (...args: string[]) => execFileSync('iasl', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
        run('-d', 'dsdt.aml');
        const report = run('-p', 'again', 'dsdt.dsl');
        expect(report).toMatch(/Compilation successful\. 0 Errors, 0 Warnings, 0 Remarks/);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});

function hasIasl(): boolean {
  try {
    execFileSync('iasl', ['-v'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('SMBIOS and $PIR', () => {
  const { pc } = runProgram('', { memory: 64 });

  it('the entry point of SMBIOS 2.8: both sums are 0, the structures end where it says', () => {
    const entry = pc.memory.copyOut(TABLES.SMBIOS, 31);
    expect([textOf(entry.subarray(0, 4)), textOf(entry.subarray(16, 21))]).toEqual(['_SM_', '_DMI_']);
    expect([sumOf(entry), sumOf(entry.subarray(16))]).toEqual([0, 0]);
    expect([entry[6], entry[7]]).toEqual([2, 8]);
    const view = new DataView(entry.buffer);
    const tables = pc.memory.copyOut(view.getUint32(24, true), view.getUint16(22, true));
    const types: number[] = [];
    for (let at = 0; at < tables.length; ) {
      types.push(tables[at]);
      at += tables[at + 1];
      while (tables[at] !== 0 || tables[at + 1] !== 0) at++;
      at += 2;
    }
    expect(types).toEqual([0, 1, 3, 4, 16, 17, 19, 32, 127]);
    expect(view.getUint16(28, true)).toBe(types.length);
  });

  it('structures have the lengths of their version', () => {
    const view = new DataView(pc.memory.copyOut(TABLES.SMBIOS, 31).buffer);
    const tables = pc.memory.copyOut(view.getUint32(24, true), view.getUint16(22, true));
    const lengths: number[] = [];
    for (let at = 0; at < tables.length; ) {
      lengths.push(tables[at + 1]);
      at += tables[at + 1];
      while (tables[at] !== 0 || tables[at + 1] !== 0) at++;
      at += 2;
    }
    expect(lengths).toEqual([0x18, 0x1b, 0x16, 0x2a, 0x17, 0x28, 0x1f, 0x0b, 4]);
  });

  it('$PIR: the router, and links that turn from device to device', () => {
    const size = pc.memory.read(TABLES.PIR + 6, 2);
    const table = pc.memory.copyOut(TABLES.PIR, size);
    expect(textOf(table.subarray(0, 4))).toBe('$PIR');
    expect([sumOf(table), table[5], table[9], long(table, 12)]).toEqual([0, 1, 0x08, 0x122e_8086]);
    const links = (device: number) => [0, 1, 2, 3].map((pin) => table[32 + 16 * (device - 1) + 2 + 3 * pin]);
    expect([links(1), links(2)]).toEqual([
      [0x60, 0x61, 0x62, 0x63],
      [0x61, 0x62, 0x63, 0x60],
    ]);
  });
});

describe('PCI functions after power-on', () => {
  it('have addresses, lines, and their decoders on; bridges have routes and ports', () => {
    const machine = createBiosMachine({ floppy: bootImage('cli\nhlt') });
    const { pci } = machine.pc;
    pci.attach({ device: 3, function: 0 }, createTestFunction({ size: 65_536 }));
    pci.attach({ device: 4, function: 0 }, createTestFunction());
    machine.pc.reset();
    expect(machine.run()).toBe('halted');
    const read = (device: number, index: number, register: number, size: 1 | 2 | 4) =>
      pci.read((device << 11) | (index << 8) | register, size);
    expect([0, 1, 2, 3].map((pirq) => read(1, 0, 0x60 + pirq, 1))).toEqual([10, 10, 11, 11]);
    expect([read(1, 3, 0x40, 4), read(1, 3, 0x80, 1) & 1, read(1, 3, 0x3c, 1)]).toEqual([0x601, 1, 9]);
    expect([read(3, 0, 0x10, 4), read(4, 0, 0x10, 4)]).toEqual([0xe000_0000, 0xe001_0000]);
    expect([read(3, 0, 4, 2) & 2, read(4, 0, 4, 2) & 2]).toEqual([2, 2]);
    expect(machine.pc.processor.ports.read(0x4d1, 1)).toBe(0x0c);
  });
});
