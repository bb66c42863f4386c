/**
 * Straight-line code, decoded: from an entry to an unconditional transfer, an instruction that may change the mode, the
 * page's end or a length limit. What it comes to is a function of the bytes, the mode and the end of the code segment
 * alone.
 */
import { PAGE_SIZE } from '../../base/address.ts';
import { VECTOR } from '../../cpu/fault.ts';
import { codeSize, stackSize } from '../../cpu/mode-key.ts';
import type { DecodedInstruction } from '../../isa/decoded-instruction.ts';
import { type Decoder, isFailure, MAX_INSTRUCTION_LENGTH } from '../../isa/decoder.ts';

/** Where code comes from. */
export interface CodeSource {
  /** Bytes of a physical page, 4096 of them; undefined if no frame holds it. */
  pageBytes(page: number): Uint8Array | undefined;
  /** Writes to the page must be reported from now on. */
  watch(page: number): void;
  /** Physical page that follows in the linear address space. Throws a GuestFault. */
  nextPage(): number;
  /** Bytes of code from the entry to the end of the code segment. */
  readonly limit: number;
  /** Page offsets at which a block ends, and another may begin. */
  readonly stops: ReadonlySet<number>;
}

/** An exception that an instruction raises because of its bytes or where they end. */
export interface DecodeFault {
  readonly vector: number;
  readonly errorCode?: number;
  readonly cause: string;
}

export interface BlockInstruction {
  /** Undefined: it only faults. */
  readonly decoded: DecodedInstruction | undefined;
  readonly fault?: DecodeFault;
  /** Of its first byte, in the page. */
  readonly offset: number;
  readonly length: number;
}

export interface DecodedBlock {
  readonly instructions: readonly BlockInstruction[];
  /** Offset in the page behind the last byte, at most the page's end. */
  readonly end: number;
  /** The page in which the last instruction ends, if it is another one, and how far it goes there. */
  readonly crossing: { readonly page: number; readonly end: number } | undefined;
  /** It only faults, because its instruction ends beyond the code segment. */
  readonly cutOff: boolean;
}

/** What a form is specialised to, besides the instruction itself. */
export interface DecodeMode {
  readonly stackSize: 16 | 32 | 64;
  readonly longMode: boolean;
}

const NO_INSTRUCTION: DecodeFault = { vector: VECTOR.UD, cause: 'no such instruction' };
const TOO_LONG: DecodeFault = { vector: VECTOR.GP, errorCode: 0, cause: 'instruction longer than 15 bytes' };
const BEYOND_SEGMENT: DecodeFault = {
  vector: VECTOR.GP,
  errorCode: 0,
  cause: 'instruction extends beyond the code segment limit',
};

export const decodeMode = (modeKey: number): DecodeMode => ({
  stackSize: stackSize(modeKey),
  longMode: codeSize(modeKey) === 64,
});

export class BlockDecoder {
  readonly #decoder: Decoder;
  readonly #supports: (feature: string) => boolean;
  readonly #endsBlock: (instruction: DecodedInstruction, mode: DecodeMode) => boolean;

  /** `supports`: whether the CPU has a feature. `endsBlock`: whether a block goes no further than this instruction. */
  constructor(
    decoder: Decoder,
    supports: (feature: string) => boolean,
    endsBlock: (instruction: DecodedInstruction, mode: DecodeMode) => boolean,
  ) {
    this.#decoder = decoder;
    this.#supports = supports;
    this.#endsBlock = endsBlock;
  }

  /**
   * At most `limit` instructions from a physical address on; undefined if no frame holds the first of them. Throws a
   * GuestFault if the page in which it ends cannot be fetched.
   */
  decode(address: number, modeKey: number, source: CodeSource, limit: number): DecodedBlock | undefined {
    const size = codeSize(modeKey);
    const mode = decodeMode(modeKey);
    const start = address % PAGE_SIZE;
    const available = Math.min(PAGE_SIZE, start + source.limit);
    const bytes = source.pageBytes(Math.floor(address / PAGE_SIZE))?.subarray(0, available);
    if (bytes === undefined) return undefined;
    const instructions: BlockInstruction[] = [];
    let offset = start;
    let crossing: DecodedBlock['crossing'];
    while (instructions.length < limit && offset < available) {
      if (instructions.length > 0 && source.stops.has(offset)) break;
      let decoded = this.#decoder.decode(bytes, offset, size);
      if (isFailure(decoded) && decoded.failure === 'incomplete') {
        if (instructions.length > 0) break;
        // The instruction crosses the page, or the end of its segment.
        const across = acrossPage(bytes, offset, source);
        if (across === undefined) return undefined;
        decoded = this.#decoder.decode(across.bytes, 0, size);
        // What is no instruction depends on the bytes behind the page border, too.
        const length = isFailure(decoded) ? MAX_INSTRUCTION_LENGTH : decoded.length;
        if (across.page !== undefined) crossing = { page: across.page, end: Math.max(1, offset + length - PAGE_SIZE) };
        if (isFailure(decoded) && decoded.failure === 'incomplete') {
          instructions.push(faulting(BEYOND_SEGMENT, offset, crossing !== undefined));
          return { instructions, end: Math.min(available, PAGE_SIZE), crossing, cutOff: true };
        }
      }
      if (isFailure(decoded) || (decoded.row.feature && !this.#supports(decoded.row.feature))) {
        const fault = isFailure(decoded) && decoded.failure === 'tooLong' ? TOO_LONG : NO_INSTRUCTION;
        instructions.push(faulting(fault, offset, crossing !== undefined));
        offset = Math.min(offset + ('length' in decoded ? decoded.length : MAX_INSTRUCTION_LENGTH), available);
        break;
      }
      instructions.push({ decoded, offset, length: decoded.length });
      offset += decoded.length;
      if (crossing || this.#endsBlock(decoded, mode)) break;
    }
    return { instructions, end: Math.min(offset, PAGE_SIZE), crossing, cutOff: false };
  }
}

const faulting = (fault: DecodeFault, offset: number, crosses: boolean): BlockInstruction => ({
  decoded: undefined,
  fault,
  offset,
  length: crosses ? MAX_INSTRUCTION_LENGTH : 1,
});

/** Up to 15 bytes from `offset` on, with those of the next page; undefined if no frame holds that. */
function acrossPage(
  bytes: Uint8Array,
  offset: number,
  source: CodeSource,
): { bytes: Uint8Array; page: number | undefined } | undefined {
  const limited = source.limit < MAX_INSTRUCTION_LENGTH;
  if (source.limit <= PAGE_SIZE - offset) return { bytes: bytes.subarray(offset), page: undefined };
  // Before the other page is looked for: that may make the pool grow.
  const first = new Uint8Array(bytes.subarray(offset));
  const page = source.nextPage();
  const next = source.pageBytes(page);
  if (next === undefined) return undefined;
  const joined = new Uint8Array(MAX_INSTRUCTION_LENGTH + 1);
  joined.set(first);
  joined.set(next.subarray(0, joined.length - first.length), first.length);
  return { bytes: limited ? joined.subarray(0, source.limit) : joined, page };
}
