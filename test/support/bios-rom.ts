/** The BIOS's ROM from its source in `roms`, as text of the module that carries it. */
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { assemble } from '../../src/isa/assemble.ts';

const FOLDER = join(import.meta.dirname, '../../roms');
const MAIN_FILE = 'bios.asm';
const FILLER = 0xff;
/** Bytes of filler that are worth a new piece, and bytes in a line. */
const GAP = 8;
const LINE = 48;

const read = (name: string): string => readFileSync(join(FOLDER, name), 'utf8');

export function assembleBios() {
  const include = (name: string, from: string) => {
    const path = posix.join(posix.dirname(from), name);
    return { name: path, text: read(path) };
  };
  return assemble(read(MAIN_FILE), { file: MAIN_FILE, include });
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

export function biosModule(): string {
  const { bytes, origin, labels } = assembleBios();
  const lines: string[] = [];
  const isFiller = (from: number, count: number) => bytes.subarray(from, from + count).every((byte) => byte === FILLER);
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] === FILLER) {
      at++;
      continue;
    }
    let end = at;
    while (end < Math.min(at + LINE, bytes.length) && !isFiller(end, GAP)) end++;
    lines.push(`  [0x${hex(origin + at, 4)}, '${[...bytes.subarray(at, end)].map((byte) => hex(byte, 2)).join('')}'],`);
    at = end;
  }
  const entries = [...labels].filter(([name]) => !name.includes('.') && !/[A-Z]/.test(name));
  return [
    '/** The code of the BIOS: made from `roms/bios.asm` by `npm run bless`. Not to be edited. */',
    '',
    '/** Offsets in the segment F000h, and bytes in hexadecimal. What is between them is FFh. */',
    'export const ROM_PIECES: readonly (readonly [offset: number, bytes: string])[] = [',
    ...lines,
    '];',
    '',
    '/** Labels of the source: offsets in the segment F000h. */',
    'export const ROM_LABELS = {',
    ...entries.map(([name, address]) => `  ${name}: 0x${hex(address, 4)},`),
    '} as const;',
    '',
  ].join('\n');
}
