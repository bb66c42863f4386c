/**
 * Segmentation: from a logical address to a linear one. SDM Vol. 3A, "Protected-Mode Memory Management" and "Limit
 * Checking".
 *
 * Engines check offsets against the three bounds of a segment's cache. The bounds are a safe short cut: what lies within
 * them is allowed; what does not must be asked of `translateLogical`, which decides exactly and says why not.
 */

import { SEGMENT } from '../isa/semantics.ts';
import type { Cpu } from './cpu.ts';
import { ACCESS, type Descriptor } from './descriptor.ts';
import { type GuestFault, raise } from './fault.ts';
import { isLongMode, isRealMode } from './processor-mode.ts';
import { type CpuState, LDTR, NULL_SEGMENT, type SegmentState } from './state-layout.ts';

export type SegmentAccess = 'read' | 'write' | 'execute';

export const { ES, CS, SS, DS, FS, GS } = SEGMENT;
const NAMES = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const;
export const segmentName = (segment: number): string => NAMES[segment];

/** Present, writable, accessed, expand-up data of 16 bits: what real-address mode works with. */
const REAL_MODE_ACCESS = 0x9300;
/** Likewise with DPL 3. */
const VIRTUAL_8086_ACCESS = 0xf300;
const LARGEST = 0xffff_ffff;

/** Offsets that the limit leaves valid, both ends included; undefined when there are none. */
function offsetRange(segment: Pick<SegmentState, 'access' | 'limit'>): { low: number; high: number } | undefined {
  const { access, limit } = segment;
  if (access & NULL_SEGMENT || !(access & ACCESS.PRESENT)) return undefined;
  if (!isExpandDown(access)) return { low: 0, high: limit };
  const high = access & ACCESS.BIG ? LARGEST : 0xffff;
  return limit >= high ? undefined : { low: limit + 1, high };
}

/** Whether `size` bytes at an offset lie within the limit, whatever the type allows. */
export function isWithinLimit(segment: Pick<SegmentState, 'access' | 'limit'>, offset: number, size: number): boolean {
  const range = offsetRange(segment);
  return range !== undefined && offset >= range.low && offset + size - 1 <= range.high;
}

const isExpandDown = (access: number): boolean =>
  (access & (ACCESS.SEGMENT | ACCESS.CODE | ACCESS.EXPAND_DOWN)) === (ACCESS.SEGMENT | ACCESS.EXPAND_DOWN);

const mayRead = (access: number): boolean => !(access & ACCESS.CODE) || (access & ACCESS.READABLE) !== 0;
const mayWrite = (access: number): boolean => !(access & ACCESS.CODE) && (access & ACCESS.WRITABLE) !== 0;

/** Derives `low`, `highRead` and `highWrite` from limit and access. */
export function refreshSegmentBounds(segment: SegmentState): void {
  const { access } = segment;
  const range = offsetRange(segment);
  if (range === undefined) {
    // No offset is ≥ low and ≤ high.
    segment.low = LARGEST;
    segment.highRead = 0;
    segment.highWrite = 0;
    return;
  }
  const { low, high } = range;
  const [reads, writes] = [mayRead(access), mayWrite(access)];
  // With `low` 0, a bound of 0 would allow a byte at offset 0. That byte then takes the exact path.
  segment.low = low === 0 && !(reads && writes) ? 1 : low;
  segment.highRead = reads ? high : 0;
  segment.highWrite = writes ? high : 0;
}

/** Sets what a descriptor says. A system reloads its segments at each entry, nearly always with what they hold. */
function fillSegmentCache(cache: SegmentState, base: number, limit: number, access: number): void {
  cache.base = base;
  if (cache.limit === limit && cache.access === access) return;
  cache.limit = limit;
  cache.access = access;
  refreshSegmentBounds(cache);
}

/**
 * Linear address of `size` bytes at an offset in a segment register's segment.
 * @throws GuestFault #SS(0) for SS, #GP(0) for the others
 */
export function translateLogical(
  cpu: Cpu,
  segment: number,
  offset: number,
  size: number,
  access: SegmentAccess,
): number {
  const { state } = cpu;
  const cache = state.segments[segment];
  if (isLongMode(state)) return segment === FS || segment === GS ? cache.base + offset : offset;
  const range = offsetRange(cache);
  if (range === undefined || offset < range.low || offset + size - 1 > range.high || !allows(state, cache, access)) {
    throw segmentFault(cpu, segment, offset, size, access);
  }
  return (cache.base + offset) >>> 0;
}

function allows(state: CpuState, cache: SegmentState, access: SegmentAccess): boolean {
  // The type stays from protected mode (or from reset) and is not looked at in real-address mode.
  if (access === 'execute' || isRealMode(state)) return true;
  return access === 'read' ? mayRead(cache.access) : mayWrite(cache.access);
}

/** The fault of an access that `translateLogical` refuses. */
export function segmentFault(
  cpu: Cpu,
  segment: number,
  offset: number,
  size: number,
  access: SegmentAccess,
): GuestFault {
  const cache = cpu.state.segments[segment];
  const cause = {
    check: failedCheck(cpu.state, cache, access),
    manual: 'SDM Vol. 3A, "Limit Checking" and "Type Checking"',
    on: {
      segment: segmentName(segment),
      selector: cache.selector,
      base: cache.base,
      limit: cache.limit,
      access: cache.access,
      offset,
      size,
    },
  };
  return segment === SS ? raise.SS(0, cause) : raise.GP(0, cause);
}

function failedCheck(state: CpuState, cache: SegmentState, access: SegmentAccess): string {
  if (cache.access & NULL_SEGMENT) return 'access through a null selector';
  if (!(cache.access & ACCESS.PRESENT)) return 'access to a segment that is not present';
  if (!allows(state, cache, access)) {
    if (access === 'read') return 'read of an execute-only code segment';
    return cache.access & ACCESS.CODE ? 'write to a code segment' : 'write to a read-only data segment';
  }
  return isExpandDown(cache.access)
    ? 'offset not above the limit of an expand-down segment'
    : 'offset beyond the segment limit';
}

/** Fills a segment register's cache from a descriptor. */
export function loadSegmentCache(cache: SegmentState, selector: number, descriptor: Descriptor): void {
  cache.selector = selector;
  fillSegmentCache(cache, descriptor.base, descriptor.limit, descriptor.access);
}

/** Makes a segment register unusable, as a null selector does; base and limit are cleared. */
export function loadNullSegment(cache: SegmentState, selector: number): void {
  cache.selector = selector;
  fillSegmentCache(cache, 0, 0, NULL_SEGMENT);
}

/**
 * Real-address mode: the base is sixteen times the selector. The limit stays (a 4 GiB limit from protected mode goes on
 * to hold, as on real CPUs). CS gets the access rights of real mode, other segments keep theirs while they are usable.
 */
export function loadRealModeSegment(state: CpuState, segment: number, selector: number): void {
  const cache = state.segments[segment];
  const usable = ACCESS.SEGMENT | ACCESS.PRESENT;
  if (cache.access & NULL_SEGMENT || (cache.access & usable) !== usable) {
    cache.limit = 0xffff;
    cache.access = REAL_MODE_ACCESS;
  }
  if (segment === CS) cache.access = REAL_MODE_ACCESS;
  cache.selector = selector;
  cache.base = selector << 4;
  refreshSegmentBounds(cache);
}

/** Virtual-8086 mode: likewise, with a limit of FFFFh and DPL 3. */
export function loadVirtual8086Segment(state: CpuState, segment: number, selector: number): void {
  const cache = state.segments[segment];
  cache.selector = selector;
  fillSegmentCache(cache, selector << 4, 0xffff, VIRTUAL_8086_ACCESS);
}

/** A flat 4 GiB segment, as SYSENTER and SYSEXIT load it: `access` gives type and DPL. */
export function loadFlatSegment(cache: SegmentState, selector: number, access: number): void {
  cache.selector = selector;
  fillSegmentCache(cache, 0, LARGEST, access);
}

/** Loads a null selector into LDTR: the LDT does not exist. */
export const clearLdtr = (state: CpuState, selector: number): void => loadNullSegment(state.segments[LDTR], selector);

/** Width of the stack pointer: SS.B. */
export const stackMask = (state: CpuState): number => (state.segments[SS].access & ACCESS.BIG ? LARGEST : 0xffff);
