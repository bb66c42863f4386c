/** Makes vectors for a form: bytes through the encoder, and a state whose values sit at the edges. */
import type { MemoryOperand } from '../isa/decoded-instruction.ts';
import { encodePattern, type PatternFields } from '../isa/encode-instruction.ts';
import { GPR, SEGMENT } from '../isa/semantics.ts';
import { dataBase, registerWidth } from './address-space.ts';
import { edgeDecimal, edgeFloat, edgeInteger } from './edge-values.ts';
import { HARNESS_MAP } from './host/harness.ts';
import type { Random } from './random.ts';
import { type StatementFacts, statementFacts } from './statement-facts.ts';
import type { TestForm } from './test-form.ts';
import type { Vector, X87State } from './vector.ts';

const { scratch, scratchSize, slotPage, slot } = HARNESS_MAP;
const PAGE = 0x1000;
const STATUS_FLAGS = 0x8d5;
const FLAG_DF = 0x400;
/** Bit 1 (always one) and IF. */
const FLAGS_BASE = 0x202;
/** Flags that POPF may find in its image: what else user code can change would disturb the harness (TF, NT, AC, ID). */
const POPF_IMAGE = 0x3_0ed7 & ~0x100;

/** Bytes of the window for a form: what its accesses need, with room on both sides. */
export function windowSize(form: TestForm): number {
  const { mnemonic } = form.pattern.row;
  if (mnemonic === 'fxsave' || mnemonic === 'fxrstor') return 640;
  if (mnemonic === 'enter' || /^fn?save$|^frstor$/.test(mnemonic)) return 384;
  return 128;
}

export class VectorGenerator {
  readonly #form: TestForm;
  readonly #random: Random;
  readonly #facts: StatementFacts;
  readonly #windowSize: number;
  readonly #usesX87: boolean;
  /** The code made last, with the window and the registers that it finds its operands with. */
  #last:
    | { readonly fields: PatternFields; readonly vector: Vector; readonly addresses: ReadonlySet<number> }
    | undefined;

  constructor(form: TestForm, random: Random) {
    this.#form = form;
    this.#random = random;
    this.#facts = statementFacts(form.form.statements);
    this.#windowSize = windowSize(form);
    this.#usesX87 = form.pattern.row.x87 !== undefined;
  }

  /** The next vector, or undefined if this try did not fit together (try again). */
  next(): Vector | undefined {
    const random = this.#random;
    const { mode, pattern } = this.#form;
    const registers = this.#registers();
    const base = dataBase(mode);
    const window = this.#placeWindow();
    const memory = this.#windowContents();

    // Registers that the semantics use as addresses point into the window.
    for (const register of this.#facts.pointers) registers[register] = BigInt(this.#target(window, 16) - base);
    this.#suit(registers, memory);

    const addressSize = this.#addressSize();
    const fields: PatternFields = {
      mode,
      operandSize: this.#form.operandSize,
      addressSize,
      condition: this.#form.condition,
      reg: this.#registerNumber('reg'),
      rm: this.#registerNumber('rm'),
      immediates: this.#immediates(addressSize),
      repeat: this.#form.repeat,
      rex: mode === 64 && random.oneIn(4),
    };
    this.#suitFields(registers, fields);
    const withMemory = this.#memoryOperand(fields, { registers, memory, window });
    if (withMemory === undefined) return undefined;
    const bytes = encodePattern(pattern, withMemory);
    if (typeof bytes === 'string' || bytes.length > 15) return undefined;
    const vector = this.#vector({ code: Uint8Array.from(bytes), window, registers, memory });
    const addresses = new Set(this.#facts.pointers);
    for (const register of [withMemory.memory?.base, withMemory.memory?.index]) {
      if (typeof register === 'number') addresses.add(register);
    }
    this.#last = { fields, vector, addresses };
    return vector;
  }

  /** Another state for the code of the last vector, which finds its operands in the same window; undefined: there is none. */
  again(): Vector | undefined {
    if (this.#last === undefined) return undefined;
    const { fields, addresses, vector } = this.#last;
    const { code, window, initial } = vector;
    const registers = this.#registers();
    // An image that FXRSTOR takes is not just anything.
    const memory = this.#form.pattern.row.mnemonic === 'fxrstor' ? initial.memory : this.#windowContents();
    this.#suit(registers, memory);
    this.#suitFields(registers, fields);
    for (const register of addresses) registers[register] = initial.registers[register];
    return this.#vector({ code, window, registers, memory });
  }

  #registers(): bigint[] {
    const { mode } = this.#form;
    return Array.from({ length: mode === 64 ? 16 : 8 }, () => this.#value(registerWidth(mode)));
  }

  #windowContents(): Uint8Array {
    const memory = new Uint8Array(this.#windowSize);
    this.#fillWindow(new DataView(memory.buffer));
    return memory;
  }

  /** Makes values fit what the instruction is. */
  #suit(registers: bigint[], memory: Uint8Array): void {
    const { mnemonic } = this.#form.pattern.row;
    for (const register of this.#facts.byteIndexes) {
      registers[register] = (registers[register] & ~0xffn) | BigInt(this.#random.below(24));
    }
    this.#adjust(mnemonic, registers);
    this.#equalize(mnemonic, registers, memory);
  }

  /** Makes values fit how the instruction is encoded. */
  #suitFields(registers: bigint[], fields: PatternFields): void {
    const random = this.#random;
    const { mode, pattern, repeat } = this.#form;
    for (const field of this.#facts.indexFields) {
      const offset = BigInt(random.below(random.oneIn(16) ? 1 << 20 : 256) - 128);
      registers[fields[field]!] = BigInt.asUintN(registerWidth(mode), offset);
    }
    if (repeat === 'none') return;
    registers[GPR.rCX] = this.#withLow(registers[GPR.rCX], fields.addressSize, BigInt(random.below(9)));
    // REP with a count of 0 before INS and OUTS: AMD CPUs check the port's permission even then.
    if (/^(ins|outs)/.test(pattern.row.mnemonic)) registers[GPR.rCX] |= 1n;
  }

  #vector(made: Pick<Vector, 'code' | 'window'> & { registers: bigint[]; memory: Uint8Array }): Vector {
    const random = this.#random;
    const { mode, pattern } = this.#form;
    const { code, window, registers, memory } = made;
    if (pattern.row.mnemonic === 'popf') {
      this.#maskFlagsImage(new DataView(memory.buffer), Number(registers[GPR.rSP]) + dataBase(mode) - window);
    }
    const df = random.oneIn(pattern.row.repeat === undefined ? 8 : 2) ? FLAG_DF : 0;
    return {
      mode,
      code,
      window,
      initial: {
        registers,
        flags: FLAGS_BASE | df | (Number(random.bits(12)) & STATUS_FLAGS),
        memory,
        ...(this.#usesX87 && { x87: this.#x87State() }),
      },
    };
  }

  #value(width: number): bigint {
    const random = this.#random;
    const edge = edgeInteger(random, random.oneIn(3) ? random.pick([8, 16, 32]) : width);
    return BigInt.asUintN(width, random.oneIn(2) ? edge : BigInt.asIntN(Math.min(this.#form.operandSize, width), edge));
  }

  /** Start of the window: across a page boundary, at either end of the scratch pages, or anywhere. */
  #placeWindow(): number {
    const size = this.#windowSize;
    const random = this.#random;
    switch (random.below(8)) {
      case 0:
        return scratch;
      case 1:
        return scratch + scratchSize - size;
      case 2:
      case 3:
        return scratch + PAGE - 8 * (1 + random.below(size / 8 - 1));
      default:
        return scratch + 8 * random.below((scratchSize - size) / 8);
    }
  }

  /** An address in the window with `margin` bytes on both sides, of any alignment; now and then at the very ends. */
  #target(window: number, margin: number): number {
    const random = this.#random;
    const size = this.#windowSize;
    // Pointers to jump targets are aligned, so that they meet one.
    const alignment = this.#facts.jumps ? 8 : random.pick([1, 1, 4, 8, 16]);
    // FXSAVE images are aligned to 16 bytes, and take up most of the window.
    if (/^fx(save|rstor)$/.test(this.#form.pattern.row.mnemonic) && !random.oneIn(8))
      return window + 16 * random.below(9);
    const atEnd = random.oneIn(12) && !/^(ins|outs)/.test(this.#form.pattern.row.mnemonic);
    const low = atEnd ? -4 : margin + (this.#facts.pointers.size > 0 ? Math.min(64, size / 2) - margin : 0);
    const span = atEnd ? size + 4 : Math.max(size - low - 2 * margin, 1);
    const address = window + low + random.below(span);
    return atEnd && !this.#facts.jumps ? address : Math.max(address - (address % alignment), window);
  }

  #fillWindow(view: DataView): void {
    const random = this.#random;
    const bytes = new Uint8Array(view.buffer);
    random.fill(bytes);
    if (this.#facts.jumps) {
      const target = BigInt(this.#landing());
      const size = this.#form.operandSize / 8;
      for (let at = 0; at + size <= bytes.length; at += size) this.#put(view, at, size, target);
      return;
    }
    if (this.#usesX87) {
      const kinds = [32, 64, 80, 80, 'decimal', 'integer'] as const;
      const kind = random.pick(kinds);
      const step = kind === 32 ? 4 : kind === 64 ? 8 : kind === 'integer' ? 8 : 10;
      for (let at = 0; at + step <= bytes.length; at += step) {
        const value =
          kind === 'decimal'
            ? edgeDecimal(random)
            : kind === 'integer'
              ? edgeInteger(random, 64)
              : edgeFloat(random, kind);
        this.#put(view, at, step, value);
      }
      return;
    }
    const step = this.#form.operandSize / 8;
    for (let at = random.below(step); at + step <= bytes.length; at += step) {
      if (!random.oneIn(3)) this.#put(view, at, step, this.#value(this.#form.operandSize));
    }
  }

  #put(view: DataView, at: number, size: number, value: bigint): void {
    for (let index = 0; index < size; index++) view.setUint8(at + index, Number((value >> BigInt(8 * index)) & 0xffn));
  }

  /** Where a jump may go: breakpoints around the slot, or addresses at which nothing is mapped. */
  #landing(): number {
    const random = this.#random;
    if (this.#form.mode === 16) return random.below(0x1_0000);
    switch (random.below(6)) {
      case 0:
        return 0x1_0000 + random.below(0x3e_0000);
      case 1:
        return 0x8000_0000 + random.below(0x6000_0000);
      case 2:
        return slot + 16 + random.below(0x700);
      default:
        return slotPage + random.below(0x7f0);
    }
  }

  #adjust(mnemonic: string, registers: bigint[]): void {
    const random = this.#random;
    const { mode, operandSize, pattern } = this.#form;
    // A branch beyond the limit is only tried where nothing is pushed or popped: jumps are checked after what was pushed.
    const mayMiss = mode !== 64 || !this.#facts.pointers.has(GPR.rSP);
    if (this.#facts.jumps && !(mayMiss && random.oneIn(8))) {
      for (let register = 0; register < registers.length; register++) {
        if (!this.#facts.pointers.has(register)) registers[register] = BigInt(this.#landing());
      }
      if (random.oneIn(2)) registers[GPR.rCX] = BigInt(random.below(3));
    }
    if ((mnemonic === 'div' || mnemonic === 'idiv') && !random.oneIn(3)) {
      // Otherwise nearly every quotient overflows.
      const byte = pattern.operands.some(({ kind }) => kind.width === 8);
      const width = byte ? 8 : operandSize;
      const high = BigInt(random.pick([0, 0, -1, 1, 2, 7]));
      if (byte)
        registers[GPR.rAX] = BigInt.asUintN(
          registerWidth(mode),
          (registers[GPR.rAX] & 0xffn) | BigInt.asUintN(16, high << 8n),
        );
      else registers[GPR.rDX] = BigInt.asUintN(width, high);
    }
  }

  /** Makes comparisons come out equal half of the time, as CMPXCHG, CMPS and SCAS need it. */
  #equalize(mnemonic: string, registers: bigint[], memory: Uint8Array): void {
    const random = this.#random;
    if (!/^(cmpxchg|cmps|scas)/.test(mnemonic) || random.oneIn(2)) return;
    // The same 8 bytes everywhere, at any alignment: all bytes equal.
    const byte = BigInt(random.pick([0, 0xff, 0x80, random.below(256)]));
    memory.fill(Number(byte));
    if (random.oneIn(4)) memory[random.below(memory.length)] = random.below(256);
    const value = BigInt.asUintN(registerWidth(this.#form.mode), byte * 0x0101_0101_0101_0101n);
    registers[GPR.rAX] = value;
    if (/8b|16b/.test(mnemonic)) registers[GPR.rDX] = value;
  }

  #withLow(value: bigint, width: number, low: bigint): bigint {
    return width === 64 ? low : (value & ~((1n << BigInt(width)) - 1n)) | low;
  }

  #addressSize(): 16 | 32 | 64 {
    const { mode, pattern } = this.#form;
    const sizes = ([16, 32, 64] as const).filter(
      (size) => pattern.addressSizes.includes(size) && (mode === 64 ? size !== 16 : size !== 64),
    );
    if (sizes.length === 1 || !sizes.includes(mode)) return sizes[0];
    const other = sizes.find((size) => size !== mode)!;
    // Whether INS and OUTS check the port or the memory first is not defined: they always find memory.
    if (/^(ins|outs)/.test(pattern.row.mnemonic)) return mode;
    // Strings through 16-bit addresses would all miss the scratch pages.
    return this.#random.oneIn(mode === 32 && this.#facts.pointers.size > 0 ? 32 : 8) ? other : mode;
  }

  #registerNumber(field: 'reg' | 'rm'): number {
    const { mode, pattern } = this.#form;
    const random = this.#random;
    const source = field === 'reg' ? ['segment', 'control', 'debug'] : ['stack87'];
    const special = pattern.operands.find(({ kind }) => source.includes(kind.source));
    if (special?.kind.source === 'segment') return random.below(6);
    if (special?.kind.source === 'control') return random.pick([0, 2, 3, 4]);
    if (special !== undefined) return random.below(8);
    return random.below(mode === 64 && pattern.modrm !== 'byteWithRegister' ? 16 : 8);
  }

  #immediates(addressSize: number): bigint[] {
    const { operandSize, pattern } = this.#form;
    const random = this.#random;
    const widthOf = (width: number | 'v' | 'z' | 'a' | undefined): number =>
      width === 'v' ? operandSize : width === 'z' ? Math.min(operandSize, 32) : width === 'a' ? addressSize : width!;
    return pattern.operands.flatMap(({ kind, name }) => {
      const width = widthOf(kind.encodedWidth ?? kind.width);
      const signed = (value: bigint) => (kind.encodedWidth === undefined ? value : BigInt.asIntN(width, value));
      switch (kind.source) {
        case 'immediate':
          if (pattern.row.mnemonic === 'enter') return [BigInt(random.below(name === 'level' ? 12 : 64))];
          if (pattern.row.mnemonic === 'ret') return [BigInt(random.below(48))];
          return [signed(edgeInteger(random, width))];
        case 'relative': {
          const near = BigInt(random.below(0xe00) - 0x700);
          return [BigInt.asIntN(width, width === 8 || random.oneIn(3) ? random.bits(width) : near)];
        }
        case 'memoryOffset':
          return [0n]; // set with the memory operand
        default:
          return [];
      }
    });
  }

  /** Completes the fields with a memory operand that lies in the window, choosing register values for it. */
  #memoryOperand(
    fields: PatternFields,
    { registers, memory, window }: { registers: bigint[]; memory: Uint8Array; window: number },
  ): PatternFields | undefined {
    const { pattern, mode } = this.#form;
    const random = this.#random;
    if (!this.#form.memory) return fields;
    const strings = pattern.operands.some(({ kind }) => kind.source === 'stringSource');
    const offsets = pattern.operands.some(({ kind }) => kind.source === 'memoryOffset');
    const { addressSize } = fields;
    const segment = this.#segment(addressSize);
    if (strings) {
      const pointer = this.#facts.pointers.has(GPR.rSI) ? GPR.rSI : GPR.rBX; // rBX: XLAT
      if (segment === SEGMENT.FS) {
        const distance = dataBase(mode, SEGMENT.FS) - dataBase(mode);
        registers[pointer] = BigInt.asUintN(registerWidth(mode), registers[pointer] - BigInt(distance));
      }
      return segment === undefined ? fields : { ...fields, segmentOverride: segment };
    }
    const base = dataBase(mode, segment);
    const target = this.#target(window, 16);
    if (pattern.row.mnemonic === 'fxrstor' && !random.oneIn(8)) this.#putMxcsr(memory, target - window);
    const at = target - base;
    const wrap = (value: bigint) => BigInt.asUintN(addressSize, value);
    if (offsets) {
      const immediates = [wrap(BigInt(at))];
      return { ...fields, immediates, ...(segment !== undefined && { segmentOverride: segment }) };
    }
    const form = addressSize === 16 ? this.#form16() : this.#form32(fields);
    const { base: baseRegister, index, scale } = form;
    let rest = BigInt(at);
    if (index !== undefined) {
      if (!this.#facts.pointers.has(index)) {
        const small = baseRegister === undefined || baseRegister === index;
        registers[index] = small ? BigInt(random.below(1 << 20)) : this.#value(registerWidth(mode));
      }
      rest -= registers[index] << BigInt(scale);
    }
    if (baseRegister === 'ip')
      rest -= BigInt(slot + 7); // near enough: instruction lengths differ by a few bytes
    else if (baseRegister !== undefined) {
      const fixed =
        this.#facts.pointers.has(baseRegister) || baseRegister === index || this.#isIndexField(fields, baseRegister);
      if (fixed) rest -= registers[baseRegister];
      else {
        const displacement = random.pick([0n, edgeInteger(random, 8), BigInt.asIntN(32, edgeInteger(random, 32))]);
        const value = wrap(rest - displacement);
        registers[baseRegister] = this.#withLow(registers[baseRegister], addressSize, value);
        rest = displacement;
      }
    }
    const displacement = BigInt.asIntN(addressSize === 16 ? 16 : 32, rest);
    if (addressSize === 64 && displacement !== rest && BigInt.asIntN(64, rest) !== displacement) return undefined;
    const operand: MemoryOperand = {
      ...form,
      displacement: Number(displacement),
      segment: segment ?? (baseRegister === GPR.rSP || baseRegister === GPR.rBP ? SEGMENT.SS : SEGMENT.DS),
    };
    const displacementSize = random.pick([0, 0, 0, 8, 32] as const);
    return { ...fields, memory: operand, displacementSize, ...(segment !== undefined && { segmentOverride: segment }) };
  }

  /** A valid MXCSR in an FXSAVE image: reserved bits differ between CPUs. */
  #putMxcsr(memory: Uint8Array, at: number): void {
    const view = new DataView(memory.buffer);
    if (at >= 0 && at + 28 <= memory.length) view.setUint32(at + 24, 0x1f80, true);
  }

  #isIndexField(fields: PatternFields, register: number): boolean {
    return [...this.#facts.indexFields].some((field) => fields[field] === register);
  }

  /** Segment override: mostly none; FS often with 16-bit addresses, since only it brings them to the scratch pages. */
  #segment(addressSize: number): number | undefined {
    const random = this.#random;
    if (addressSize === 16 && this.#form.mode === 32) return random.oneIn(8) ? undefined : SEGMENT.FS;
    if (random.oneIn(10)) return SEGMENT.FS;
    return random.oneIn(16) ? random.below(6) : undefined;
  }

  #form16(): Pick<MemoryOperand, 'base' | 'index' | 'scale'> {
    const { rBX, rBP, rSI, rDI } = GPR;
    const [base, index] = this.#random.pick([
      [rBX, rSI],
      [rBX, rDI],
      [rBP, rSI],
      [rBP, rDI],
      [rSI, undefined],
      [rDI, undefined],
      [rBP, undefined],
      [rBX, undefined],
      [undefined, undefined],
    ] as const);
    return { base, index, scale: 0 };
  }

  #form32({ mode }: PatternFields): Pick<MemoryOperand, 'base' | 'index' | 'scale'> {
    const random = this.#random;
    const register = () => random.below(mode === 64 ? 16 : 8);
    const indexRegister = () => {
      const number = register();
      return number === GPR.rSP ? undefined : number;
    };
    switch (random.below(6)) {
      case 0:
        return { base: undefined, index: undefined, scale: 0 };
      case 1: {
        if (mode === 64 && !this.#facts.jumps) return { base: 'ip', index: undefined, scale: 0 };
        return { base: undefined, index: indexRegister(), scale: 0 };
      }
      case 2: {
        const index = indexRegister();
        return { base: register(), index, scale: index === undefined ? 0 : random.below(4) };
      }
      default:
        return { base: register(), index: undefined, scale: 0 };
    }
  }

  #maskFlagsImage(view: DataView, at: number): void {
    for (let index = 0; index < 8; index++) {
      if (at + index < 0 || at + index >= view.byteLength) continue;
      view.setUint8(at + index, view.getUint8(at + index) & (index < 4 ? (POPF_IMAGE >> (8 * index)) & 0xff : 0));
    }
  }

  #x87State(): X87State {
    const random = this.#random;
    const masks = random.oneIn(4) ? Number(random.bits(6)) : 0x3f;
    const controlWord = 0x40 | masks | (random.pick([3, 3, 3, 2, 0]) << 8) | (Number(random.bits(2)) << 10);
    const exceptions = random.oneIn(3) ? Number(random.bits(7)) & (random.oneIn(4) ? 0x7f : 0x40 | masks) : 0;
    const pending = (exceptions & 0x3f & ~masks) !== 0 ? 0x8080 : 0;
    const conditions = Number(random.bits(4));
    const statusWord =
      exceptions | pending | ((conditions & 7) << 8) | ((conditions >> 3) << 14) | (random.below(8) << 11);
    return {
      controlWord,
      statusWord,
      tags: random.oneIn(4) ? Number(random.bits(8)) : 0xff,
      stack: Array.from({ length: 8 }, () => edgeFloat(random, 80)),
    };
  }
}
