import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/fault.ts';
import {
  type EntryUpdate,
  pageFault,
  type Translation,
  type WalkRequest,
  walkPages,
} from '../../../src/cpu/paging/page-walk.ts';
import type { PagingState } from '../../../src/cpu/paging/paging-state.ts';

const BASE: PagingState = {
  mode: '32-bit',
  root: 0x1000,
  pdptes: [],
  writeProtect: true,
  pageSizeExtensions: true,
  globalPages: true,
  noExecute: false,
  gigabytePages: false,
  addressMaskHigh: 0xf,
  reservedHigh: 0,
};
const PAE: PagingState = {
  ...BASE,
  mode: 'PAE',
  root: 0,
  pdptes: [0x1001, 0x2001, 0, 0x3_0000_3001],
  noExecute: true,
  reservedHigh: 0x7fff_fff0,
};
const LONG: PagingState = { ...BASE, mode: '4-level', noExecute: true, reservedHigh: 0x000f_fff0 };

const P = 1;
const RW = 2;
const US = 4;
const A = 0x20;
const D = 0x40;
const PS = 0x80;
const G = 0x100;
const XD = 1n << 63n;

/** Tables as physical address → entry; absent entries are 0. Four-byte entries must be below 2^32. */
function walk(
  tables: Record<number, number | bigint>,
  address: number,
  request: Partial<WalkRequest> = {},
  paging: PagingState = BASE,
) {
  const words = new Map<number, number>();
  for (const [at, entry] of Object.entries(tables)) {
    words.set(Number(at), Number(BigInt(entry) & 0xffff_ffffn));
    if (paging.mode !== '32-bit') words.set(Number(at) + 4, Number(BigInt(entry) >> 32n));
  }
  const read: number[] = [];
  const result = walkPages({ address, access: 'read', privilege: 'supervisor', ...request }, paging, (at) => {
    read.push(at);
    return words.get(at) ?? 0;
  });
  return { result, read };
}

/** PDE and PTE for linear address 0x0040_3xxx, mapped to physical page 0x77. */
const TABLES = (pde: number, pte: number) => ({ 4100: 0x2000 | pde, 8204: 0x77000 | pte });
const ADDRESS = 0x0040_3abc;

const page = (outcome: ReturnType<typeof walk>): Translation => {
  if (outcome.result.kind !== 'translation') throw new Error(outcome.result.cause.check);
  return outcome.result;
};
const errorCode = (outcome: ReturnType<typeof walk>): number | undefined =>
  outcome.result.kind === 'fault' ? outcome.result.errorCode : undefined;

describe('32-bit paging', () => {
  it('bits 31:22 select the PDE, bits 21:12 the PTE, bits 11:0 stay', () => {
    const outcome = walk(TABLES(P, P), ADDRESS);
    expect(outcome.read).toEqual([0x1004, 0x200c]);
    expect(page(outcome)).toMatchObject({ page: 0x77, sizeBits: 12 });
  });

  it('translates the whole of the address space', () => {
    const outcome = walk({ 8188: 0x2001, 12284: 0xffff_f001 }, 0xffff_ffff);
    expect(page(outcome).page).toBe(0xfffff);
  });

  it('a PDE with PS = 1 maps a 4 MiB page when CR4.PSE = 1', () => {
    const outcome = walk({ 4100: 0x0080_0000 | PS | P }, 0x0072_3abc);
    expect(outcome.read).toEqual([0x1004]);
    expect(page(outcome)).toMatchObject({ page: 0xb23, sizeBits: 22 });
  });

  it('PS is ignored when CR4.PSE = 0', () => {
    const outcome = walk(TABLES(P | PS, P), ADDRESS, {}, { ...BASE, pageSizeExtensions: false });
    expect(page(outcome)).toMatchObject({ page: 0x77, sizeBits: 12 });
  });

  it('bits 21:13 of a PDE that maps a 4 MiB page are reserved, bit 12 is PAT', () => {
    for (let bit = 13; bit <= 21; bit++) {
      expect(errorCode(walk({ 4100: PS | P | (1 << bit) }, ADDRESS))).toBe(8 | 1);
    }
    expect(page(walk({ 4100: PS | P | (1 << 12) }, ADDRESS)).page).toBe(3);
  });

  it('bit 7 of a PTE is PAT: it maps a 4 KiB page all the same', () => {
    expect(page(walk(TABLES(P, P | PS), ADDRESS))).toMatchObject({ page: 0x77, sizeBits: 12 });
  });
});

describe('access rights', () => {
  const rights = [0, RW, US, RW | US];

  it('R/W and U/S hold when they are set at every level', () => {
    for (const pde of rights) {
      for (const pte of rights) {
        const both = pde & pte;
        expect(page(walk(TABLES(P | pde, P | pte), ADDRESS))).toMatchObject({
          writable: (both & RW) !== 0,
          user: (both & US) !== 0,
        });
        const user = (access: WalkRequest['access']) =>
          walk(TABLES(P | pde, P | pte), ADDRESS, { access, privilege: 'user' });
        expect(errorCode(user('read'))).toBe((both & US) !== 0 ? undefined : 5);
        expect(errorCode(user('execute'))).toBe((both & US) !== 0 ? undefined : 5);
        expect(errorCode(user('write'))).toBe(both === (RW | US) ? undefined : 7);
      }
    }
  });

  it('a supervisor may write to read-only pages when CR0.WP = 0, and not when it is 1', () => {
    const write = (paging: PagingState) => walk(TABLES(P | US, P | US | RW), ADDRESS, { access: 'write' }, paging);
    expect(errorCode(write(BASE))).toBe(3);
    expect(page(write({ ...BASE, writeProtect: false }))).toMatchObject({ writable: false });
  });

  it('CR0.WP = 0 does not let user mode write to read-only pages', () => {
    const request = { access: 'write', privilege: 'user' } as const;
    expect(errorCode(walk(TABLES(P | US | RW, P | US), ADDRESS, request, { ...BASE, writeProtect: false }))).toBe(7);
  });

  it('G counts in the entry that maps the page, when CR4.PGE = 1', () => {
    expect(page(walk(TABLES(P | G, P), ADDRESS)).global).toBe(false);
    expect(page(walk(TABLES(P, P | G), ADDRESS)).global).toBe(true);
    expect(page(walk({ 4100: PS | P | G }, ADDRESS)).global).toBe(true);
    expect(page(walk(TABLES(P, P | G), ADDRESS, {}, { ...BASE, globalPages: false })).global).toBe(false);
  });
});

describe('accessed and dirty flags', () => {
  const updates = (outcome: ReturnType<typeof walk>): readonly EntryUpdate[] => page(outcome).updates;

  it('a read sets A at every level', () => {
    expect(updates(walk(TABLES(P | RW, P | RW), ADDRESS))).toEqual([
      { at: 0x1004, bits: A },
      { at: 0x200c, bits: A },
    ]);
  });

  it('a write also sets D in the entry that maps the page', () => {
    expect(updates(walk(TABLES(P | RW, P | RW), ADDRESS, { access: 'write' }))).toEqual([
      { at: 0x1004, bits: A },
      { at: 0x200c, bits: A | D },
    ]);
    expect(updates(walk({ 4100: PS | P | RW }, ADDRESS, { access: 'write' }))).toEqual([{ at: 0x1004, bits: A | D }]);
  });

  it('flags that are set are not written again', () => {
    expect(updates(walk(TABLES(P | RW | A, P | RW | A), ADDRESS))).toEqual([]);
    expect(updates(walk(TABLES(P | RW | A, P | RW | A), ADDRESS, { access: 'write' }))).toEqual([
      { at: 0x200c, bits: A | D },
    ]);
    expect(updates(walk(TABLES(P | RW | A, P | RW | A | D), ADDRESS, { access: 'write' }))).toEqual([]);
  });

  it('a faulting walk asks for none', () => {
    expect(walk(TABLES(P, P), ADDRESS, { privilege: 'user' }).result).not.toHaveProperty('updates');
  });
});

describe('the page-fault error code', () => {
  it('P is 0 when an entry is not present, whatever else it holds', () => {
    expect(errorCode(walk(TABLES(0xffe, 0), ADDRESS))).toBe(0);
    expect(errorCode(walk(TABLES(P, 0xffe), ADDRESS))).toBe(0);
  });

  it('W/R and U/S tell the access, not the page', () => {
    for (const [access, bit] of [
      ['read', 0],
      ['write', 2],
      ['execute', 0],
    ] as const) {
      expect(errorCode(walk({}, ADDRESS, { access }))).toBe(bit);
      expect(errorCode(walk({}, ADDRESS, { access, privilege: 'user' }))).toBe(bit | 4);
    }
  });

  it('I/D is set for fetches when PAE and NXE are on, and not otherwise', () => {
    expect(errorCode(walk({}, 0, { access: 'execute' }, PAE))).toBe(16);
    expect(errorCode(walk({}, 0, { access: 'execute' }, { ...PAE, noExecute: false }))).toBe(0);
    expect(errorCode(walk({}, 0, { access: 'read' }, PAE))).toBe(0);
    expect(errorCode(walk({}, 0, { access: 'execute' }))).toBe(0);
  });

  it('a reserved bit goes before missing rights', () => {
    const outcome = walk({ 4100: PS | P | (1 << 13) }, ADDRESS, { access: 'write', privilege: 'user' });
    expect(errorCode(outcome)).toBe(8 | 4 | 2 | 1);
  });

  it('a missing entry below goes before missing rights above', () => {
    expect(errorCode(walk(TABLES(P, 0), ADDRESS, { privilege: 'user' }))).toBe(4);
  });

  it('the fault says which check failed, at which level, on which entry', () => {
    const { result } = walk(TABLES(P | US, P | 0x40), ADDRESS, { privilege: 'user', access: 'write' });
    if (result.kind !== 'fault') throw new Error('translated');
    expect(result.cause).toMatchObject({
      check: 'user-mode access to a supervisor page',
      on: { level: 'PTE', entryAddress: 0x200c, entry: 0x77041n, address: ADDRESS, access: 'write' },
    });
    expect(pageFault(result)).toMatchObject({ vector: VECTOR.PF, errorCode: 7, address: ADDRESS });
  });
});

describe('PAE paging', () => {
  const pae = (
    tables: Record<number, bigint | number>,
    address: number,
    request: Partial<WalkRequest> = {},
    paging = PAE,
  ) => walk(tables, address, request, paging);

  it('bits 31:30 select a PDPTE register, bits 29:21 the PDE, bits 20:12 the PTE', () => {
    const outcome = pae({ 8200: 0x5001, 20496: 0x9_8765_4001n }, 0x4020_2abc);
    expect(outcome.read).toEqual([0x2008, 0x200c, 0x5010, 0x5014]);
    expect(page(outcome)).toMatchObject({ page: 0x98_7654, sizeBits: 12 });
  });

  it('tables may lie above 4 GiB', () => {
    const outcome = pae({ 12884918264: 0xf_0000_5001n, 64424534008: 0x1001 }, 0xffff_ffff);
    expect(page(outcome).page).toBe(1);
  });

  it('a PDPTE that is not present faults without reading memory', () => {
    const outcome = pae({}, 0x8000_0000, { privilege: 'user' });
    expect(outcome.read).toEqual([]);
    expect(errorCode(outcome)).toBe(4);
    expect(outcome.result).toMatchObject({ cause: { on: { level: 'PDPTE2 (register)' } } });
  });

  it('a PDE with PS = 1 maps a 2 MiB page, without CR4.PSE', () => {
    const tables = { 4120: 0x9_0060_0000n | BigInt(PS | P | RW) };
    const outcome = pae(tables, 0x0071_2345, {}, { ...PAE, pageSizeExtensions: false });
    expect(page(outcome)).toMatchObject({ page: 0x90_0712, sizeBits: 21 });
  });

  it('bits 62:36 are reserved in PDEs and PTEs, bits 20:13 in a PDE that maps a page', () => {
    for (let bit = 36n; bit < 63n; bit++) {
      expect(errorCode(pae({ 4096: (1n << bit) | 1n }, 0))).toBe(9);
      expect(errorCode(pae({ 4096: 0x5001, 20480: (1n << bit) | 1n }, 0))).toBe(9);
    }
    for (let bit = 13; bit < 21; bit++) expect(errorCode(pae({ 4096: (1 << bit) | PS | P }, 0))).toBe(9);
  });

  it('XD at any level forbids fetches, and only those', () => {
    const tables = (pde: bigint, pte: bigint) => ({ 4096: 0x5001n | pde, 20480: 0x6001n | pte });
    for (const [pde, pte] of [
      [XD, 0n],
      [0n, XD],
      [XD, XD],
    ] as const) {
      expect(errorCode(pae(tables(pde, pte), 0, { access: 'execute' }))).toBe(17);
      expect(page(pae(tables(pde, pte), 0))).toMatchObject({ page: 6, executable: false });
    }
    expect(page(pae(tables(0n, 0n), 0, { access: 'execute' })).executable).toBe(true);
  });

  it('XD is a reserved bit while EFER.NXE = 0', () => {
    const paging = { ...PAE, noExecute: false, reservedHigh: 0xffff_fff0 | 0 };
    expect(errorCode(pae({ 4096: 0x5001n | XD }, 0, {}, paging))).toBe(9);
  });

  it('flags are set in the lower doubleword of 8-byte entries', () => {
    const outcome = pae({ 4104: 0x5003, 20488: 0x9_0000_6003n }, 0x20_1000, { access: 'write' });
    expect(page(outcome).updates).toEqual([
      { at: 0x1008, bits: A },
      { at: 0x5008, bits: A | D },
    ]);
  });
});

describe('4-level paging', () => {
  const tables = {
    [0x1000 + 8 * 0x1ff]: 0x2007,
    [0x2000 + 8 * 0x1fe]: 0x3007,
    [0x3000 + 8 * 0x1fd]: 0x4007,
    [0x4000 + 8 * 0x1fc]: 0x9_8765_4007n,
  };
  const ADDRESS_48 = 0x1ff * 2 ** 39 + 0x1fe * 2 ** 30 + 0x1fd * 2 ** 21 + 0x1fc * 2 ** 12 + 0x123;

  it('takes nine bits of the address at each of four levels', () => {
    const outcome = walk(tables, ADDRESS_48, { privilege: 'user', access: 'write' }, LONG);
    expect(page(outcome)).toMatchObject({ page: 0x98_7654, user: true, writable: true, executable: true });
    expect(page(outcome).updates).toHaveLength(4);
  });

  it('a PDE maps 2 MiB; a PDPTE maps 1 GiB if the processor has such pages', () => {
    const upper = { 4096: 0x2007 };
    expect(page(walk({ ...upper, 8192: 0x3007, 12296: 0x40_0087 }, 0x32_1000, {}, LONG))).toMatchObject({
      page: 0x521,
      sizeBits: 21,
    });
    const gigabyte = { ...upper, 8200: 0x8000_0087 };
    expect(errorCode(walk(gigabyte, 0x4000_1000, {}, LONG))).toBe(9);
    expect(page(walk(gigabyte, 0x4000_1000, {}, { ...LONG, gigabytePages: true }))).toMatchObject({
      page: 0x80001,
      sizeBits: 30,
    });
  });

  it('bits 51:36 are reserved, bits 62:52 are ignored', () => {
    for (let bit = 36n; bit < 52n; bit++) {
      expect(errorCode(walk({ ...tables, [0x1000 + 8 * 0x1ff]: 0x2007n | (1n << bit) }, ADDRESS_48, {}, LONG))).toBe(9);
    }
    for (let bit = 52n; bit < 63n; bit++) {
      expect(page(walk({ ...tables, [0x1000 + 8 * 0x1ff]: 0x2007n | (1n << bit) }, ADDRESS_48, {}, LONG)).page).toBe(
        0x98_7654,
      );
    }
  });

  it('PS in a PML4E is reserved', () => {
    expect(errorCode(walk({ 4096: 0x2087 }, 0, {}, LONG))).toBe(9);
  });
});
