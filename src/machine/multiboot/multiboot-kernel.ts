/**
 * A kernel for the Multiboot protocol, version 1: what of its file goes where, and where it starts.
 * Sources: Multiboot Specification 0.6.96, section 3.1; TIS ELF Specification 1.2, book I.
 *
 * Not modelled: symbol and section tables for the kernel itself (flags 4 and 5 of the information), and setting a graphics
 * mode that the header recommends (a loader may choose; it is told of text mode).
 */
import { UserError } from '../../base/errors.ts';
import { findMultibootHeader } from '../../base/multiboot-header.ts';

/** Bytes for memory, with zeros behind them up to `length`. */
export interface Segment {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly length: number;
}

export interface MultibootKernel {
  /** By address; none is empty, none overlaps another. */
  readonly segments: readonly Segment[];
  /** Physical address. */
  readonly entry: number;
}

/** Offsets from the header. */
const HEADER = {
  FLAGS: 4,
  HEADER_ADDR: 12,
  LOAD_ADDR: 16,
  LOAD_END_ADDR: 20,
  BSS_END_ADDR: 24,
  ENTRY_ADDR: 28,
} as const;
const WITH_ADDRESSES = 32;
/**
 * Wishes that are met always: modules at page borders, the map of memory, the mode of the screen. Others of the lower half
 * a loader must know, or fail; of the upper half it need not.
 */
const KNOWN_FLAGS = 0x0007;
const DEMANDS = 0xffff;
const HAS_ADDRESSES = 0x1_0000;

const ELF = {
  MAGIC: 0x464c_457f,
  CLASS: 4,
  CLASS_32: 1,
  CLASS_64: 2,
  DATA: 5,
  LITTLE_ENDIAN: 1,
  TYPE: 16,
  EXECUTABLE: 2,
  MACHINE: 18,
  MACHINES: [3, 6] as readonly number[], // EM_386, and what it once was called for the 486
  ENTRY: 24,
  PROGRAM_HEADERS: 28,
  PROGRAM_HEADER_SIZE: 42,
  PROGRAM_HEADER_COUNT: 44,
  BYTES: 52,
} as const;
const PROGRAM_HEADER = {
  TYPE: 0,
  OFFSET: 4,
  VIRTUAL: 8,
  PHYSICAL: 12,
  FILE_SIZE: 16,
  MEMORY_SIZE: 20,
  BYTES: 32,
} as const;
const LOADED = 1;

/** @throws UserError if it is none, or not complete, or contradicts itself */
export function readMultibootKernel(image: Uint8Array): MultibootKernel {
  const header = findMultibootHeader(image);
  if (header === undefined) throw new UserError('the kernel has no Multiboot header');
  if (header.version === 2) throw new UserError(MULTIBOOT_2);
  if (!header.isSound)
    throw new UserError('the Multiboot header of the kernel is corrupt: its checksum does not fit its flags');
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const flags = view.getUint32(header.at + HEADER.FLAGS, true);
  const unknown = flags & DEMANDS & ~KNOWN_FLAGS;
  if (unknown !== 0)
    throw new UserError(`the kernel wants what Multiboot 1 does not have: flags ${hex(unknown)} of its header`);
  const { segments, entry } =
    (flags & HAS_ADDRESSES) !== 0 ? readAddressFields(image, header.at) : readElf(image, view);
  const ordered = segments.filter(({ length }) => length > 0).sort((one, other) => one.address - other.address);
  for (const [index, { address, length }] of ordered.entries()) {
    const next = ordered[index + 1];
    if (next !== undefined && next.address < address + length)
      throw new UserError(`the kernel is corrupt: its segments at ${hex(address)} and ${hex(next.address)} overlap`);
  }
  return { segments: ordered, entry };
}

export const MULTIBOOT_2 =
  'the kernel is made for Multiboot 2, and version 1 is what starts here; boot it by way of a loader (grub-mkrescue)';

/** The "a.out kludge": the header says itself what is to be loaded. */
function readAddressFields(image: Uint8Array, at: number): MultibootKernel {
  if (image.length < at + WITH_ADDRESSES)
    throw new UserError('the kernel is truncated: its Multiboot header has no end');
  const view = new DataView(image.buffer, image.byteOffset + at, WITH_ADDRESSES);
  const [headerAddress, address, loadEnd, bssEnd, entry] = [
    HEADER.HEADER_ADDR,
    HEADER.LOAD_ADDR,
    HEADER.LOAD_END_ADDR,
    HEADER.BSS_END_ADDR,
    HEADER.ENTRY_ADDR,
  ].map((field) => view.getUint32(field, true));
  const offset = at - (headerAddress - address);
  // "If this field is zero, the text and data segments occupy the whole OS image file."
  const size = loadEnd === 0 ? image.length - offset : loadEnd - address;
  const length = bssEnd === 0 ? size : bssEnd - address;
  if (headerAddress < address || offset < 0 || size <= 0 || length < size)
    throw new UserError('the kernel is corrupt: the addresses in its Multiboot header contradict each other');
  if (offset + size > image.length) throw truncated(image, offset + size);
  if (entry < address || entry >= address + size)
    throw new UserError(`the kernel is corrupt: its entry ${hex(entry)} is outside of what is loaded`);
  return { segments: [{ address, bytes: image.subarray(offset, offset + size), length }], entry };
}

function readElf(image: Uint8Array, view: DataView): MultibootKernel {
  if (image.length < ELF.BYTES || view.getUint32(0, true) !== ELF.MAGIC)
    throw new UserError('the kernel is no ELF file, and its Multiboot header does not say where it is to be loaded');
  if (image[ELF.CLASS] === ELF.CLASS_64)
    throw new UserError('the kernel is an ELF64 file: Multiboot starts 32-bit code; make an ELF32 file of it');
  const isExecutable =
    image[ELF.CLASS] === ELF.CLASS_32 &&
    image[ELF.DATA] === ELF.LITTLE_ENDIAN &&
    view.getUint16(ELF.TYPE, true) === ELF.EXECUTABLE &&
    ELF.MACHINES.includes(view.getUint16(ELF.MACHINE, true));
  if (!isExecutable) throw new UserError('the kernel is an ELF file, but no executable for the i386');
  const headers = readProgramHeaders(image, view);
  const segments = headers.map(({ physical, offset, fileSize, memorySize }): Segment => {
    if (fileSize > memorySize)
      throw new UserError(
        `the kernel is corrupt: its segment at ${hex(physical)} is larger in the file than in memory`,
      );
    if (offset + fileSize > image.length) throw truncated(image, offset + fileSize);
    return { address: physical, bytes: image.subarray(offset, offset + fileSize), length: memorySize };
  });
  return { segments, entry: entryOf(view.getUint32(ELF.ENTRY, true), headers) };
}

interface ProgramHeader {
  readonly offset: number;
  readonly virtual: number;
  readonly physical: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

/** Of what is loaded. */
function readProgramHeaders(image: Uint8Array, view: DataView): ProgramHeader[] {
  const first = view.getUint32(ELF.PROGRAM_HEADERS, true);
  const size = view.getUint16(ELF.PROGRAM_HEADER_SIZE, true);
  const count = view.getUint16(ELF.PROGRAM_HEADER_COUNT, true);
  if (count > 0 && size < PROGRAM_HEADER.BYTES)
    throw new UserError('the kernel is corrupt: its program headers are too short');
  if (first + count * size > image.length) throw truncated(image, first + count * size);
  const result: ProgramHeader[] = [];
  for (let index = 0; index < count; index++) {
    const field = (offset: number): number => view.getUint32(first + index * size + offset, true);
    if (field(PROGRAM_HEADER.TYPE) !== LOADED || field(PROGRAM_HEADER.MEMORY_SIZE) === 0) continue;
    result.push({
      offset: field(PROGRAM_HEADER.OFFSET),
      virtual: field(PROGRAM_HEADER.VIRTUAL),
      physical: field(PROGRAM_HEADER.PHYSICAL),
      fileSize: field(PROGRAM_HEADER.FILE_SIZE),
      memorySize: field(PROGRAM_HEADER.MEMORY_SIZE),
    });
  }
  if (result.length === 0) throw new UserError('the kernel is an ELF file with nothing in it to load');
  return result;
}

/** A physical address; kernels that run elsewhere than they are loaded often name a virtual one, which loaders translate. */
function entryOf(entry: number, headers: readonly ProgramHeader[]): number {
  const isIn = (start: number, { memorySize }: ProgramHeader): boolean => entry >= start && entry - start < memorySize;
  if (headers.some((header) => isIn(header.physical, header))) return entry;
  const found = headers.find((header) => isIn(header.virtual, header));
  if (found === undefined)
    throw new UserError(`the kernel is corrupt: its entry ${hex(entry)} is outside of what is loaded`);
  return entry - found.virtual + found.physical;
}

const truncated = (image: Uint8Array, needed: number): UserError =>
  new UserError(`the kernel is truncated: ${image.length} of at least ${needed} bytes`);

const hex = (value: number): string => `${value.toString(16).toUpperCase()}h`;
