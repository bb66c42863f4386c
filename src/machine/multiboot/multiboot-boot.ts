/**
 * The Multiboot protocol, version 1: what a loader does with a kernel and its modules, and how it starts it.
 * Source: Multiboot Specification 0.6.96, sections 3.2 and 3.3.
 *
 * Modules lie behind the kernel, at page borders, as kernels expect that look for them after they have begun to use memory;
 * the information lies in conventional memory, which such kernels leave alone.
 */
import { PAGE_SIZE } from '../../base/address.ts';
import { UserError } from '../../base/errors.ts';
import type { BootImage } from '../boot.ts';
import { flatGdt } from '../flat-gdt.ts';
import { ImageStore } from '../image-store.ts';
import { MAXIMUM_MEMORY, MEMORY, memoryMap } from '../pc-map.ts';
import { informationSize, type PlacedModule, writeInformation } from './multiboot-information.ts';
import { type MultibootKernel, readMultibootKernel, type Segment } from './multiboot-kernel.ts';

/** A file that is loaded together with the kernel. */
export interface BootModule {
  readonly image: Uint8Array;
  /** The string that goes with it. Default: empty. */
  readonly commandLine?: string | undefined;
}

export interface MultibootOptions {
  readonly kernel: Uint8Array;
  readonly modules?: readonly BootModule[] | undefined;
  readonly commandLine: string;
  /** Size of the guest's RAM in bytes. */
  readonly memoryBytes: number;
  readonly images?: ImageStore | undefined;
}

/** [first, end): RAM that holds nothing yet. */
type Gap = readonly [first: number, end: number];

const LOADED_BY_MULTIBOOT = 0x2bad_b002;
const ALIGNMENT = 16;
const MIB = 2 ** 20;

/**
 * Lays kernel, modules and information out in memory.
 * @throws UserError if the kernel is none for Multiboot, or if something does not fit
 */
export function multibootBoot(options: MultibootOptions): BootImage {
  const { commandLine, memoryBytes, modules = [], images = new ImageStore() } = options;
  const kernel = readMultibootKernel(images.keep(options.kernel));
  const memory = memoryMap(memoryBytes);
  const ram = memory.filter(({ kind }) => kind === 'usable').map(({ first, length }): Gap => [first, first + length]);
  for (const segment of kernel.segments) checkPlace(segment, ram, memoryBytes);
  let gaps = ram.flatMap((range) => gapsBeside(range, kernel.segments));

  const placed: PlacedModule[] = [];
  for (const { image, commandLine: line = '' } of modules) {
    const first = placeModule(image.length, gaps, kernel);
    if (first === undefined) {
      const what = modules.length === 1 ? 'module' : `${placed.length + 1}. module`;
      const sizes = `${mebibytes(image.length)} MiB) does not fit into ${mebibytes(memoryBytes)} MiB`;
      throw new UserError(`the ${what} (${sizes} of memory next to the kernel`);
    }
    placed.push({ first, end: first + image.length, commandLine: line });
    gaps = without(gaps, [first, first + image.length]);
  }

  const information = { commandLine, modules: placed, memory };
  const gdt = flatGdt();
  const informationBytes = Math.ceil(informationSize(information) / ALIGNMENT) * ALIGNMENT;
  const address = placeInformation(informationBytes + gdt.bytes.length, gaps);
  if (address === undefined) throw new UserError('the command lines do not fit into memory next to the kernel');
  return {
    pieces: [
      ...kernel.segments.map(({ address: at, bytes }) => ({ address: at, bytes })),
      ...placed.map(({ first }, index) => ({ address: first, bytes: modules[index].image })),
      { address, bytes: writeInformation(information, address) },
      { address: address + informationBytes, bytes: gdt.bytes },
    ],
    zeros: kernel.segments.map(({ address: at, bytes, length }) => ({
      address: at + bytes.length,
      length: length - bytes.length,
    })),
    entry: {
      mode: 'protected',
      eip: kernel.entry,
      registers: { eax: LOADED_BY_MULTIBOOT, ebx: address },
      codeSelector: gdt.codeSelector,
      dataSelector: gdt.dataSelector,
      gdt: { address: address + informationBytes, limit: gdt.bytes.length - 1 },
    },
  };
}

/** @throws UserError unless the segment lies in RAM */
function checkPlace({ address, length }: Segment, ram: readonly Gap[], memoryBytes: number): void {
  const end = address + length;
  if (ram.some((range) => address >= range[0] && end <= range[1])) return;
  if (address >= MEMORY.EXTENDED[0] && end <= MAXIMUM_MEMORY)
    throw new UserError(
      `the kernel needs at least ${mebibytes(end)} MiB of memory, the guest has ${mebibytes(memoryBytes)}`,
    );
  throw new UserError(`the kernel wants to be loaded to ${hex(address)}–${hex(end - 1)}, where no memory is`);
}

/** Behind the kernel; before it, if there is no room. Never below 1 MiB. */
function placeModule(length: number, gaps: readonly Gap[], { segments }: MultibootKernel): number | undefined {
  const last = segments.at(-1);
  const kernelEnd = last === undefined ? 0 : last.address + last.length;
  const rooms = gaps
    .filter(([first]) => first >= MEMORY.EXTENDED[0])
    .map(([first, end]): Gap => [Math.ceil(first / PAGE_SIZE) * PAGE_SIZE, end])
    .filter(([first, end]) => end - first >= length);
  return (rooms.find(([first]) => first >= kernelEnd) ?? rooms[0])?.[0];
}

/** At the end of conventional memory; behind all else, if a kernel fills that. The page of the interrupt table stays free. */
function placeInformation(length: number, gaps: readonly Gap[]): number | undefined {
  const rooms = gaps
    .map(([first, end]): Gap => [Math.max(first, PAGE_SIZE), end])
    .filter(([first, end]) => end - first >= length + ALIGNMENT);
  const low = rooms.findLast(([, end]) => end <= MEMORY.EXTENDED[0]);
  if (low !== undefined) return Math.floor((low[1] - length) / ALIGNMENT) * ALIGNMENT;
  const high = rooms.at(-1);
  return high && Math.ceil(high[0] / ALIGNMENT) * ALIGNMENT;
}

/** What segments, which are in order, leave of a range. There may be tens of thousands. */
function gapsBeside([first, end]: Gap, segments: readonly Segment[]): Gap[] {
  const inside = segments.filter(({ address }) => address >= first && address < end);
  const starts = [first, ...inside.map(({ address, length }) => address + length)];
  const ends = [...inside.map(({ address }) => address), end];
  return starts.map((start, index): Gap => [start, ends[index]]).filter(([from, to]) => from < to);
}

/** What is left of gaps when a range is taken. */
const without = (gaps: readonly Gap[], [first, end]: Gap): Gap[] =>
  gaps
    .flatMap((gap): Gap[] => [
      [gap[0], Math.min(gap[1], first)],
      [Math.max(gap[0], end), gap[1]],
    ])
    .filter(([from, to]) => from < to);

const mebibytes = (bytes: number): number => Math.ceil(bytes / MIB);

const hex = (value: number): string => `${value.toString(16).toUpperCase()}h`;
