/**
 * The decoder: from bytes to a row of the table and the values of its fields. It knows prefixes, ModR/M, SIB,
 * displacements and immediates; which opcode is which instruction is the table's business.
 * SDM Vol. 2A, "Instruction Format".
 *
 * Where Intel and AMD differ, Intel is followed: near branches ignore 66 in 64-bit mode. VEX, EVEX and XOP are not
 * covered: what they reuse of the opcode map is undefined.
 */

import { ADDRESS_FORMS_16, defaultSegment } from './address-form.ts';
import { type Candidate, createDecodeTables, type DecodeTable } from './decode-table.ts';
import type { DecodedInstruction, DecodeFailure, MemoryOperand } from './decoded-instruction.ts';
import { addressSizeOf, bitsOf, type Mode, operandSizeOf, PREFIX_CLASS, type Size } from './encoding.ts';
import type { InstructionRow } from './instruction.ts';
import { GPR, SEGMENT } from './semantics.ts';

export interface Decoder {
  /**
   * Decodes one instruction.
   * @param bytes code; it may end anywhere: an instruction cut off yields 'incomplete'
   * @param offset where in `bytes` the instruction starts
   * @param mode code width
   */
  decode(bytes: Uint8Array, offset: number, mode: Mode): DecodedInstruction | DecodeFailure;
}

/** Longest instruction, in bytes. SDM Vol. 2A, "Instruction Format": longer ones raise #GP. */
export const MAX_INSTRUCTION_LENGTH = 15;

export const isFailure = (result: DecodedInstruction | DecodeFailure): result is DecodeFailure => 'failure' in result;

/** @throws TypeError when the table is wrong (see `decode-table.ts`). */
export function createDecoder(rows: readonly InstructionRow[]): Decoder {
  return new TableDecoder(createDecodeTables(rows));
}

const REX = { W: 8, R: 4, X: 2, B: 1 } as const;
const NO_IMMEDIATES: readonly bigint[] = [];
const NO_REGISTERS = { base: undefined, index: undefined };
const CONTROL_REGISTERS = new Set([0, 2, 3, 4, 8]);

/** What a byte is as a prefix: -1 not one; 0..5 a segment override; others by name. REX is told apart by mode. */
const PREFIX = { none: -1, operandSize: 6, addressSize: 7, lock: 8, repne: 9, repe: 10 } as const;
const PREFIX_BYTES = new Int8Array(256).fill(PREFIX.none);
for (const [byte, prefix] of [
  [0x26, SEGMENT.ES],
  [0x2e, SEGMENT.CS],
  [0x36, SEGMENT.SS],
  [0x3e, SEGMENT.DS],
  [0x64, SEGMENT.FS],
  [0x65, SEGMENT.GS],
  [0x66, PREFIX.operandSize],
  [0x67, PREFIX.addressSize],
  [0xf0, PREFIX.lock],
  [0xf2, PREFIX.repne],
  [0xf3, PREFIX.repe],
] as const) {
  PREFIX_BYTES[byte] = prefix;
}

const NOTHING = new Uint8Array(0);

class TableDecoder implements Decoder {
  readonly #tables: Readonly<Record<Mode, DecodeTable>>;
  #bytes: Uint8Array = NOTHING;
  #position = 0;
  #limit = 0;
  /** More bytes were asked for than there are (or than 15). */
  #exhausted = false;

  constructor(tables: Readonly<Record<Mode, DecodeTable>>) {
    this.#tables = tables;
  }

  decode(bytes: Uint8Array, offset: number, mode: Mode): DecodedInstruction | DecodeFailure {
    this.#bytes = bytes;
    this.#position = offset;
    this.#limit = Math.min(bytes.length, offset + MAX_INSTRUCTION_LENGTH);
    this.#exhausted = false;
    const decoded = this.#decode(offset, mode);
    // All guests of a host decode here: the memory of the last one must not stay because of that.
    this.#bytes = NOTHING;
    return decoded;
  }

  #decode(offset: number, mode: Mode): DecodedInstruction | DecodeFailure {
    // Prefixes: any number, in any order; REX counts only directly before the opcode.
    let rex = 0;
    let prefix66 = false;
    let prefix67 = false;
    let lock = false;
    let repeat: DecodedInstruction['repeat'] = 'none';
    let segmentOverride: number | undefined;
    let byte = this.#next8();
    for (; ; byte = this.#next8()) {
      const prefix = PREFIX_BYTES[byte];
      if (prefix === PREFIX.none) {
        if (mode !== 64 || (byte & 0xf0) !== 0x40) break;
        rex = byte;
        continue;
      }
      if (this.#exhausted) break;
      rex = 0;
      if (prefix <= SEGMENT.GS) {
        // ES, CS, SS, DS overrides do nothing in 64-bit mode, not even undo an FS or GS override before them.
        if (mode !== 64 || prefix >= SEGMENT.FS) segmentOverride = prefix;
      } else if (prefix === PREFIX.operandSize) prefix66 = true;
      else if (prefix === PREFIX.addressSize) prefix67 = true;
      else if (prefix === PREFIX.lock) lock = true;
      else repeat = prefix === PREFIX.repe ? 'repe' : 'repne';
    }

    // Opcode.
    const tables = this.#tables[mode];
    let map = tables[0];
    if (byte === 0x0f && !this.#exhausted) {
      map = tables[1];
      byte = this.#next8();
      if ((byte === 0x38 || byte === 0x3a) && !this.#exhausted) {
        map = tables[byte === 0x38 ? 2 : 3];
        byte = this.#next8();
      }
    }
    if (this.#exhausted) return this.#outOfBytes(offset);
    const slot = map[byte];
    if (slot === undefined) return this.#undefined(offset);

    // ModR/M and the choice among the patterns of this opcode.
    let modrm = 0;
    let candidates = slot.candidates;
    if (slot.hasModrm) {
      modrm = this.#next8();
      if (this.#exhausted) return this.#outOfBytes(offset);
      candidates = modrm >= 0xc0 ? slot.register[modrm & 0x3f] : slot.memory[(modrm >> 3) & 7];
    }
    const prefixClass =
      repeat === 'repe'
        ? PREFIX_CLASS[0xf3]
        : repeat === 'repne'
          ? PREFIX_CLASS[0xf2]
          : prefix66
            ? PREFIX_CLASS[0x66]
            : PREFIX_CLASS.none;
    const addressSize = addressSizeOf(mode, prefix67);
    let candidate: Candidate | undefined;
    let operandSize: Size = 16;
    for (const each of candidates) {
      if ((each.prefixMask & (1 << prefixClass)) === 0) continue;
      if ((each.addressSizeMask & addressSize) === 0) continue;
      if (each.exceptRexB && (rex & REX.B) !== 0) continue;
      operandSize = operandSizeOf(each.pattern, mode, prefix66, (rex & REX.W) !== 0);
      if ((each.operandSizeMask & operandSize) === 0) continue;
      candidate = each;
      break;
    }
    if (candidate === undefined) return this.#undefined(offset);
    const { pattern } = candidate;

    // Registers and memory.
    let reg = 0;
    let rm = 0;
    let memory: MemoryOperand | undefined;
    if (slot.hasModrm) {
      reg = (modrm >> 3) & 7;
      if (pattern.modrm === 'byte' || pattern.modrm === 'byteWithRegister')
        rm = modrm & 7; // x87: REX means nothing
      else {
        if (candidate.regLimit !== 'segment' && candidate.regLimit !== 'writtenSegment') reg |= (rex & REX.R) << 1;
        rm = (modrm & 7) | ((rex & REX.B) << 3);
        if (modrm < 0xc0 && !pattern.anyMod) memory = this.#memory(modrm, rex, addressSize, mode, segmentOverride);
      }
    } else if (pattern.low === 'register') rm = (byte & 7) | ((rex & REX.B) << 3);
    if (candidate.implicitMemory === 'string') {
      memory = { base: GPR.rSI, index: undefined, scale: 0, displacement: 0, segment: segmentOverride ?? SEGMENT.DS };
    }

    // Immediates.
    let immediates = NO_IMMEDIATES;
    if (candidate.immediates.length > 0) {
      const values: bigint[] = [];
      for (const field of candidate.immediates) {
        values.push(this.#immediate(bitsOf(field.width, operandSize, addressSize), field.signed));
      }
      immediates = values;
      if (candidate.implicitMemory === 'offset') {
        memory = {
          base: undefined,
          index: undefined,
          scale: 0,
          displacement: Number(BigInt.asIntN(addressSize, values[0])),
          segment: segmentOverride ?? SEGMENT.DS,
        };
      }
    }
    if (this.#exhausted) return this.#outOfBytes(offset);

    if (lock && !(pattern.lockable && memory !== undefined)) return this.#undefined(offset);
    if (candidate.regLimit !== 'none' && !isRegister(candidate.regLimit, reg)) return this.#undefined(offset);

    return {
      row: pattern.row,
      encoding: pattern.encoding,
      encodingIndex: pattern.encodingIndex,
      length: this.#position - offset,
      operandSize,
      addressSize,
      lock,
      repeat,
      segmentOverride,
      rex: rex !== 0,
      condition: pattern.low === 'condition' ? byte & 15 : 0,
      reg,
      rm,
      memory,
      immediates,
    };
  }

  /** SDM Vol. 2A, "ModR/M and SIB Bytes". */
  #memory(modrm: number, rex: number, addressSize: Size, mode: Mode, override: number | undefined): MemoryOperand {
    const mod = modrm >> 6;
    const low = modrm & 7;
    if (addressSize === 16) {
      const absolute = mod === 0 && low === 6;
      const { base, index } = absolute ? NO_REGISTERS : ADDRESS_FORMS_16[low];
      const displacement = absolute || mod === 2 ? signed16(this.#next16()) : mod === 1 ? signed8(this.#next8()) : 0;
      const segment = override ?? defaultSegment(base);
      return { base, index, scale: 0, displacement, segment };
    }

    let base: MemoryOperand['base'] = low | ((rex & REX.B) << 3);
    let index: number | undefined;
    let scale = 0;
    let displacementSize = mod === 1 ? 8 : mod === 2 ? 32 : 0;
    if (low === 4) {
      const sib = this.#next8();
      index = ((sib >> 3) & 7) | ((rex & REX.X) << 2);
      if (index === 4) index = undefined;
      else scale = sib >> 6;
      base = (sib & 7) | ((rex & REX.B) << 3);
      if ((sib & 7) === 5 && mod === 0) {
        base = undefined;
        displacementSize = 32;
      }
    } else if (low === 5 && mod === 0) {
      base = mode === 64 ? 'ip' : undefined;
      displacementSize = 32;
    }
    const displacement = displacementSize === 8 ? signed8(this.#next8()) : displacementSize === 32 ? this.#next32() : 0;
    const segment = override ?? defaultSegment(base);
    return { base, index, scale, displacement, segment };
  }

  #immediate(width: number, signed: boolean): bigint {
    switch (width) {
      case 8: {
        const value = this.#next8();
        return BigInt(signed ? signed8(value) : value);
      }
      case 16: {
        const value = this.#next16();
        return BigInt(signed ? signed16(value) : value);
      }
      case 32: {
        const value = this.#next32();
        return BigInt(signed ? value : value >>> 0);
      }
      default: {
        const low = BigInt(this.#next32() >>> 0);
        return (BigInt(this.#next32() >>> 0) << 32n) | low;
      }
    }
  }

  #next8(): number {
    if (this.#position >= this.#limit) {
      this.#exhausted = true;
      return 0;
    }
    return this.#bytes[this.#position++];
  }
  #next16(): number {
    const low = this.#next8();
    return low | (this.#next8() << 8);
  }
  /** Signed. */
  #next32(): number {
    const low = this.#next16();
    return low | (this.#next16() << 16);
  }

  #outOfBytes(offset: number): DecodeFailure {
    return this.#limit === offset + MAX_INSTRUCTION_LENGTH ? { failure: 'tooLong' } : { failure: 'incomplete' };
  }
  #undefined(offset: number): DecodeFailure {
    return { failure: 'undefined', length: this.#position - offset };
  }
}

const signed8 = (value: number): number => (value << 24) >> 24;
const signed16 = (value: number): number => (value << 16) >> 16;

/** Whether ModR/M.reg names a register of its class that the instruction may use. */
function isRegister(limit: Candidate['regLimit'], reg: number): boolean {
  switch (limit) {
    case 'segment':
      return reg <= SEGMENT.GS;
    case 'writtenSegment':
      return reg <= SEGMENT.GS && reg !== SEGMENT.CS;
    case 'control':
      return CONTROL_REGISTERS.has(reg);
    case 'debug':
      return reg < 8;
    default:
      return true;
  }
}
