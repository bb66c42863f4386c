/** Decoded instructions as records: which forms they have, alone or fused, which handlers, and what a record's fields say. */
import { MODE } from '../../cpu/mode-key.ts';
import { GPR_SLOT, SEGMENT_STRIDE, STATE, ZERO_SLOT } from '../../cpu/state-layout.ts';
import type { DecodedInstruction } from '../../isa/decoded-instruction.ts';
import type { Encoding } from '../../isa/instruction.ts';
import { OPERAND_KINDS, type OperandKind } from '../../isa/operand-kind.ts';
import { GPR, SEGMENT } from '../../isa/semantics.ts';
import type { Pool } from '../../memory/pool.ts';
import { type BlockInstruction, decodeMode } from '../blocks/block-decoder.ts';
import type { CatalogForm, FormCatalog } from './form-catalog.ts';
import { RECORD, RECORD_SIZE } from './record-layout.ts';

interface InstructionRecord {
  /** Undefined: a record that only faults. */
  readonly first: DecodedInstruction | undefined;
  /** The branch fused to it. */
  readonly second: DecodedInstruction | undefined;
  readonly offset: number;
  readonly length: number;
}

/** Which of an encoding's registers are bytes. */
interface ByteRegisters {
  readonly reg: boolean;
  readonly rm: boolean;
}

const NO_BYTES: ByteRegisters = { reg: false, rm: false };

/** What the records of a block say, in order. */
export interface BlockRecords {
  readonly forms: readonly CatalogForm[];
  readonly records: readonly InstructionRecord[];
  readonly modeKey: number;
}

export class RecordWriter {
  readonly #pool: Pool;
  readonly #catalog: FormCatalog;
  readonly #bytes = new Map<Encoding, ByteRegisters>();

  constructor(pool: Pool, catalog: FormCatalog) {
    this.#pool = pool;
    this.#catalog = catalog;
  }

  /** Finds the forms. `fuse`: a compare and the branch behind it become one. */
  prepare(
    instructions: readonly BlockInstruction[],
    modeKey: number,
    { fuse }: { readonly fuse: boolean },
  ): BlockRecords {
    const catalog = this.#catalog;
    const mode = decodeMode(modeKey);
    const forms: CatalogForm[] = [];
    const records: InstructionRecord[] = [];
    for (const { decoded, fault, offset, length } of instructions) {
      const form = decoded
        ? catalog.formOf(decoded, mode)
        : catalog.faultForm(fault!.vector, fault!.cause, { ...fault, wide: mode.longMode });
      const previous = records.at(-1);
      const fused =
        fuse && decoded && previous && isPlain(previous, modeKey) ? catalog.fusedForm(forms.at(-1)!, form) : undefined;
      if (fused) {
        forms[forms.length - 1] = fused;
        // Not spread: that leaves garbage which outlives scavenges (measured: 9 MiB at a prompt).
        const { first, offset: from, length: before } = previous!;
        records[records.length - 1] = { first, second: decoded, offset: from, length: before + length };
      } else {
        forms.push(form);
        records.push({ first: decoded, second: undefined, offset, length });
      }
    }
    return { forms, records, modeKey };
  }

  /** Writes the records of a block that starts at page offset `start`, and behind them one with the handler `tail`. */
  write(at: number, block: BlockRecords, { start, tail }: { readonly start: number; readonly tail: number }): void {
    const { forms, records: instructions, modeKey } = block;
    const { u8, u16, u32 } = this.#pool.views;
    u32.fill(0, at >>> 2, (at + (forms.length + 1) * RECORD_SIZE) >>> 2);
    const handlers = this.#handlers(forms, instructions, modeKey);
    let remaining = 0;
    for (let index = forms.length - 1; index >= 0; index--) {
      const form = forms[index];
      const record = instructions[index];
      const address = at + index * RECORD_SIZE;
      remaining += form.count;
      u16[(address + RECORD.handler) >>> 1] = handlers[index];
      u8[address + RECORD.length] = record.length;
      u8[address + RECORD.remaining] = remaining;
      u16[(address + RECORD.pageOffset) >>> 1] = record.offset;
      u8[address + RECORD.count] = form.count;
      if (record.first) this.#fields(address, record.first, form.count === 2 ? record.second : undefined);
    }
    const address = at + forms.length * RECORD_SIZE;
    const last = instructions.at(-1);
    u16[(address + RECORD.handler) >>> 1] = tail;
    u16[(address + RECORD.pageOffset) >>> 1] = last ? last.offset + last.length : start;
  }

  /** Handler numbers of a block's records: hot ones where they may be, two at a time where there is one for the pair. */
  #handlers(forms: readonly CatalogForm[], instructions: readonly InstructionRecord[], modeKey: number): number[] {
    const numbers = forms.map((form, index) => {
      if (isPlain(instructions[index], modeKey)) return form.hotNumber ?? form.number;
      const { first } = instructions[index];
      return (isFlat32(modeKey) && first?.memory ? form.segmentedNumber : undefined) ?? form.number;
    });
    for (let index = 0; index + 1 < numbers.length; index++) {
      const pair = this.#catalog.pairOf(numbers[index], numbers[index + 1]);
      if (pair !== undefined) numbers[index++] = pair;
    }
    return numbers;
  }

  #byteRegisters(encoding: Encoding): ByteRegisters {
    let known = this.#bytes.get(encoding);
    if (known === undefined) {
      const kinds = encoding.slice(1).map((name) => OPERAND_KINDS[name as keyof typeof OPERAND_KINDS] as OperandKind);
      const sources = new Set(kinds.filter(({ width }) => width === 8).map(({ source }) => source));
      known = { reg: sources.has('reg'), rm: sources.has('rm') || sources.has('rmReg') || sources.has('opcode') };
      this.#bytes.set(encoding, known);
    }
    return known;
  }

  #fields(address: number, instruction: DecodedInstruction, branch: DecodedInstruction | undefined): void {
    const { u8, u16, u32 } = this.#pool.views;
    const { reg, rm, memory, row, rex } = instruction;
    const bytes = rex ? NO_BYTES : this.#byteRegisters(instruction.encoding);
    u8[address + RECORD.reg] = registerAt(reg, bytes.reg);
    u8[address + RECORD.regNumber] = reg;
    u8[address + RECORD.rm] = registerAt(rm, bytes.rm);
    u8[address + RECORD.rmNumber] = rm;
    u8[address + RECORD.base] = ZERO_SLOT;
    u8[address + RECORD.index] = ZERO_SLOT;
    const segment = memory?.segment ?? instruction.segmentOverride ?? SEGMENT.DS;
    u16[(address + RECORD.segment) >>> 1] = STATE.segments + segment * SEGMENT_STRIDE;
    if (memory) {
      let { displacement } = memory;
      if (memory.base === 'ip') u8[address + RECORD.base] = STATE.fields.nextIp;
      else if (memory.base !== undefined) u8[address + RECORD.base] = memory.base * GPR_SLOT;
      if (memory.index !== undefined) u8[address + RECORD.index] = memory.index * GPR_SLOT;
      u8[address + RECORD.scale] = memory.scale;
      if (row.addressAfterPop && memory.base === GPR.rSP) displacement += instruction.operandSize / 8;
      u32[(address + RECORD.displacement) >>> 2] = displacement;
    }
    const [first, second] = instruction.immediates;
    if (first !== undefined) {
      u32[(address + RECORD.immediate) >>> 2] = Number(first & 0xffff_ffffn);
      u32[(address + RECORD.immediate + 4) >>> 2] = Number((first >> 32n) & 0xffff_ffffn);
    }
    if (second !== undefined) u32[(address + RECORD.immediate2) >>> 2] = Number(second & 0xffff_ffffn);
    if (branch) u32[(address + RECORD.branch) >>> 2] = Number(branch.immediates[0] & 0xffff_ffffn);
  }
}

/** State offset of a general register; of AH, CH, DH, BH where bytes have the numbers 4 to 7. */
const registerAt = (number: number, isByte: boolean): number =>
  isByte && number >= 4 && number < 8 ? (number - 4) * GPR_SLOT + 1 : number * GPR_SLOT;

function isFlat32(modeKey: number): boolean {
  const flat = MODE.FLAT | MODE.CODE32 | MODE.STACK32;
  return (modeKey & (flat | MODE.CODE64)) === flat;
}

/** Whether the hot handler may run it: flat 32-bit code, and a memory operand in a flat segment. */
function isPlain(record: InstructionRecord, modeKey: number): boolean {
  if (!isFlat32(modeKey) || !record.first) return false;
  const segment = record.first.memory?.segment ?? record.first.segmentOverride;
  return segment === undefined || segment === SEGMENT.DS || segment === SEGMENT.SS || segment === SEGMENT.ES;
}
