/** A run of code as lines of text: address, bytes, instruction. */
import { createDecoder, isFailure } from '../isa/decoder.ts';
import { disassemble } from '../isa/disassembler.ts';
import { INSTRUCTIONS } from '../isa/table.ts';

export type CodeWidth = 16 | 32 | 64;

/** Width of the column of bytes: most instructions have up to eight. */
const BYTES_COLUMN = 17;

export interface CodeLine {
  readonly text: string;
  /** Bytes. */
  readonly length: number;
}

/** How many addresses there are: in 64-bit code those of 48 bits, which a number holds exactly. */
export const addressesOf = (width: CodeWidth): number => (width === 64 ? 2 ** 48 : 2 ** 32);

/** At most `count` lines. A byte that begins no instruction is shown as data. Behind the last address comes 0. */
export function disassembleLines(
  bytes: Uint8Array,
  address: number,
  width: CodeWidth,
  count = Number.POSITIVE_INFINITY,
): CodeLine[] {
  const decoder = createDecoder(INSTRUCTIONS);
  const lines: CodeLine[] = [];
  for (let offset = 0; offset < bytes.length && lines.length < count; ) {
    const decoded = decoder.decode(bytes, offset, width);
    const length = isFailure(decoded) ? 1 : decoded.length;
    const at = (address + offset) % addressesOf(width);
    const text = isFailure(decoded)
      ? `db 0x${bytes[offset].toString(16).padStart(2, '0')}`
      : disassemble(decoded, at, width);
    const shown = [...bytes.subarray(offset, offset + length)]
      .map((byte) => byte.toString(16).padStart(2, '0'))
      .join('');
    lines.push({ text: `${at.toString(16).padStart(8, '0')}  ${shown.padEnd(BYTES_COLUMN)} ${text}`, length });
    offset += length;
  }
  return lines;
}
