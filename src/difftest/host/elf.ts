/** Writes a static executable: an ELF header and one PT_LOAD per segment. TIS ELF Specification 1.2; System V ABI. */

export interface ElfSegment {
  readonly address: number;
  /** Bytes in memory; what `content` does not fill is zero. */
  readonly size: number;
  readonly content?: Uint8Array;
  /** Any of 'r', 'w', 'x'. */
  readonly permissions: string;
}

const PAGE = 0x1000;
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474_e551;
const PERMISSION = { r: 4, w: 2, x: 1 } as const;

const FORMATS = {
  32: { elfClass: 1, machine: 3, header: 52, programHeader: 32 },
  64: { elfClass: 2, machine: 62, header: 64, programHeader: 56 },
} as const;

/** @throws RangeError when a segment does not start at a page boundary. */
export function writeElf(bits: 32 | 64, entry: number, segments: readonly ElfSegment[]): Uint8Array {
  const format = FORMATS[bits];
  const headers = format.header + format.programHeader * (segments.length + 1);
  let end = Math.ceil(headers / PAGE) * PAGE;
  const placed = segments.map((segment) => {
    if (segment.address % PAGE !== 0)
      throw new RangeError(`segment at ${segment.address.toString(16)}: not at a page boundary`);
    const offset = end;
    end += Math.ceil((segment.content?.length ?? 0) / PAGE) * PAGE;
    return { segment, offset };
  });
  const image = new Uint8Array(end);
  const view = new DataView(image.buffer);
  const word = (at: number, value: number) =>
    bits === 64 ? view.setBigUint64(at, BigInt(value), true) : view.setUint32(at, value, true);
  const size = bits / 8;

  image.set([0x7f, 0x45, 0x4c, 0x46, format.elfClass, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, format.machine, true);
  view.setUint32(20, 1, true);
  word(24, entry);
  word(24 + size, format.header);
  const rest = 24 + 3 * size;
  view.setUint16(rest + 4, format.header, true);
  view.setUint16(rest + 6, format.programHeader, true);
  view.setUint16(rest + 8, segments.length + 1, true);

  const programHeader = (index: number, type: number, flags: number, fields: readonly number[]) => {
    const at = format.header + index * format.programHeader;
    view.setUint32(at, type, true);
    view.setUint32(at + (bits === 64 ? 4 : 24), flags, true);
    // offset, virtual address, physical address, file size, memory size; then alignment
    const first = at + (bits === 64 ? 8 : 4);
    fields.forEach((field, position) => {
      word(first + position * size, field);
    });
    word(bits === 64 ? at + 48 : at + 28, PAGE);
  };
  placed.forEach(({ segment, offset }, index) => {
    const { address, content, permissions } = segment;
    const flags = [...permissions].reduce((sum, letter) => sum | PERMISSION[letter as keyof typeof PERMISSION], 0);
    programHeader(index, PT_LOAD, flags, [offset, address, address, content?.length ?? 0, segment.size]);
    if (content) image.set(content, offset);
  });
  programHeader(segments.length, PT_GNU_STACK, 6, [0, 0, 0, 0, 0]);
  return image;
}
