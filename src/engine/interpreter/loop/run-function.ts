/** The outer function of the loop. */
import { STATE } from '../../../cpu/state-layout.ts';
import { type CodeWriter, I32, type Label } from '../../../wasm/code-writer.ts';
import { FIRST_RECORD, GO_ON, REGION_ENTRY } from '../../blocks/region-entry.ts';
import { emitBlockLookup } from '../../lowering/block-lookup.ts';
import { BEFORE_BLOCK } from '../block-index.ts';
import { STATUS } from '../cold-lowering.ts';
import { PSEUDO } from '../pseudo-handlers.ts';
import { RECORD, RECORD_SIZE } from '../record-layout.ts';
import { LoopFunction, type RunModuleOptions } from './loop-function.ts';

/** What `run` returns. */
export const EXIT = { BUDGET: 0, ATTENTION: 1, FAULT: 2 } as const;

/** Indices of what it calls: functions, types, tables. */
export interface RunFunctions {
  readonly lookUp: number;
  readonly partial: number;
  readonly translate: number;
  readonly step: number;
  readonly coldType: number;
  readonly regionType: number;
  readonly regions: number;
}

/** The outer function: starts at `state.ip`, and does what `step` returns for. */
export class RunFunction extends LoopFunction {
  readonly #functions: RunFunctions;

  constructor(options: RunModuleOptions, functions: RunFunctions) {
    super(options);
    this.#functions = functions;
  }

  write(): CodeWriter {
    const { code, locals } = this;
    const { state, record, target, linkFrom } = locals;
    /** The jump cache has not what is looked for, or it led to where the code was overwritten. */
    const notInCache = code.newLocal(I32);
    /** The record is known already: a hot block's. */
    const isKnown = code.newLocal(I32);
    this.pushPointer('ip');
    code.set(target);

    const resolve = code.loop();
    const inner = code.block();
    const known = code.block();
    code.get(isKnown);
    code.brIf(known);
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
    code.end(); // known
    code.i32(0);
    code.set(isKnown);
    const entering = code.loop();
    const partially = code.block();
    const hot = code.block();
    this.enter(inner, hot);
    code.br(partially);
    code.end(); // hot
    this.#region({ inner, entering, partially, resolve });
    code.end(); // partially
    this.#partial();
    code.br(inner);
    code.end(); // entering
    code.op('unreachable');
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
    const region = code.block();
    const stop = code.block();
    code.get(need);
    code.brTable([cold, lookUp, partial, region], stop);
    code.end(); // stop
    this.#leave(EXIT.BUDGET);
    code.end(); // region
    code.i32(1);
    code.set(isKnown);
    code.br(resolve);
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

  /** The record's block is hot: runs its region, if there is one by now. */
  #region(labels: { inner: Label; entering: Label; partially: Label; resolve: Label }): void {
    const { code } = this;
    const { state, record, target, linkFrom } = this.locals;
    const entry = code.newLocal(I32);
    const next = code.newLocal(I32);
    const interpret = code.block();
    code.get(record);
    code.i32(BEFORE_BLOCK.REGION);
    code.op('i32.sub');
    code.memory('i32.load', 0);
    code.tee(entry);
    code.op('i32.eqz');
    code.if();
    code.get(state);
    code.get(record);
    code.call(this.#functions.translate);
    code.tee(entry);
    code.op('i32.eqz');
    code.brIf(interpret);
    code.end();
    code.get(state);
    code.get(entry);
    code.get(entry);
    code.memory('i32.load', REGION_ENTRY.FUNCTION);
    code.callIndirect(this.#functions.regionType, this.#functions.regions);
    code.tee(next);
    code.i32(FIRST_RECORD);
    code.op('i32.lt_u');
    code.if();
    code.get(next);
    code.i32(GO_ON.AT_NEXT_IP);
    code.op('i32.eq');
    code.if();
    this.pushPointer('nextIp');
    code.set(target);
    this.pushWord('linkFrom');
    code.set(linkFrom);
    code.br(labels.resolve);
    code.end();
    code.i32(EXIT.FAULT);
    code.i32(EXIT.ATTENTION);
    code.get(next);
    code.i32(GO_ON.FAULT);
    code.op('i32.eq', 'select', 'return');
    code.end();
    code.get(next);
    code.i32(-1 - GO_ON.ENTERS_BLOCK);
    code.op('i32.and');
    code.set(record);
    code.get(next);
    code.i32(GO_ON.ENTERS_BLOCK);
    code.op('i32.and');
    code.brIf(labels.entering);
    this.takeFromBudget(labels.inner);
    // Only of whole blocks can less be run: of one that begins here.
    this.pushIp();
    code.set(target);
    code.i32(0);
    code.set(linkFrom);
    code.br(labels.resolve);
    code.end(); // interpret
    this.takeFromBudget(labels.inner);
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
