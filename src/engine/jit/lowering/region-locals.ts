/** Where the state of the processor is while a region runs: locals of its function. */
import { FLAG_CARRIES } from '../../../cpu/flags.ts';
import { GPR_SLOT, STATE } from '../../../cpu/state-layout.ts';
import { type CodeWriter, I32 } from '../../../wasm/code-writer.ts';
import { REGION_ENTRY } from '../../blocks/region-entry.ts';
import type { BoundForm } from '../forms/bound-form.ts';
import type { RegionX87 } from './x87/region-x87.ts';

/** A region leaves at least this often, so that code which the host has optimised meanwhile is entered. */
const MOST_INSTRUCTIONS = 1_000_000;
/** No address of which the offset in its page is cut off, but for the two lowest bits, is this. */
const NO_PAGE = 0x800;
const DELTAS = FLAG_CARRIES.SF_DELTA | FLAG_CARRIES.PF_DELTA;

/**
 * The flags' words. The result is one local. The carries of left + right = sum are three, from which they are worked out
 * where somebody wants to know: (left & right) | ((left | right) & ~sum). Those of left − right = difference are those of
 * difference + right = left; a known vector v is v + v = anything; and the two deltas are a fourth.
 */
export interface FlagLocals {
  readonly result: number;
  readonly carries: CarryLocals;
  /** Those that CF comes from: the same, but in regions that have instructions which keep it. */
  readonly carry: CarryLocals;
  readonly deltas: number;
}

interface CarryLocals {
  readonly left: number;
  readonly right: number;
  readonly sum: number;
}

export class RegionLocals {
  /** Parameters. */
  readonly state = 0;
  readonly entry = 1;
  readonly base: number;
  /** Instructions that may still retire here, and those kept back. */
  readonly budget: number;
  readonly reserve: number;
  readonly tlbRead: number;
  readonly tlbWrite: number;
  /** The page of the stack that was written last, or `NO_PAGE`, and what makes a host address of a linear one in it. */
  readonly stackPage: number;
  readonly stackAddend: number;
  /** Place of the exit or computed jump taken, its address behind the last block; and where a computed jump goes. */
  readonly exit: number;
  readonly target: number;
  readonly selector: number;
  /** `state.jumpTag` at the entry: while it is the same, the mode is, and code is where it was. */
  readonly tag: number;
  /** What the interpreter's function of an instruction returned. */
  readonly status: number;
  readonly flags: FlagLocals;
  /** By register number; undefined: the region has nothing to do with it. */
  readonly registers: readonly (number | undefined)[];
  /** Only of regions that have to do with it. */
  x87: RegionX87 | undefined;
  readonly #code: CodeWriter;
  /** As bits. */
  readonly #written: number;
  readonly #writesFlags: boolean;
  readonly #start: number;
  readonly #vector: number;
  readonly #carry: number;
  readonly #callsInterpreter: boolean;

  /** @param forms all that are emitted */
  constructor(code: CodeWriter, forms: readonly BoundForm[], options: { readonly callsInterpreter: boolean }) {
    this.#code = code;
    this.#callsInterpreter = options.callsInterpreter;
    const local = () => code.newLocal(I32);
    let [used, written, writesFlags, keepsCarry] = [0, 0, false, false];
    for (const form of forms) {
      used |= form.registers;
      written |= form.registersWritten;
      writesFlags ||= form.changesFlags;
      keepsCarry ||= form.keepsCarry;
    }
    this.#written = written;
    this.#writesFlags = writesFlags;
    this.base = local();
    this.budget = local();
    this.reserve = local();
    this.#start = local();
    this.#vector = local();
    this.#carry = local();
    this.tlbRead = local();
    this.tlbWrite = local();
    this.stackPage = local();
    this.stackAddend = local();
    this.exit = local();
    this.target = local();
    this.selector = local();
    this.status = local();
    this.tag = local();
    const triple = (): CarryLocals => ({ left: local(), right: local(), sum: local() });
    const carries = triple();
    const carry = keepsCarry ? triple() : carries;
    this.flags = { result: local(), carries, carry, deltas: local() };
    this.registers = Array.from({ length: 8 }, (_, number) => (used & (1 << number) ? local() : undefined));
  }

  /** From the state block, where the region is entered; all but the base. */
  load(): void {
    if (this.#callsInterpreter) this.#loadField('jumpTag', this.tag);
    this.reloadTables();
    this.forgetStackPage();
    this.#loadBudget();
    this.#loadRegisters();
  }

  forgetStackPage(): void {
    this.#code.i32(NO_PAGE);
    this.#code.set(this.stackPage);
  }

  /** That of the entry's page, less its offset. */
  loadBase(): void {
    this.#loadField('base', this.base);
    this.#code.get(this.base);
    this.#code.get(this.entry);
    this.#code.memory('i32.load', REGION_ENTRY.PAGE_OFFSET);
    this.#code.op('i32.sub');
    this.#code.set(this.base);
  }

  reloadTables(): void {
    this.#loadField('tlbRead', this.tlbRead);
    this.#loadField('tlbWrite', this.tlbWrite);
  }

  /** What may have changed while the interpreter did an instruction. @param retired since the budget was last counted down */
  reload(retired: number): void {
    const code = this.#code;
    code.get(this.state);
    code.memory('i32.load', STATE.fields.budget);
    code.tee(this.budget);
    // A repeated instruction may have used some of what was kept back; the budget is still to be counted down by `retired`.
    code.get(this.reserve);
    code.get(this.budget);
    code.get(this.reserve);
    code.op('i32.lt_u', 'select');
    code.set(this.reserve);
    code.get(this.budget);
    code.i32(retired);
    code.op('i32.add');
    code.set(this.budget);
    code.get(this.budget);
    code.get(this.reserve);
    code.op('i32.sub');
    code.set(this.budget);
    this.forgetStackPage();
    this.#loadRegisters();
    this.x87?.reload();
  }

  #loadRegisters(): void {
    this.registers.forEach((local, register) => {
      if (local === undefined) return;
      this.#code.get(this.state);
      this.#code.memory('i32.load', register * GPR_SLOT);
      this.#code.set(local);
    });
    this.#loadField('flagResult', this.flags.result);
    this.#loadField('flagCarries', this.flags.deltas);
    this.setCarries(() => this.#code.get(this.flags.deltas));
  }

  /** To the state block. @param retired since the budget was last counted down */
  store(retired: number): void {
    const code = this.#code;
    const { flags } = this;
    this.registers.forEach((local, register) => {
      if (local === undefined || (this.#written & (1 << register)) === 0) return;
      code.get(this.state);
      code.get(local);
      code.memory('i32.store', register * GPR_SLOT);
    });
    if (this.#writesFlags) {
      code.get(this.state);
      code.get(flags.result);
      code.op('i64.extend_i32_s');
      code.memory('i64.store', STATE.fields.flagResult);
      code.get(this.state);
      this.pushCarries();
      code.memory('i32.store', STATE.fields.flagCarries);
    }
    this.x87?.store();
    code.get(this.state);
    this.pushBudget(retired);
    code.memory('i32.store', STATE.fields.budget);
  }

  /** After `store`: pushes how many instructions have retired in the region. */
  pushRetired(): void {
    const code = this.#code;
    code.get(this.#start);
    code.get(this.state);
    code.memory('i32.load', STATE.fields.budget);
    code.op('i32.sub');
  }

  /** Pushes the budget, less some instructions that have retired since it was counted down. */
  pushBudget(retired: number): void {
    const code = this.#code;
    code.get(this.budget);
    code.get(this.reserve);
    code.op('i32.add');
    if (retired === 0) return;
    code.i32(retired);
    code.op('i32.sub');
  }

  /** Pushes the word `flagCarries`. */
  pushCarries(): void {
    const code = this.#code;
    const { carries, carry, deltas } = this.flags;
    this.#pushVector(carries);
    if (carry === carries) {
      code.i32(FLAG_CARRIES.CF | FLAG_CARRIES.OVERFLOW | FLAG_CARRIES.AF);
      code.op('i32.and');
    } else {
      // bit 31: CF; bit 30: CF ^ OF, where OF is the vector's own top bits' difference; bit 3: AF
      code.set(this.#vector);
      this.#pushVector(carry);
      code.i32(FLAG_CARRIES.CF);
      code.op('i32.and');
      code.tee(this.#carry);
      code.get(this.#carry);
      code.i32(1);
      code.op('i32.shr_u');
      code.get(this.#vector);
      code.get(this.#vector);
      code.i32(1);
      code.op('i32.shr_u', 'i32.xor', 'i32.xor');
      code.i32(FLAG_CARRIES.OVERFLOW);
      code.op('i32.and', 'i32.or');
      code.get(this.#vector);
      code.i32(FLAG_CARRIES.AF);
      code.op('i32.and', 'i32.or');
    }
    code.get(deltas);
    code.op('i32.or');
  }

  #pushVector({ left, right, sum }: CarryLocals): void {
    const code = this.#code;
    code.get(left);
    code.get(right);
    code.op('i32.and');
    code.get(left);
    code.get(right);
    code.op('i32.or');
    code.get(sum);
    code.i32(-1);
    code.op('i32.xor', 'i32.and', 'i32.or');
  }

  /** `push` pushes the word. */
  setCarries(push: () => void): void {
    const code = this.#code;
    const { carries, carry, deltas } = this.flags;
    push();
    code.tee(carries.left);
    code.tee(carries.right);
    if (carry !== carries) {
      code.tee(carry.left);
      code.tee(carry.right);
    }
    code.i32(DELTAS);
    code.op('i32.and');
    code.set(deltas);
  }

  #loadField(field: 'base' | 'jumpTag' | 'tlbRead' | 'tlbWrite' | 'flagResult' | 'flagCarries', local: number): void {
    this.#code.get(this.state);
    this.#code.memory('i32.load', STATE.fields[field]);
    this.#code.set(local);
  }

  #loadBudget(): void {
    const code = this.#code;
    code.get(this.state);
    code.memory('i32.load', STATE.fields.budget);
    code.tee(this.#start);
    code.tee(this.reserve);
    code.i32(MOST_INSTRUCTIONS);
    code.get(this.reserve);
    code.i32(MOST_INSTRUCTIONS);
    code.op('i32.lt_u', 'select');
    code.set(this.budget);
    code.get(this.reserve);
    code.get(this.budget);
    code.op('i32.sub');
    code.set(this.reserve);
  }
}
