/**
 * ELF files: of nothing but a header, a symbol table and its strings; or of what is loaded. TIS ELF Specification 1.2;
 * System V ABI.
 */

export interface ElfSymbol {
  readonly name: string;
  readonly value: number;
  readonly size?: number;
  /** Default: a function. */
  readonly type?: number;
  /** Number of the section that defines it, 0: none does. */
  readonly section?: number;
}

export interface ElfFileOptions {
  readonly bits: 32 | 64;
  readonly symbols: readonly ElfSymbol[];
  /** ET_EXEC by default. */
  readonly type?: number;
  /** SHT_SYMTAB by default. */
  readonly tableType?: number;
}

const FUNCTION = 2;

export function createElfFile({ bits, symbols, type = 2, tableType = 2 }: ElfFileOptions): Uint8Array {
  const wide = bits === 64;
  const [header, section, entry] = wide ? [64, 64, 24] : [52, 40, 16];
  const names = new TextEncoder().encode(`\0${symbols.map(({ name }) => `${name}\0`).join('')}`);
  const tableAt = header + 3 * section;
  const namesAt = tableAt + (symbols.length + 1) * entry;
  const image = new Uint8Array(namesAt + names.length);
  const view = new DataView(image.buffer);
  const word = (at: number, value: number) =>
    wide ? view.setBigUint64(at, BigInt(value), true) : view.setUint32(at, value, true);
  image.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1]);
  view.setUint16(16, type, true);
  word(wide ? 40 : 32, header);
  view.setUint16(wide ? 58 : 46, section, true);
  view.setUint16(wide ? 60 : 48, 3, true);
  const describe = (index: number, kind: number, place: readonly [offset: number, size: number, link: number]) => {
    const at = header + index * section;
    view.setUint32(at + 4, kind, true);
    word(at + (wide ? 24 : 16), place[0]);
    word(at + (wide ? 32 : 20), place[1]);
    view.setUint32(at + (wide ? 40 : 24), place[2], true);
  };
  describe(1, tableType, [tableAt, (symbols.length + 1) * entry, 2]);
  describe(2, 3, [namesAt, names.length, 0]);
  let name = 1;
  for (const [index, symbol] of symbols.entries()) {
    const at = tableAt + (index + 1) * entry;
    view.setUint32(at, name, true);
    word(at + (wide ? 8 : 4), symbol.value);
    word(at + (wide ? 16 : 8), symbol.size ?? 0);
    view.setUint8(at + (wide ? 4 : 12), 0x10 | (symbol.type ?? FUNCTION));
    view.setUint16(at + (wide ? 6 : 14), symbol.section ?? 1, true);
    name += symbol.name.length + 1;
  }
  image.set(names, namesAt);
  return image;
}

export interface ElfSegment {
  readonly physical: number;
  /** Default: the same. */
  readonly virtual?: number;
  readonly bytes: Uint8Array;
  /** Default: that of the bytes. */
  readonly memorySize?: number;
  /** PT_LOAD by default. */
  readonly type?: number;
}

/** A 32-bit executable: the header, segments at multiples of 4, program headers. */
export function createExecutable(entry: number, segments: readonly ElfSegment[]): Uint8Array {
  const [header, programHeader] = [52, 32];
  let end = header;
  const offsets = segments.map(({ bytes }) => {
    const at = end;
    end = Math.ceil((end + bytes.length) / 4) * 4;
    return at;
  });
  const image = new Uint8Array(end + segments.length * programHeader);
  const view = new DataView(image.buffer);
  image.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 3, true);
  view.setUint32(24, entry, true);
  view.setUint32(28, end, true);
  view.setUint16(42, programHeader, true);
  view.setUint16(44, segments.length, true);
  for (const [index, segment] of segments.entries()) {
    const { physical, virtual = physical, bytes, memorySize = bytes.length, type = 1 } = segment;
    const fields = [type, offsets[index], virtual, physical, bytes.length, memorySize];
    for (const [field, value] of fields.entries()) view.setUint32(end + index * programHeader + 4 * field, value, true);
    image.set(bytes, offsets[index]);
  }
  return image;
}
