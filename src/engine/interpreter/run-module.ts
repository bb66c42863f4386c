/**
 * The interpreter's loop: one function, one `br_table`. Hot forms are handlers inside it, with lazy flags and the
 * budget in locals; every other form is a cold function, called through the table.
 *
 * Control flows through four labels: `again` (execute the record), `cold` (call its function), `resolve` (find the
 * block at `target`), `enter` (take the block's instructions from the budget).
 */
import { STATE } from '../../cpu/state-layout.ts';
import { JUMP_CACHE } from '../../cpu/tlb-layout.ts';
import { CodeWriter, I32, I64, type Label } from '../../wasm/code-writer.ts';
import { ModuleBuilder } from '../../wasm/module-builder.ts';
import { COLD_PARAMETERS, STATUS } from './cold-lowering.ts';
import type { FormStatement } from './form-lowering.ts';
import { HotLowering } from './hot-lowering.ts';
import { RECORD, RECORD_SIZE } from './record-layout.ts';
import { LocalPool } from './value-lowering.ts';

/** What `run` returns. */
export const EXIT = { BUDGET: 0, ATTENTION: 1, FAULT: 2 } as const;

/** Handlers that belong to no instruction. */
export const PSEUDO = {
  /** The code was overwritten: look the block up again. */
  STALE: 0,
  /** End of a partial block: the budget is used up. */
  STOP: 1,
  /** End of a block without a control transfer: the next one follows. */
  FALL_THROUGH: 2,
  COUNT: 3,
} as const;

export interface RunModuleOptions {
  readonly wide: boolean;
  readonly maximumPages: number;
  readonly tableSize: number;
  /** Hot forms, by form number from PSEUDO.COUNT on. */
  readonly hotForms: readonly (readonly FormStatement[])[];
  /** Offset of the jump cache from the state block. */
  readonly jumpCache: number;
}

/** Locals of `run`. */
export interface RunLocals {
  readonly state: number;
  readonly record: number;
  readonly base: number;
  readonly budget: number;
  readonly flagResult: number;
  readonly flagCarries: number;
  readonly tlbRead: number;
  readonly tlbWrite: number;
  readonly target: number;
  readonly linkFrom: number;
}

/** Bytes of the module: imports memory, table, `lookUp(state)`, `partial(state, record, budget)`; exports `run(state)`. */
export function buildRunModule(options: RunModuleOptions): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory('memory', { minimumPages: 1, maximumPages: options.maximumPages });
  module.importTable('table', options.tableSize);
  const lookUp = module.importFunction('lookUp', { parameters: [I32], results: [I32] });
  const partial = module.importFunction('partial', { parameters: [I32, I32, I32], results: [I32] });
  const coldType = module.type({ parameters: COLD_PARAMETERS(options.wide), results: [I32] });
  const run = module.declare({ parameters: [I32], results: [I32] });
  module.define(run, new RunFunction(options, { lookUp, partial, coldType }).write());
  module.export('run', run);
  return module.finish();
}

class RunFunction {
  readonly #options: RunModuleOptions;
  readonly #imports: { lookUp: number; partial: number; coldType: number };
  readonly #code = new CodeWriter(1);
  readonly #locals: RunLocals;

  constructor(options: RunModuleOptions, imports: { lookUp: number; partial: number; coldType: number }) {
    this.#options = options;
    this.#imports = imports;
    const pointer = options.wide ? I64 : I32;
    const local = (type: typeof I32 | typeof I64 = I32) => this.#code.newLocal(type);
    this.#locals = {
      state: 0,
      record: local(),
      base: local(pointer),
      budget: local(),
      flagResult: local(),
      flagCarries: local(),
      tlbRead: local(),
      tlbWrite: local(),
      target: local(pointer),
      linkFrom: local(),
    };
  }

  write(): CodeWriter {
    const code = this.#code;
    const { hotForms } = this.#options;
    // The first block is looked up like any other: enter at `resolve` by starting with a stale record's state.
    this.#reload();
    code.get(this.#locals.state);
    code.memory(this.#options.wide ? 'i64.load' : 'i32.load', STATE.fields.ip);
    code.set(this.#locals.target);
    const start = code.newLocal(I32);
    code.i32(1);
    code.set(start);

    const again = code.loop();
    const enter = code.block();
    const resolve = code.block();
    code.get(start);
    code.if();
    code.i32(0);
    code.set(start);
    code.br(resolve);
    code.end();
    const cold = code.block();
    const handlers: Label[] = Array.from({ length: PSEUDO.COUNT + hotForms.length }, () => code.block()).reverse();
    code.get(this.#locals.record);
    code.memory('i32.load16_u', RECORD.handler);
    code.brTable(handlers, cold);

    code.end();
    this.#stale(resolve);
    code.end();
    this.#stop();
    code.end();
    this.#fallThrough(resolve, enter);
    const pool = new LocalPool(code);
    for (const statements of hotForms) {
      code.end();
      new HotLowering(code, pool, this.#locals, { again, enter, resolve, cold }).handler(statements);
      pool.releaseAll();
    }
    code.end(); // cold
    this.#cold(again);
    code.end(); // resolve
    this.#resolve();
    code.end(); // enter
    this.#enter(again);
    code.end(); // again
    code.op('unreachable');
    return code;
  }

  /** Pushes base + pageOffset. */
  #pushIp(): void {
    const code = this.#code;
    code.get(this.#locals.base);
    code.get(this.#locals.record);
    code.memory(this.#options.wide ? 'i64.load16_u' : 'i32.load16_u', RECORD.pageOffset);
    code.op(this.#options.wide ? 'i64.add' : 'i32.add');
  }

  #storePointer(field: 'ip' | 'nextIp', push: () => void): void {
    this.#code.get(this.#locals.state);
    push();
    this.#code.memory(this.#options.wide ? 'i64.store' : 'i32.store', STATE.fields[field]);
  }

  #stale(resolve: Label): void {
    const code = this.#code;
    const { record, budget, target, linkFrom } = this.#locals;
    this.#pushIp();
    code.set(target);
    code.get(budget);
    code.get(record);
    code.memory('i32.load8_u', RECORD.remaining);
    code.op('i32.add');
    code.set(budget);
    code.i32(0);
    code.set(linkFrom);
    code.br(resolve);
  }

  #stop(): void {
    this.#storePointer('ip', () => this.#pushIp());
    this.#leave(EXIT.BUDGET);
  }

  #fallThrough(resolve: Label, enter: Label): void {
    const code = this.#code;
    const { record, target, linkFrom } = this.#locals;
    code.get(record);
    code.tee(linkFrom);
    code.memory('i32.load', RECORD.link);
    code.tee(record);
    code.brIf(enter);
    code.get(linkFrom);
    code.set(record);
    this.#pushIp();
    code.set(target);
    code.br(resolve);
  }

  /** Calls the record's function with everything in the state block. */
  #cold(again: Label): void {
    const code = this.#code;
    const { state, record, base, budget, target, linkFrom } = this.#locals;
    const status = code.newLocal(I32);
    this.#spill();
    code.get(state);
    code.get(record);
    code.memory('i32.store', STATE.fields.record);
    code.get(state);
    code.get(record);
    code.get(base);
    code.get(record);
    code.memory('i32.load16_u', RECORD.handler);
    code.callIndirect(this.#imports.coldType);
    code.set(status);
    this.#reload();
    code.get(status);
    code.op('i32.eqz');
    code.if();
    code.get(record);
    code.i32(RECORD_SIZE);
    code.op('i32.add');
    code.set(record);
    code.br(again);
    code.end();

    const addRemaining = (minus: 'nothing' | 'count') => {
      code.get(budget);
      code.get(record);
      code.memory('i32.load8_u', RECORD.remaining);
      code.op('i32.add');
      if (minus === 'count') {
        code.get(record);
        code.memory('i32.load8_u', RECORD.count);
        code.op('i32.sub');
      }
      code.set(budget);
    };
    code.get(status);
    code.i32(STATUS.FAULT);
    code.op('i32.eq');
    code.if();
    addRemaining('nothing');
    this.#storePointer('ip', () => this.#pushIp());
    this.#leave(EXIT.FAULT);
    code.end();
    addRemaining('count');
    code.get(state);
    code.memory(this.#options.wide ? 'i64.load' : 'i32.load', STATE.fields.nextIp);
    code.set(target);
    code.get(state);
    code.memory('i32.load', STATE.fields.attention);
    code.if();
    this.#storePointer('ip', () => code.get(target));
    this.#leave(EXIT.ATTENTION);
    code.end();
    code.i32(0);
    code.set(linkFrom);
  }

  /** Finds the block at `target`: jump cache, else `lookUp`. */
  #resolve(): void {
    const code = this.#code;
    const { wide, jumpCache } = this.#options;
    const { state, record, base, target, linkFrom } = this.#locals;
    const entry = code.newLocal(I32);
    const pushTarget32 = () => {
      code.get(target);
      if (wide) code.op('i32.wrap_i64');
    };
    pushTarget32();
    pushTarget32();
    code.i32(12);
    code.op('i32.shr_u', 'i32.xor');
    code.i32(JUMP_CACHE.ENTRIES - 1);
    code.op('i32.and');
    code.i32(JUMP_CACHE.ENTRY_SHIFT);
    code.op('i32.shl');
    code.get(state);
    code.op('i32.add');
    code.tee(entry);
    code.memory('i32.load', jumpCache + JUMP_CACHE.IP);
    pushTarget32();
    code.op('i32.eq');
    code.get(entry);
    code.memory('i32.load', jumpCache + JUMP_CACHE.TAG);
    code.get(state);
    code.memory('i32.load', STATE.fields.jumpTag);
    code.op('i32.eq', 'i32.and');
    if (wide) {
      code.get(entry);
      code.memory('i64.load32_u', jumpCache + JUMP_CACHE.IP_HIGH);
      code.get(target);
      code.i64(32n);
      code.op('i64.shr_u', 'i64.eq', 'i32.and');
    }
    code.if();
    code.get(entry);
    code.memory('i32.load', jumpCache + JUMP_CACHE.BLOCK);
    code.set(record);
    code.else();
    // Nothing is left to execute: whether the next instruction can be fetched is for the next run to find out.
    code.get(this.#locals.budget);
    code.op('i32.eqz');
    code.if();
    this.#storePointer('ip', () => code.get(target));
    this.#leave(EXIT.BUDGET);
    code.end();
    this.#spill();
    this.#storePointer('nextIp', () => code.get(target));
    code.get(state);
    code.call(this.#imports.lookUp);
    code.tee(record);
    code.op('i32.eqz');
    code.if();
    this.#storePointer('ip', () => code.get(target));
    code.i32(EXIT.FAULT);
    code.i32(EXIT.ATTENTION);
    code.get(state);
    code.memory('i32.load', STATE.fields.faulted);
    code.op('select', 'return');
    code.end();
    this.#reload();
    code.end();
    // The new base; equal bases mean the same page, so a direct branch may be linked for good.
    const newBase = code.newLocal(wide ? I64 : I32);
    code.get(target);
    code.get(record);
    code.memory(wide ? 'i64.load16_u' : 'i32.load16_u', RECORD.pageOffset);
    code.op(wide ? 'i64.sub' : 'i32.sub');
    code.set(newBase);
    code.get(linkFrom);
    code.if();
    code.get(newBase);
    code.get(base);
    code.op(wide ? 'i64.eq' : 'i32.eq');
    code.if();
    code.get(linkFrom);
    code.get(record);
    code.memory('i32.store', RECORD.link);
    code.end();
    code.end();
    code.get(newBase);
    code.set(base);
  }

  /** Takes the block's instructions from the budget; with too little left, runs as many as there are. */
  #enter(again: Label): void {
    const code = this.#code;
    const { state, record, budget } = this.#locals;
    const count = code.newLocal(I32);
    code.get(budget);
    code.get(record);
    code.memory('i32.load8_u', RECORD.remaining);
    code.tee(count);
    code.op('i32.ge_u');
    code.if();
    code.get(budget);
    code.get(count);
    code.op('i32.sub');
    code.set(budget);
    code.br(again);
    code.end();
    code.get(budget);
    code.op('i32.eqz');
    code.if();
    this.#storePointer('ip', () => this.#pushIp());
    this.#leave(EXIT.BUDGET);
    code.end();
    this.#spill();
    code.get(state);
    code.get(record);
    code.get(budget);
    code.call(this.#imports.partial);
    code.set(record);
    code.i32(0);
    code.set(budget);
    code.br(again);
  }

  #fields(): (readonly [number, 'flagResult' | 'flagCarries' | 'budget'])[] {
    const { flagResult, flagCarries, budget } = this.#locals;
    // In 64-bit mode no handler is inline: flags stay in the state block.
    return this.#options.wide
      ? [[budget, 'budget']]
      : [
          [flagResult, 'flagResult'],
          [flagCarries, 'flagCarries'],
          [budget, 'budget'],
        ];
  }

  #spill(): void {
    const code = this.#code;
    for (const [local, field] of this.#fields()) {
      code.get(this.#locals.state);
      code.get(local);
      if (field === 'flagResult') code.op('i64.extend_i32_s');
      code.memory(field === 'flagResult' ? 'i64.store' : 'i32.store', STATE.fields[field]);
    }
  }

  #reload(): void {
    const code = this.#code;
    const { tlbRead, tlbWrite, state } = this.#locals;
    for (const [local, field] of [...this.#fields(), [tlbRead, 'tlbRead'], [tlbWrite, 'tlbWrite']] as const) {
      code.get(state);
      code.memory('i32.load', STATE.fields[field]);
      code.set(local);
    }
  }

  #leave(exit: number): void {
    this.#spill();
    this.#code.i32(exit);
    this.#code.op('return');
  }
}
