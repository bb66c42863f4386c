/**
 * The page walk, as a loop over levels: a pure function of the request, the paging state and what the tables hold. It
 * raises nothing and writes nothing; the caller carries out the updates or raises the fault, and a debugger may probe.
 *
 * Entries are read as doublewords and kept as two numbers (`high` is 0 for 4-byte entries): no BigInt on this path.
 *
 * SDM Vol. 3A, chapter "Paging". A fault sets no accessed bits: the manual leaves open whether the entries passed on the
 * way get theirs. Not modelled: 5-level paging, SMEP, SMAP, protection keys, PSE-36 (none is advertised).
 */
import { PAGE_SIZE } from '../../base/address.ts';
import { type Cause, type GuestFault, raise } from '../fault.ts';
import type { PagingState } from './paging-state.ts';

export interface WalkRequest {
  /** Linear address; below 2^48, canonical form is the caller's business. */
  readonly address: number;
  readonly access: 'read' | 'write' | 'execute';
  /** 'user': CPL 3, unless the access is an implicit one to a system table. */
  readonly privilege: 'user' | 'supervisor';
}

/** An accessed or dirty bit to be set: OR `bits` to the doubleword at physical address `at`. */
export interface EntryUpdate {
  readonly at: number;
  readonly bits: number;
}

export interface Translation {
  readonly kind: 'translation';
  /** Physical number of the 4 KiB page that holds the address (also within a larger page). */
  readonly page: number;
  /** log2 of the size of the page as mapped: 12, 21, 22 or 30. */
  readonly sizeBits: number;
  /** R/W of all levels. With CR0.WP = 0 a supervisor may write nevertheless. */
  readonly writable: boolean;
  /** U/S of all levels. */
  readonly user: boolean;
  readonly executable: boolean;
  /** Survives MOV CR3. */
  readonly global: boolean;
  readonly updates: readonly EntryUpdate[];
}

export interface PageFault {
  readonly kind: 'fault';
  readonly address: number;
  readonly errorCode: number;
  readonly cause: Cause;
}

/** Page-fault error code. SDM Vol. 3A, "Page-Fault Exceptions". */
export const PAGE_FAULT = { P: 1, WR: 2, US: 4, RSVD: 8, ID: 16 } as const;

/** Bits of a paging-structure entry. */
export const ENTRY = {
  P: 1 << 0,
  RW: 1 << 1,
  US: 1 << 2,
  A: 1 << 5,
  D: 1 << 6,
  PS: 1 << 7,
  G: 1 << 8,
} as const;

interface Level {
  readonly name: 'PML4E' | 'PDPTE' | 'PDE' | 'PTE';
  /** Lowest address bit that selects an entry: a leaf here maps 2^shift bytes, which is `span`. */
  readonly shift: number;
  readonly span: number;
  /** What PS (bit 7) means: nothing special in a PTE (there it is PAT), a larger page, or reserved. */
  readonly large: 'ignored' | 'pse' | 'always' | 'gigabyte' | 'reserved';
}

const LEVELS: Readonly<Record<PagingState['mode'], readonly Level[]>> = {
  '32-bit': [
    { name: 'PDE', shift: 22, span: 2 ** 22, large: 'pse' },
    { name: 'PTE', shift: 12, span: 2 ** 12, large: 'ignored' },
  ],
  // The top level is in registers.
  PAE: [
    { name: 'PDE', shift: 21, span: 2 ** 21, large: 'always' },
    { name: 'PTE', shift: 12, span: 2 ** 12, large: 'ignored' },
  ],
  '4-level': [
    { name: 'PML4E', shift: 39, span: 2 ** 39, large: 'reserved' },
    { name: 'PDPTE', shift: 30, span: 2 ** 30, large: 'gigabyte' },
    { name: 'PDE', shift: 21, span: 2 ** 21, large: 'always' },
    { name: 'PTE', shift: 12, span: 2 ** 12, large: 'ignored' },
  ],
};

const NO_UPDATES: readonly EntryUpdate[] = [];

/** Translates a linear address. `readEntry` gives the doubleword at a physical address. Paging must be on. */
export function walkPages(
  request: WalkRequest,
  paging: PagingState,
  readEntry: (at: number) => number,
): Translation | PageFault {
  const { address } = request;
  const wide = paging.mode !== '32-bit';
  const indexMask = wide ? 0x1ff : 0x3ff;
  let table = paging.root;
  if (paging.mode === 'PAE') {
    const index = Math.floor(address / 2 ** 30) & 3;
    const pdpte = paging.pdptes[index];
    if ((pdpte & ENTRY.P) === 0)
      return fault(
        request,
        paging,
        0,
        'page-directory-pointer-table entry not present',
        `PDPTE${index} (register)`,
        0,
        pdpte,
        pdpte / 2 ** 32,
      );
    table = tableAddress(pdpte | 0, (pdpte / 2 ** 32) | 0, paging);
  }
  let writable = true;
  let user = true;
  let executable = true;
  let updates = NO_UPDATES;

  for (const level of LEVELS[paging.mode]) {
    const index = Math.floor(address / level.span) & indexMask;
    const at = table + index * (wide ? 8 : 4);
    const low = readEntry(at);
    const high = wide ? readEntry(at + 4) : 0;
    if ((low & ENTRY.P) === 0) return fault(request, paging, 0, 'entry not present', level.name, at, low, high);
    const leaf = level.shift === 12 || ((low & ENTRY.PS) !== 0 && mapsLargePage(level, paging));
    const reserved = reservedBits(level, leaf, low, high, paging);
    if (reserved)
      return fault(request, paging, PAGE_FAULT.P | PAGE_FAULT.RSVD, 'reserved bit set', level.name, at, low, high);

    writable &&= (low & ENTRY.RW) !== 0;
    user &&= (low & ENTRY.US) !== 0;
    executable &&= high >>> 31 === 0;

    if (leaf) {
      const denied = denies(request, paging, writable, user, executable);
      if (denied !== undefined) return fault(request, paging, PAGE_FAULT.P, denied, level.name, at, low, high);
    }
    const wanted = leaf && request.access === 'write' ? ENTRY.A | ENTRY.D : ENTRY.A;
    if ((low & wanted) !== wanted) updates = [...updates, { at, bits: wanted }];
    const base = tableAddress(low, high, paging);
    if (leaf) {
      return {
        kind: 'translation',
        page: level.shift === 12 ? base / PAGE_SIZE : pageWithin(base, address, level.span),
        sizeBits: level.shift,
        writable,
        user,
        executable,
        global: paging.globalPages && (low & ENTRY.G) !== 0,
        updates,
      };
    }
    table = base;
  }
  throw new RangeError('unreachable: the last level is a leaf');
}

/** The exception that a failed walk raises. */
export const pageFault = ({ address, errorCode, cause }: PageFault): GuestFault => raise.PF(address, errorCode, cause);

/** Bits 12 and up of an entry, as an address. */
function tableAddress(low: number, high: number, paging: PagingState): number {
  const below4GiB = (low & 0xffff_f000) >>> 0;
  return high === 0 ? below4GiB : below4GiB + (high & paging.addressMaskHigh) * 0x1_0000_0000;
}

/** Number of the 4 KiB page of an address in a larger page, whose entry gives `base` (with PAT in bit 12). */
const pageWithin = (base: number, address: number, span: number): number =>
  (base - (base % span) + (address % span) - (address % PAGE_SIZE)) / PAGE_SIZE;

function mapsLargePage(level: Level, paging: PagingState): boolean {
  if (level.large === 'pse') return paging.pageSizeExtensions;
  return level.large === 'always' || (level.large === 'gigabyte' && paging.gigabytePages);
}

/** Is a bit set that must be clear in a present entry? */
function reservedBits(level: Level, leaf: boolean, low: number, high: number, paging: PagingState): boolean {
  if ((high & paging.reservedHigh) !== 0) return true;
  if (level.shift === 12) return false;
  // A larger page: the address bits below its size, except bit 12 (PAT).
  if (leaf) return (low & (level.span - 1) & ~0x1fff) !== 0;
  return (low & ENTRY.PS) !== 0 && (level.large === 'reserved' || level.large === 'gigabyte');
}

/** The access right that is missing, if one is. SDM Vol. 3A, "Determination of Access Rights". */
function denies(
  request: WalkRequest,
  paging: PagingState,
  writable: boolean,
  user: boolean,
  executable: boolean,
): string | undefined {
  const byUser = request.privilege === 'user';
  if (byUser && !user) return 'user-mode access to a supervisor page';
  if (request.access === 'write' && !writable) {
    if (byUser) return 'user-mode write to a read-only page';
    if (paging.writeProtect) return 'supervisor write to a read-only page with CR0.WP = 1';
  }
  if (request.access === 'execute' && !executable) return 'instruction fetch from a page with XD = 1';
  return undefined;
}

function fault(
  { address, access, privilege }: WalkRequest,
  paging: PagingState,
  bits: number,
  check: string,
  level: string,
  entryAddress: number,
  low: number,
  high: number,
): PageFault {
  let errorCode = bits;
  if (access === 'write') errorCode |= PAGE_FAULT.WR;
  if (privilege === 'user') errorCode |= PAGE_FAULT.US;
  if (access === 'execute' && paging.noExecute) errorCode |= PAGE_FAULT.ID;
  const entry = BigInt(low >>> 0) | (BigInt(high >>> 0) << 32n);
  const cause = {
    check,
    manual: 'SDM Vol. 3A, "Page-Fault Exceptions"',
    on: { level, entryAddress, entry, address, access, privilege },
  };
  return { kind: 'fault', address, errorCode, cause };
}
