/**
 * What a Multiboot loader tells the kernel: the information structure and all that it points to, in one piece.
 * Source: Multiboot Specification 0.6.96, section 3.3.
 *
 * Not modelled: boot device, symbols, drives, configuration table, APM table and VBE, all of which a loader may leave out.
 */
import { MEMORY, type MemoryRange } from '../pc-map.ts';

export interface PlacedModule {
  readonly first: number;
  /** Behind its last byte. */
  readonly end: number;
  readonly commandLine: string;
}

export interface InformationOptions {
  readonly commandLine: string;
  readonly modules: readonly PlacedModule[];
  readonly memory: readonly MemoryRange[];
}

/** Offsets. */
const FIELD = {
  FLAGS: 0,
  MEMORY_LOWER: 4,
  MEMORY_UPPER: 8,
  COMMAND_LINE: 16,
  MODULE_COUNT: 20,
  MODULES: 24,
  MAP_LENGTH: 44,
  MAP: 48,
  LOADER_NAME: 64,
  FRAME_BUFFER: 88,
  PITCH: 96,
  WIDTH: 100,
  HEIGHT: 104,
  BITS_PER_CELL: 108,
  FRAME_BUFFER_TYPE: 109,
} as const;
const INFORMATION_BYTES = 120;
/** Which fields are valid. */
const VALID = {
  MEMORY: 1 << 0,
  COMMAND_LINE: 1 << 2,
  MODULES: 1 << 3,
  MAP: 1 << 6,
  LOADER_NAME: 1 << 9,
  FRAME_BUFFER: 1 << 12,
} as const;
const ALL_VALID = Object.values(VALID).reduce((all, flag) => all | flag);
const MODULE = { END: 4, COMMAND_LINE: 8, BYTES: 16 } as const;
/** `size` does not count itself. */
const MAP_ENTRY = { FIRST: 4, LENGTH: 12, TYPE: 20, BYTES: 24, SIZE: 20 } as const;
const MEMORY_TYPE = { usable: 1, reserved: 2 } as const;
/** Text: the sizes are in characters, the pitch in bytes. */
const EGA_TEXT = { TYPE: 2, COLUMNS: 80, LINES: 25, BITS: 16 } as const;
const LOADER = 'Vetro';
const KIB = 1024;

/** Bytes that `writeInformation` gives. */
export const informationSize = (options: InformationOptions): number => layOut(options).size;

/** @param address where the piece will lie, a multiple of 4 */
export function writeInformation(options: InformationOptions, address: number): Uint8Array {
  const { modules, memory } = options;
  const { map, moduleTable, strings, size } = layOut(options);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const write = (at: number, value: number): void => view.setUint32(at, value, true);
  const [loaderName, commandLine, ...moduleLines] = strings.map(({ at }) => address + at);

  write(FIELD.FLAGS, ALL_VALID);
  write(FIELD.MEMORY_LOWER, MEMORY.CONVENTIONAL[1] / KIB);
  write(FIELD.MEMORY_UPPER, upperMemory(memory) / KIB);
  write(FIELD.COMMAND_LINE, commandLine);
  write(FIELD.MODULE_COUNT, modules.length);
  write(FIELD.MODULES, address + moduleTable);
  write(FIELD.MAP_LENGTH, memory.length * MAP_ENTRY.BYTES);
  write(FIELD.MAP, address + map);
  write(FIELD.LOADER_NAME, loaderName);
  write(FIELD.FRAME_BUFFER, MEMORY.VGA_TEXT[0]);
  write(FIELD.PITCH, EGA_TEXT.COLUMNS * 2);
  write(FIELD.WIDTH, EGA_TEXT.COLUMNS);
  write(FIELD.HEIGHT, EGA_TEXT.LINES);
  bytes[FIELD.BITS_PER_CELL] = EGA_TEXT.BITS;
  bytes[FIELD.FRAME_BUFFER_TYPE] = EGA_TEXT.TYPE;

  for (const [index, { first, length, kind }] of memory.entries()) {
    const at = map + index * MAP_ENTRY.BYTES;
    write(at, MAP_ENTRY.SIZE);
    view.setBigUint64(at + MAP_ENTRY.FIRST, BigInt(first), true);
    view.setBigUint64(at + MAP_ENTRY.LENGTH, BigInt(length), true);
    write(at + MAP_ENTRY.TYPE, MEMORY_TYPE[kind]);
  }
  for (const [index, { first, end }] of modules.entries()) {
    const at = moduleTable + index * MODULE.BYTES;
    write(at, first);
    write(at + MODULE.END, end);
    write(at + MODULE.COMMAND_LINE, moduleLines[index]);
  }
  for (const { at, text } of strings) bytes.set(text, at);
  return bytes;
}

/** Each string has a zero behind it. */
function layOut({ commandLine, modules, memory }: InformationOptions) {
  const map = INFORMATION_BYTES;
  const moduleTable = map + memory.length * MAP_ENTRY.BYTES;
  let size = moduleTable + modules.length * MODULE.BYTES;
  const encoder = new TextEncoder();
  const strings = [LOADER, commandLine, ...modules.map((module) => module.commandLine)].map((line) => {
    const text = encoder.encode(line);
    const at = size;
    size += text.length + 1;
    return { at, text };
  });
  return { map, moduleTable, strings, size };
}

/** What lies above 1 MiB without a hole, in bytes. */
const upperMemory = (memory: readonly MemoryRange[]): number =>
  memory.find(({ first, kind }) => kind === 'usable' && first === MEMORY.EXTENDED[0])?.length ?? 0;
