/** Names for addresses: System.map, ELF files, and what comes of several of them. */
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../../src/base/errors.ts';
import { AddressNamer } from '../../../../src/debug/profile/address-namer.ts';
import { parseElfSymbols } from '../../../../src/debug/profile/elf-symbols.ts';
import { readSymbolFile } from '../../../../src/debug/profile/symbol-file.ts';
import { SymbolTable } from '../../../../src/debug/profile/symbol-table.ts';
import { parseSystemMap } from '../../../../src/debug/profile/system-map.ts';
import { createElfFile } from '../../../support/elf-file.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('SymbolTable', () => {
  it('finds the function that holds an address, and none in gaps', () => {
    const table = new SymbolTable([
      { name: 'second', address: 0x30, end: 0x40 },
      { name: 'first', address: 0x10, end: 0x20 },
      { name: 'alias', address: 0x10, end: 0x18 },
    ]);
    const names = [0xf, 0x10, 0x1f, 0x20, 0x2f, 0x30, 0x3f, 0x40].map((address) => table.find(address)?.name);
    expect(names).toEqual([undefined, 'first', 'first', undefined, undefined, 'second', 'second', undefined]);
    expect(new SymbolTable([]).find(0)).toBeUndefined();
  });
});

describe('parseSystemMap', () => {
  it('reads functions, each up to the next symbol of any kind; in any order', () => {
    const text =
      'c0001000 T start\nc0001000 t alias\nc0003000 D data\nc0002000 W weak\nc0004000 t last\n00000000 A zero\n';
    expect(parseSystemMap(text)).toEqual([
      { name: 'start', address: 0xc000_1000, end: 0xc000_2000 },
      { name: 'alias', address: 0xc000_1000, end: 0xc000_2000 },
      { name: 'weak', address: 0xc000_2000, end: 0xc000_3000 },
      { name: 'last', address: 0xc000_4000, end: 0xc000_5000 },
    ]);
  });

  it('reads /proc/kallsyms, with modules and as a terminal ends its lines', () => {
    expect(parseSystemMap('c0001000 T one\r\nf8001000 t two\t[module]\r\n')?.map(({ name }) => name)).toEqual([
      'one',
      'two',
    ]);
  });

  it('where all addresses are hidden there are no functions', () => {
    expect(parseSystemMap('00000000 T one\n00000000 T two\n')).toEqual([]);
  });

  it.each(['this is no map\n', 'c0001000 T\n', 'c0001000  T two spaces\n', 'c0001000 T one\ngarbage\n'])(
    'refuses %j',
    (text) => expect(parseSystemMap(text)).toBeUndefined(),
  );
});

describe('parseElfSymbols', () => {
  const symbols = [
    { name: 'main', value: 0x0804_8100, size: 0x20 },
    { name: 'data', value: 0x0805_0000, type: 1 },
    { name: 'elsewhere', value: 0, section: 0 },
    { name: 'assembly', value: 0x0804_8200 },
  ];

  it.each([32, 64] as const)('%i bits: functions that are defined in it', (bits) => {
    expect(parseElfSymbols(createElfFile({ bits, symbols }))).toEqual({
      fixed: true,
      functions: [
        { name: 'main', address: 0x0804_8100, end: 0x0804_8120 },
        { name: 'assembly', address: 0x0804_8200, end: 0x0804_9200 },
      ],
    });
  });

  it('reads the dynamic table where there is no other', () => {
    expect(parseElfSymbols(createElfFile({ bits: 32, symbols, tableType: 11 }))?.functions).toHaveLength(2);
  });

  it('says of what is position-independent that it is', () => {
    expect(parseElfSymbols(createElfFile({ bits: 32, symbols, type: 3 }))?.fixed).toBe(false);
  });

  it('takes whatever the bytes are, and no longer for it', () => {
    const whole = createElfFile({ bits: 32, symbols });
    for (let length = 0; length < whole.length; length++) {
      expect(parseElfSymbols(whole.subarray(0, length))?.functions.length ?? 0).toBeLessThanOrEqual(2);
    }
    for (let at = 5; at < whole.length; at++) {
      const damaged = whole.slice();
      damaged[at] = 0xff;
      parseElfSymbols(damaged);
    }
    const bigEndian = whole.slice();
    bigEndian[5] = 2;
    expect(parseElfSymbols(bigEndian)).toBeUndefined();
  });
});

describe('readSymbolFile', () => {
  const elf = (value: number, more = {}) => createElfFile({ bits: 32, symbols: [{ name: 'f', value }], ...more });

  it('takes maps and ELF files in the upper half for the kernel’s', () => {
    expect(readSymbolFile(bytesOf('c0001000 T one\n'), 'x').names).toBe('kernel');
    expect(readSymbolFile(elf(0xc000_1000), 'x').names).toBe('kernel');
    expect(readSymbolFile(elf(0x0804_8000), 'x').names).toBe('any');
  });

  it.each([
    ['an empty file', bytesOf(''), /^--symbols x: it names no functions; Debian's own System\.map is in /],
    [
      'the map that Debian has instead of one',
      bytesOf('ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n'),
      /^--symbols x: it names no functions; Debian's own/,
    ],
    ['text', bytesOf('hello\n'), /^--symbols x: neither an ELF file nor a System\.map/],
    ['hidden addresses', bytesOf('00000000 T one\n'), /^--symbols x: it names no functions/],
    ['a stripped ELF file', elf(0, { symbols: [] }), /^--symbols x: it names no functions; was it stripped\?$/],
    ['a position-independent one', elf(0x1000, { type: 3 }), /^--symbols x: it may be loaded anywhere/],
    [
      'no more than its first bytes',
      elf(0x1000).subarray(0, 5),
      /^--symbols x: an ELF file of a kind that no PC runs$/,
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => readSymbolFile(bytes, 'x')).toThrow(UserError);
    expect(() => readSymbolFile(bytes, 'x')).toThrow(message);
  });
});

describe('AddressNamer', () => {
  const namer = new AddressNamer([
    readSymbolFile(bytesOf('00500000 T low\nc0001000 T schedule\nc0002000 D end\n'), 'map'),
    readSymbolFile(createElfFile({ bits: 32, symbols: [{ name: 'main', value: 0x50_0000, size: 16 }] }), 'elf'),
  ]);

  it('gives names by privilege, and pages where it knows none', () => {
    expect(namer.frame(0xc000_1fff, { user: false })).toBe('schedule');
    expect(namer.frame(0xc000_1fff, { user: true })).toBe('user c0001xxx');
    expect(namer.frame(0x50_0004, { user: true })).toBe('main');
    expect(namer.frame(0x50_0004, { user: false })).toBe('low');
    expect(namer.frame(0x7c12, { user: false })).toBe('kernel 00007xxx');
    expect(namer.function(0x7c12, { user: false })).toBeUndefined();
    expect(new AddressNamer().frame(0xc000_1000, { user: false })).toBe('kernel c0001xxx');
  });
});
