/** Where the state of the processor is while a region runs: locals of its function. */
import { FLAG_CARRIES } from '../../cpu/flags.ts';
import { GPR_SLOT, STATE } from '../../cpu/state-layout.ts';
import { forEachStatement } from '../../ir/visit.ts';
import { type CodeWriter, I32 } from '../../wasm/code-writer.ts';
import { REGION_ENTRY } from '../blocks/region-entry.ts';
import type { FormStatement } from '../lowering/form-lowering.ts';
import type { RegionX87 } from './x87/region-x87.ts';

/** A region leaves at least this often, so that code which the host has optimised meanwhile is entered. */
const MOST_INSTRUCTIONS = 1_000_000;
const DELTAS = FLAG_CARRIES.SF_DELTA | FLAG_CARRIES.PF_DELTA;

/**
 * The flags' words. The result is one local. The carries of left + right = sum are three, from which they are worked out
 * where somebody wants to know: (left & right) | ((left | right) & ~sum). Those of left − right = difference are those of
 * difference + right = left; a known vector v is v + v = anything; and the two deltas are a fourth.
 */
export interface FlagLocals {
  readonly result: number;
  readonly left: number;
  readonly right: number;
  readonly sum: number;
  readonly deltas: number;
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
  /** Address of the exit taken, less that of the first; where a computed jump goes. */
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
  readonly #written: ReadonlySet<number>;
  readonly #writesFlags: boolean;
  readonly #start: number;
  readonly #callsInterpreter: boolean;

  /** @param statements all that are emitted */
  constructor(code: CodeWriter, statements: readonly FormStatement[], options: { readonly callsInterpreter: boolean }) {
    this.#code = code;
    this.#callsInterpreter = options.callsInterpreter;
    const local = () => code.newLocal(I32);
    const read = new Set<number>();
    const written = new Set<number>();
    let writesFlags = false;
    forEachStatement(statements, (one) => {
      if (one.kind === 'flags') writesFlags = true;
      if (one.kind === 'write' && one.place.space === 'flag') writesFlags = true;
      if (one.kind === 'write' && one.place.space === 'gpr') written.add(one.place.register);
      if (one.kind === 'read' && one.place.space === 'gpr') read.add(one.place.register);
    });
    this.#written = written;
    this.#writesFlags = writesFlags;
    this.base = local();
    this.budget = local();
    this.reserve = local();
    this.#start = local();
    this.tlbRead = local();
    this.tlbWrite = local();
    this.exit = local();
    this.target = local();
    this.selector = local();
    this.status = local();
    this.tag = local();
    this.flags = { result: local(), left: local(), right: local(), sum: local(), deltas: local() };
    this.registers = Array.from({ length: 8 }, (_, number) =>
      read.has(number) || written.has(number) ? local() : undefined,
    );
  }

  /** From the state block, where the region is entered; all but the base. */
  load(): void {
    if (this.#callsInterpreter) this.#loadField('jumpTag', this.tag);
    this.reloadTables();
    this.#loadBudget();
    this.#loadRegisters();
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
    code.i32(retired);
    code.op('i32.add');
    code.tee(this.budget);
    // A repeated instruction may have used some of what was kept back.
    code.get(this.reserve);
    code.get(this.budget);
    code.get(this.reserve);
    code.op('i32.lt_u', 'select');
    code.set(this.reserve);
    code.get(this.budget);
    code.get(this.reserve);
    code.op('i32.sub');
    code.set(this.budget);
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
      if (local === undefined || !this.#written.has(register)) return;
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
    const { left, right, sum, deltas } = this.flags;
    code.get(left);
    code.get(right);
    code.op('i32.and');
    code.get(left);
    code.get(right);
    code.op('i32.or');
    code.get(sum);
    code.i32(-1);
    code.op('i32.xor', 'i32.and', 'i32.or');
    code.i32(FLAG_CARRIES.CF | FLAG_CARRIES.OVERFLOW | FLAG_CARRIES.AF);
    code.op('i32.and');
    code.get(deltas);
    code.op('i32.or');
  }

  /** `push` pushes the word. */
  setCarries(push: () => void): void {
    const code = this.#code;
    const { left, right, deltas } = this.flags;
    push();
    code.tee(left);
    code.tee(right);
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
