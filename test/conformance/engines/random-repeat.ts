/** Random repeated string instructions: operation, sizes, direction, overlap, place in pages and segments, slices. */
import type { Random } from '../../../src/difftest/random.ts';
import {
  type CodeSize,
  HIGH_WINDOW,
  PAGE,
  PAGES,
  type SegmentSpec,
  type StringCase,
  WINDOW,
} from './string-machine.ts';

export const OPERATIONS = { movs: 0xa4, cmps: 0xa6, stos: 0xaa, lods: 0xac, scas: 0xae } as const;
export type Operation = keyof typeof OPERATIONS;

export interface DrawnCase extends StringCase {
  readonly operation: Operation;
  readonly width: 8 | 16 | 32 | 64;
  readonly addressSize: 16 | 32 | 64;
  readonly down: boolean;
  /** What is repeated and how, for counting. */
  readonly name: string;
}

const NOP = 0x90;
const ALL = 7;
const READ_ONLY = 5;
const ABSENT = 6;
const DF = 0x400;
const STATUS = 0x8d5;
const DATA_ACCESS = 0x00c0_9300;
const READ_ONLY_ACCESS = 0x00c0_9100;
const EXPAND_DOWN_ACCESS = 0x00c0_9700;
const SMALL_EXPAND_DOWN_ACCESS = 0x9700;
const SPAN = PAGE * PAGES;

/** @param how.flat as regions are made of: all segments but FS; before the instruction stands a NOP, which they can do */
export function drawCase(random: Random, { codeSize, flat }: { codeSize: CodeSize; flat: boolean }): DrawnCase {
  const operation = random.pick(Object.keys(OPERATIONS) as Operation[]);
  const width = random.pick(codeSize === 64 ? ([8, 16, 32, 64] as const) : ([8, 16, 32] as const));
  const otherAddressSize = random.oneIn(flat ? 12 : 3);
  const addressSize: 16 | 32 | 64 = !otherAddressSize ? codeSize : codeSize === 32 ? 16 : 32;
  const down = random.oneIn(2);
  const repne = random.oneIn(2);
  const override = random.oneIn(3);
  const size = width / 8;
  const count = drawCount(random, size);
  const from = drawPlace(random, { size, count, down });
  const to = random.oneIn(2)
    ? drawPlace(random, { size, count, down })
    : Math.min(SPAN - 1, Math.max(0, from + (random.oneIn(2) ? random.below(81) - 40 : random.below(17) - 8)));
  const window = { codeSize, addressSize, flat };
  const source = place(random, from, { ...window, hasBase: override });
  const target = place(random, to, { ...window, hasBase: false });
  const segments =
    codeSize === 64 || flat ? longSegments(source.base) : legacySegments(random, { source, target, override });
  // What lies above the address size is not looked at.
  const upper = (value: number) => {
    const above = (random.bits(64) >> BigInt(addressSize)) << BigInt(addressSize);
    return BigInt.asUintN(codeSize === 64 ? 64 : 32, above | BigInt(value));
  };
  const { data, rax } = drawData(random, width);
  return {
    operation,
    width,
    addressSize,
    down,
    name: `${codeSize} ${repne ? 'repne' : 'rep'} ${operation}${width} a${addressSize} ${down ? 'down' : 'up'}`,
    codeSize,
    flat,
    code: [...(flat ? [NOP] : []), ...encode({ operation, width, addressSize, codeSize, repne, override })],
    lead: flat ? 1 : 0,
    rax: codeSize === 64 ? rax : BigInt.asUintN(32, rax),
    rcx: upper(count),
    rsi: upper(source.offset),
    rdi: upper(target.offset),
    flags: 2 | (down ? DF : 0) | (Number(random.bits(12)) & STATUS),
    ...segments,
    mapping: drawMapping(random),
    data,
    cold: random.oneIn(2),
  };
}

/** Mostly few; sometimes more than a page. */
const drawCount = (random: Random, size: number): number =>
  random.oneIn(20) ? random.below(Math.ceil(6000 / size)) : random.below(random.pick([4, 20, 150]));

/** A place in the window, mostly where the run reaches the end of a page soon or just does not. */
function drawPlace(random: Random, run: { size: number; count: number; down: boolean }): number {
  if (random.oneIn(4)) return random.below(SPAN);
  const edge = PAGE * (1 + random.below(PAGES - 1));
  const before = random.below(Math.min(run.count * run.size, 2 * PAGE) + 12) - 4;
  const aligned = random.oneIn(2) ? before - (before % run.size) : before;
  return edge + (run.down ? aligned : -aligned);
}

interface Placed {
  readonly offset: number;
  readonly base: number;
}

/** Offset and segment base of a place in the window. */
function place(
  random: Random,
  at: number,
  how: { codeSize: CodeSize; addressSize: 16 | 32 | 64; flat: boolean; hasBase: boolean },
): Placed {
  const { codeSize, addressSize } = how;
  if (codeSize === 64) {
    if (addressSize === 64) {
      const linear = (random.oneIn(2) ? HIGH_WINDOW : WINDOW[64]) + at;
      const base = how.hasBase ? random.below(linear > 2 ** 32 ? 2 ** 31 : 0x1000) : 0;
      return { offset: linear - base, base };
    }
    if (!how.hasBase) return { offset: WINDOW[64] + at, base: 0 };
    const offset = random.oneIn(2) ? 2 ** 32 - 1 - random.below(200) : random.below(2 ** 31);
    return { offset, base: HIGH_WINDOW + at - offset };
  }
  const linear = (WINDOW[32] + at) % 2 ** 32;
  if (how.flat && !how.hasBase) return { offset: linear, base: 0 };
  if (addressSize === 32 && random.oneIn(2)) return { offset: linear, base: 0 };
  const range = addressSize === 16 ? 2 ** 16 : 2 ** 32;
  const offset = random.pick([random.below(300), range - 1 - random.below(300), random.below(range)]);
  return { offset, base: (linear - offset + 2 ** 32) % 2 ** 32 };
}

function legacySegments(random: Random, how: { source: Placed; target: Placed; override: boolean }) {
  const es = legacySegment(random, how.target);
  const own = legacySegment(random, how.source);
  const other = { base: 0, limit: 0, access: DATA_ACCESS };
  return { es, ds: how.override ? other : own, fs: how.override ? own : other };
}

/** Mostly large enough; else with an end near the offset. */
function legacySegment(random: Random, { base, offset }: Placed): SegmentSpec {
  const all = { base, limit: 0xffff_ffff, access: DATA_ACCESS };
  const near = Math.max(0, Math.min(0xffff_ffff, offset + random.below(400) - 100));
  const below = Math.max(0, offset - random.below(400) + 100);
  return random.pick<SegmentSpec>([
    all,
    all,
    all,
    { ...all, limit: Math.max(0xffff, offset) },
    { ...all, limit: near },
    { ...all, access: READ_ONLY_ACCESS },
    { base, limit: below, access: EXPAND_DOWN_ACCESS },
    { base, limit: below, access: SMALL_EXPAND_DOWN_ACCESS },
  ]);
}

/** In 64-bit code, and in flat code, only FS has a base. */
function longSegments(base: number) {
  const flat = { base: 0, limit: 0xffff_ffff, access: DATA_ACCESS };
  return { es: flat, ds: flat, fs: { ...flat, base } };
}

/** Pages in any order, some of them twice, seldom one that is not there or may not be written. */
function drawMapping(random: Random): StringCase['mapping'] {
  return Array.from({ length: PAGES }, (_, index) => ({
    page: random.oneIn(3) ? random.below(PAGES) : index,
    bits: random.oneIn(20) ? random.pick([READ_ONLY, ABSENT]) : ALL,
  }));
}

/** Long stretches of the same elements, so that comparisons go on; what breaks them is nearly the same. */
function drawData(random: Random, width: number): { data: Uint8Array; rax: bigint } {
  const data = new Uint8Array(SPAN);
  const size = width / 8;
  const element = new Uint8Array(8);
  random.fill(element);
  if (random.oneIn(3)) element.fill(element[0]);
  if (random.oneIn(4)) element.fill(0);
  const differing = random.oneIn(5);
  for (let at = 0; at < SPAN; at++) data[at] = element[at % size] ^ (differing ? 1 : 0);
  const breaks = random.below(400);
  for (let index = 0; index < breaks; index++)
    data[random.below(SPAN)] ^= random.pick([1, 0x80, 0xff, 1 + random.below(255)]);
  if (random.oneIn(3)) random.fill(data);
  const rax = new DataView(element.buffer).getBigUint64(0, true);
  return { data, rax };
}

function encode(how: {
  operation: Operation;
  width: number;
  addressSize: number;
  codeSize: CodeSize;
  repne: boolean;
  override: boolean;
}): number[] {
  const { operation, width, addressSize, codeSize, repne, override } = how;
  const operandSize = codeSize === 16 ? 16 : 32;
  const hlt = 0xf4;
  return [
    ...(addressSize === codeSize ? [] : [0x67]),
    ...(override ? [0x64] : []),
    ...((width === 16 || width === 32) && width !== operandSize ? [0x66] : []),
    repne ? 0xf2 : 0xf3,
    ...(width === 64 ? [0x48] : []),
    OPERATIONS[operation] + (width === 8 ? 0 : 1),
    hlt,
  ];
}
