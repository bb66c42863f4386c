/**
 * The interpreter's loop, in two functions.
 *
 * `step` is one loop around one `br_table`: hot forms are handlers inside it, with lazy flags and the budget in locals.
 * It calls nothing: a call anywhere in it would cost the loop its registers (measured: 300 → 700 million records a
 * second). What it can't do itself it returns for, and `run` around it does it: cold functions, blocks not in the jump
 * cache, partial blocks.
 *
 * Control flows through four labels: `again` (execute the record), `cold` (its function must do it), `resolve` (find
 * the block at `target`), `enter` (take the block's instructions from the budget).
 */
import { PAGE_SIZE } from '../../base/address.ts';
import { STATE } from '../../cpu/state-layout.ts';
import { JUMP_CACHE } from '../../cpu/tlb-layout.ts';
import { CodeWriter, I32, I64, type Label } from '../../wasm/code-writer.ts';
import { ModuleBuilder } from '../../wasm/module-builder.ts';
import { emitBlockLookup } from '../lowering/block-lookup.ts';
import type { FormStatement } from '../lowering/form-lowering.ts';
import { LocalPool } from '../lowering/value-lowering.ts';
import { COLD_PARAMETERS, STATUS } from './cold-lowering.ts';
import { HotLowering, type RunLocals } from './hot-lowering.ts';
import { RECORD, RECORD_SIZE } from './record-layout.ts';

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
  /** Handlers by number from PSEUDO.COUNT on: the statements of one form, or of two that follow each other. */
  readonly hotHandlers: readonly {
    readonly forms: readonly (readonly FormStatement[])[];
    readonly segmented: boolean;
  }[];
  /** Offset of the jump cache from the state block. */
  readonly jumpCache: number;
}

/** What `step` returns for. */
const NEED = { COLD: 0, LOOK_UP: 1, PARTIAL: 2, STOP: 3 } as const;

/** Bytes of the module: imports memory, table, `lookUp(state)`, `partial(state, record, budget)`; exports `run(state)`. */
export function buildRunModule(options: RunModuleOptions): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory('memory', { minimumPages: 1, maximumPages: options.maximumPages });
  module.importTable('table', options.tableSize);
  const lookUp = module.importFunction('lookUp', { parameters: [I32], results: [I32] });
  const partial = module.importFunction('partial', { parameters: [I32, I32, I32], results: [I32] });
  const coldType = module.type({ parameters: COLD_PARAMETERS, results: [I32] });
  const step = module.declare({ parameters: [I32], results: [I32] }, 'step');
  const run = module.declare({ parameters: [I32], results: [I32] }, 'run');
  module.define(step, new StepFunction(options).write());
  module.define(run, new RunFunction(options, { lookUp, partial, coldType, step }).write());
  module.export('run', run);
  return module.finish();
}

/** What both functions are made of. */
abstract class LoopFunction {
  protected readonly code = new CodeWriter(1);
  protected readonly options: RunModuleOptions;
  protected readonly locals: RunLocals;

  constructor(options: RunModuleOptions) {
    this.options = options;
    const pointer = options.wide ? I64 : I32;
    const local = (type: typeof I32 | typeof I64 = I32) => this.code.newLocal(type);
    this.locals = {
      state: 0,
      record: local(),
      target: local(pointer),
      linkFrom: local(),
    };
  }

  /** Pushes base + pageOffset. */
  protected pushIp(): void {
    const { code } = this;
    this.pushPointer('base');
    code.get(this.locals.record);
    code.memory(this.options.wide ? 'i64.load16_u' : 'i32.load16_u', RECORD.pageOffset);
    code.op(this.options.wide ? 'i64.add' : 'i32.add');
  }

  protected storePointer(field: PointerField, push: () => void): void {
    this.code.get(this.locals.state);
    push();
    this.code.memory(this.options.wide ? 'i64.store' : 'i32.store', STATE.fields[field]);
  }

  protected pushPointer(field: PointerField): void {
    this.code.get(this.locals.state);
    this.code.memory(this.options.wide ? 'i64.load' : 'i32.load', STATE.fields[field]);
  }

  protected store(field: WordField, local: number): void {
    this.code.get(this.locals.state);
    this.code.get(local);
    this.code.memory('i32.store', STATE.fields[field]);
  }

  protected pushWord(field: WordField): void {
    this.code.get(this.locals.state);
    this.code.memory('i32.load', STATE.fields[field]);
  }

  /** Gives back to the budget what of the block will not run: from the record on, or from the one behind it. */
  protected refund(from: 'record' | 'next'): void {
    const { code } = this;
    const { state, record } = this.locals;
    code.get(state);
    this.pushWord('budget');
    code.get(record);
    code.memory('i32.load8_u', RECORD.remaining);
    code.op('i32.add');
    if (from === 'next') {
      code.get(record);
      code.memory('i32.load8_u', RECORD.count);
      code.op('i32.sub');
    }
    code.memory('i32.store', STATE.fields.budget);
  }

  /** Leaves the host address of `target`'s entry in the jump cache, less its offset from the state block, in a local. */
  #jumpCacheEntry(entry: number): void {
    const { code } = this;
    const { state } = this.locals;
    this.pushTarget32();
    this.pushTarget32();
    code.i32(12);
    code.op('i32.shr_u', 'i32.xor');
    code.i32(JUMP_CACHE.ENTRIES - 1);
    code.op('i32.and');
    code.i32(JUMP_CACHE.ENTRY_SHIFT);
    code.op('i32.shl');
    code.get(state);
    code.op('i32.add');
    code.set(entry);
  }

  protected pushTarget32(): void {
    this.code.get(this.locals.target);
    if (this.options.wide) this.code.op('i32.wrap_i64');
  }

  /** Looks `target` up in the jump cache: sets the record and goes to `found`, or falls through. */
  protected probeJumpCache(found: Label): void {
    const { code } = this;
    const { wide, jumpCache } = this.options;
    const { state, record, target } = this.locals;
    const entry = code.newLocal(I32);
    this.#jumpCacheEntry(entry);
    code.get(entry);
    code.memory('i32.load', jumpCache + JUMP_CACHE.BLOCK);
    code.set(record);
    code.get(entry);
    code.memory('i32.load', jumpCache + JUMP_CACHE.IP);
    this.pushTarget32();
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
    code.brIf(found);
  }

  /** Enters `target` and the record into the jump cache. */
  protected fillJumpCache(): void {
    const { code } = this;
    const { wide, jumpCache } = this.options;
    const { record, target } = this.locals;
    const entry = code.newLocal(I32);
    this.#jumpCacheEntry(entry);
    code.get(entry);
    this.pushTarget32();
    code.memory('i32.store', jumpCache + JUMP_CACHE.IP);
    code.get(entry);
    this.pushWord('jumpTag');
    code.memory('i32.store', jumpCache + JUMP_CACHE.TAG);
    code.get(entry);
    code.get(record);
    code.memory('i32.store', jumpCache + JUMP_CACHE.BLOCK);
    if (!wide) return;
    code.get(entry);
    code.get(target);
    code.i64(32n);
    code.op('i64.shr_u', 'i32.wrap_i64');
    code.memory('i32.store', jumpCache + JUMP_CACHE.IP_HIGH);
  }

  /** The new base; equal bases mean the same page, so a direct branch may be linked for good. */
  protected linkTo(): void {
    const { code } = this;
    const { wide } = this.options;
    const { record, target, linkFrom } = this.locals;
    const newBase = code.newLocal(wide ? I64 : I32);
    code.get(target);
    code.get(record);
    code.memory(wide ? 'i64.load16_u' : 'i32.load16_u', RECORD.pageOffset);
    code.op(wide ? 'i64.sub' : 'i32.sub');
    code.set(newBase);
    code.get(linkFrom);
    code.if();
    code.get(newBase);
    this.pushPointer('base');
    code.op(wide ? 'i64.eq' : 'i32.eq');
    // Not to an instruction that goes on in the next page: which one that is must be looked up.
    code.get(record);
    code.memory('i32.load16_u', RECORD.pageOffset);
    code.get(record);
    code.memory('i32.load8_u', RECORD.length);
    code.op('i32.add');
    code.i32(PAGE_SIZE);
    code.op('i32.le_u', 'i32.and');
    code.if();
    code.get(linkFrom);
    code.get(record);
    code.memory('i32.store', RECORD.link);
    code.end();
    code.end();
    this.storePointer('base', () => code.get(newBase));
  }

  /** Takes the block's instructions from the budget and goes on at `then`; falls through if it has too few. */
  protected enter(then: Label): void {
    const { code } = this;
    const { state, record } = this.locals;
    const budget = code.newLocal(I32);
    const count = code.newLocal(I32);
    this.pushWord('budget');
    code.tee(budget);
    code.get(record);
    code.memory('i32.load8_u', RECORD.remaining);
    code.tee(count);
    code.op('i32.ge_u');
    code.if();
    code.get(state);
    code.get(budget);
    code.get(count);
    code.op('i32.sub');
    code.memory('i32.store', STATE.fields.budget);
    code.br(then);
    code.end();
  }
}

type PointerField = 'ip' | 'nextIp' | 'base';
type WordField = 'budget' | 'record' | 'linkFrom' | 'attention' | 'faulted' | 'jumpTag';

/** Whether control can reach the record behind a form. */
function fallsThrough(statements: readonly FormStatement[]): boolean {
  const last = statements.at(-1);
  return last?.kind !== 'jump' || last.condition !== undefined;
}

/** The inner function: starts with the record and base in the state block. */
class StepFunction extends LoopFunction {
  write(): CodeWriter {
    const { code, locals } = this;
    const { hotHandlers } = this.options;
    this.pushWord('record');
    code.set(locals.record);

    const again = code.loop();
    const enter = code.block();
    const resolve = code.block();
    const cold = code.block();
    const handlers: Label[] = Array.from({ length: PSEUDO.COUNT + hotHandlers.length }, () => code.block()).reverse();
    code.get(locals.record);
    code.memory('i32.load16_u', RECORD.handler);
    code.brTable(handlers, cold);

    code.end();
    this.#stale();
    code.end();
    this.storePointer('ip', () => this.pushIp());
    this.#leave(NEED.STOP);
    code.end();
    this.#fallThrough(resolve, enter);
    const pool = new LocalPool(code);
    for (const { forms, segmented } of hotHandlers) {
      code.end();
      forms.forEach((statements, index) => {
        // Between the two of a pair the record is the second's own: whoever leaves from there leaves from it.
        if (index > 0) this.#nextRecord();
        new HotLowering(code, pool, locals, { again, enter, resolve, cold }, { segmented }).handler(statements);
        pool.releaseAll();
      });
      if (fallsThrough(forms.at(-1)!)) {
        this.#nextRecord();
        code.br(again);
      }
    }
    code.end(); // cold
    this.#leave(NEED.COLD);
    code.end(); // resolve
    const found = code.block();
    this.probeJumpCache(found);
    this.#lookUp();
    code.end(); // found
    this.linkTo();
    code.end(); // enter
    this.enter(again);
    this.#leave(NEED.PARTIAL);
    code.end(); // again
    code.op('unreachable');
    return code;
  }

  #nextRecord(): void {
    const { code } = this;
    code.get(this.locals.record);
    code.i32(RECORD_SIZE);
    code.op('i32.add');
    code.set(this.locals.record);
  }

  /** Not by the jump cache, which may have led here. */
  #stale(): void {
    const { code } = this;
    this.pushIp();
    code.set(this.locals.target);
    this.refund('record');
    code.i32(0);
    code.set(this.locals.linkFrom);
    this.#lookUp();
  }

  #lookUp(): void {
    const { target, linkFrom } = this.locals;
    this.storePointer('nextIp', () => this.code.get(target));
    this.store('linkFrom', linkFrom);
    this.#leave(NEED.LOOK_UP);
  }

  #fallThrough(resolve: Label, enter: Label): void {
    const { code } = this;
    const { record, target, linkFrom } = this.locals;
    code.get(record);
    code.tee(linkFrom);
    code.memory('i32.load', RECORD.link);
    code.tee(record);
    code.brIf(enter);
    code.get(linkFrom);
    code.set(record);
    this.pushIp();
    code.set(target);
    code.br(resolve);
  }

  #leave(need: number): void {
    this.store('record', this.locals.record);
    this.code.i32(need);
    this.code.op('return');
  }
}

/** The outer function: starts at `state.ip`, and does what `step` returns for. */
class RunFunction extends LoopFunction {
  readonly #functions: { lookUp: number; partial: number; coldType: number; step: number };

  constructor(
    options: RunModuleOptions,
    functions: { lookUp: number; partial: number; coldType: number; step: number },
  ) {
    super(options);
    this.#functions = functions;
  }

  write(): CodeWriter {
    const { code, locals } = this;
    const { state, record, target, linkFrom } = locals;
    /** The jump cache has not what is looked for, or it led to where the code was overwritten. */
    const notInCache = code.newLocal(I32);
    this.pushPointer('ip');
    code.set(target);

    const resolve = code.loop();
    const inner = code.block();
    const found = code.block();
    code.get(notInCache);
    code.op('i32.eqz');
    code.if();
    this.probeJumpCache(found);
    code.end();
    code.i32(0);
    code.set(notInCache);
    this.#find();
    code.end(); // found
    this.linkTo();
    this.enter(inner);
    this.#partial();
    code.end(); // inner
    const step = code.loop();
    this.store('record', record);
    code.get(state);
    code.call(this.#functions.step);
    const need = code.newLocal(I32);
    code.set(need);
    this.pushWord('record');
    code.set(record);

    const cold = code.block();
    const lookUp = code.block();
    const partial = code.block();
    const stop = code.block();
    code.get(need);
    code.brTable([cold, lookUp, partial], stop);
    code.end(); // stop
    this.#leave(EXIT.BUDGET);
    code.end(); // partial
    this.#partial();
    code.br(step);
    code.end(); // lookUp
    this.pushPointer('nextIp');
    code.set(target);
    this.pushWord('linkFrom');
    code.set(linkFrom);
    code.i32(1);
    code.set(notInCache);
    code.br(resolve);
    code.end(); // cold
    this.#cold(step);
    code.br(resolve);
    code.end(); // step
    code.end(); // resolve
    code.op('unreachable');
    return code;
  }

  /** Finds the block at `target`, which is not in the jump cache, and enters it there; or leaves. */
  #find(): void {
    const { code } = this;
    const known = code.block();
    const unknown = code.block();
    emitBlockLookup(code, this.locals, unknown, this.options);
    this.fillJumpCache();
    code.br(known);
    code.end(); // unknown
    this.#lookUp();
    code.end(); // known
  }

  /** Calls the record's function. Falls through with `target` set where the block ends. */
  #cold(step: Label): void {
    const { code } = this;
    const { state, record, target, linkFrom } = this.locals;
    const status = code.newLocal(I32);
    const next = code.loop();
    code.get(state);
    code.get(record);
    code.memory('i32.load8_u', RECORD.remaining);
    code.get(record);
    code.memory('i32.load8_u', RECORD.count);
    code.op('i32.sub');
    code.memory('i32.store', STATE.fields.ahead);
    code.get(state);
    code.get(record);
    code.get(record);
    code.memory('i32.load16_u', RECORD.handler);
    code.callIndirect(this.#functions.coldType);
    code.set(status);
    code.get(status);
    code.op('i32.eqz');
    code.if();
    // A device that was read or written may have asked for something.
    this.pushWord('attention');
    code.if();
    this.refund('next');
    code.get(record);
    code.i32(RECORD_SIZE);
    code.op('i32.add');
    code.set(record);
    this.storePointer('ip', () => this.pushIp());
    this.#leave(EXIT.ATTENTION);
    code.end();
    code.get(record);
    code.i32(RECORD_SIZE);
    code.op('i32.add');
    code.set(record);
    // The next may be one that the inner function would come back for at once.
    this.store('record', record);
    code.get(record);
    code.memory('i32.load16_u', RECORD.handler);
    code.i32(PSEUDO.COUNT + this.options.hotHandlers.length);
    code.op('i32.ge_u');
    code.brIf(next);
    code.br(step);
    code.end();

    code.get(status);
    code.i32(STATUS.FAULT);
    code.op('i32.eq');
    code.if();
    this.refund('record');
    this.storePointer('ip', () => this.pushIp());
    this.#leave(EXIT.FAULT);
    code.end();
    this.refund('next');
    this.pushPointer('nextIp');
    code.set(target);
    this.pushWord('attention');
    code.if();
    this.storePointer('ip', () => code.get(target));
    this.#leave(EXIT.ATTENTION);
    code.end();
    code.i32(0);
    code.set(linkFrom);
    code.end(); // next
  }

  #lookUp(): void {
    const { code } = this;
    const { state, record, target } = this.locals;
    // With nothing left to run, nothing is fetched: it could fault.
    this.pushWord('budget');
    code.op('i32.eqz');
    code.if();
    this.storePointer('ip', () => code.get(target));
    this.#leave(EXIT.BUDGET);
    code.end();
    this.storePointer('nextIp', () => code.get(target));
    code.get(state);
    code.call(this.#functions.lookUp);
    code.tee(record);
    code.op('i32.eqz');
    code.if();
    this.storePointer('ip', () => code.get(target));
    code.i32(EXIT.FAULT);
    code.i32(EXIT.ATTENTION);
    this.pushWord('faulted');
    code.op('select', 'return');
    code.end();
  }

  /** Too little budget for the block: records of as many instructions as there are. */
  #partial(): void {
    const { code } = this;
    const { state, record } = this.locals;
    this.pushWord('budget');
    code.op('i32.eqz');
    code.if();
    this.storePointer('ip', () => this.pushIp());
    this.#leave(EXIT.BUDGET);
    code.end();
    code.get(state);
    code.get(record);
    this.pushWord('budget');
    code.call(this.#functions.partial);
    code.set(record);
    code.get(state);
    code.i32(0);
    code.memory('i32.store', STATE.fields.budget);
  }

  #leave(exit: number): void {
    this.code.i32(exit);
    this.code.op('return');
  }
}
