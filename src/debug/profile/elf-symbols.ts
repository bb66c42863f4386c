/**
 * The functions that an ELF file names in its symbol tables, 32-bit or 64-bit, little-endian. TIS ELF Specification 1.2;
 * System V ABI, "Symbol Table". Any content may come: what lies outside the file is not there.
 */
import type { FunctionSymbol } from './symbol-table.ts';

export interface ElfSymbols {
  /** Its addresses are those at which it runs: it is neither relocatable nor position-independent. */
  readonly fixed: boolean;
  readonly functions: readonly FunctionSymbol[];
}

const EXECUTABLE = 2;
const SECTION = { SYMBOLS: 2, DYNAMIC_SYMBOLS: 11 } as const;
const FUNCTION = 2;
/** Of a function that says no size. */
const NO_SIZE = 0x1000;

/** Where fields lie, by class. */
const LAYOUTS = {
  1: { word: 4, sections: 32, entrySize: 46, section: [4, 16, 20, 24], symbolSize: 16, symbol: [12, 4, 8, 14] },
  2: { word: 8, sections: 40, entrySize: 58, section: [4, 24, 32, 40], symbolSize: 24, symbol: [4, 8, 16, 6] },
} as const;

export const isElf = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;

/** Undefined if it is no such file. */
export function parseElfSymbols(bytes: Uint8Array): ElfSymbols | undefined {
  const file = new FileView(bytes);
  const layout = LAYOUTS[bytes[4] as 1 | 2];
  if (!isElf(bytes) || layout === undefined || bytes[5] !== 1) return undefined;
  const word = (at: number): number => file.number(at, layout.word);
  const table = word(layout.sections);
  const [size, count] = [file.number(layout.entrySize, 2), file.number(layout.entrySize + 2, 2)];
  const [typeAt, offsetAt, sizeAt, linkAt] = layout.section;
  const [infoAt, valueAt, lengthAt, definedAt] = layout.symbol;
  const sections = Array.from({ length: count }, (_, index) => table + index * size);
  const ofType = (type: number) => sections.find((section) => file.number(section + typeAt, 4) === type);
  // What the dynamic linker needs is part of the other table, as a rule.
  const section = ofType(SECTION.SYMBOLS) ?? ofType(SECTION.DYNAMIC_SYMBOLS);
  const functions: FunctionSymbol[] = [];
  if (section !== undefined) {
    const start = word(section + offsetAt);
    const end = Math.min(start + word(section + sizeAt), bytes.length);
    const names = word(table + file.number(section + linkAt, 4) * size + offsetAt);
    for (let at = start; at + layout.symbolSize <= end; at += layout.symbolSize) {
      if ((file.number(at + infoAt, 1) & 0xf) !== FUNCTION || file.number(at + definedAt, 2) === 0) continue;
      const address = word(at + valueAt);
      const name = file.text(names + file.number(at, 4));
      if (name !== '') functions.push({ name, address, end: address + (word(at + lengthAt) || NO_SIZE) });
    }
  }
  return { fixed: file.number(16, 2) === EXECUTABLE, functions };
}

/** Names are not longer. */
const LONGEST_NAME = 256;

class FileView {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** 0 beyond the end. */
  number(at: number, size: number): number {
    let value = 0;
    for (let index = size - 1; index >= 0; index--) value = value * 256 + (this.#bytes[at + index] ?? 0);
    return value;
  }

  /** Up to a NUL. */
  text(at: number): string {
    const bytes = this.#bytes.subarray(at, at + LONGEST_NAME);
    const end = bytes.indexOf(0);
    return new TextDecoder('latin1').decode(end < 0 ? bytes : bytes.subarray(0, end));
  }
}
