/** The inner function of the loop. */
import type { CodeWriter, Label } from '../../../wasm/code-writer.ts';
import type { FormStatement } from '../../lowering/form-lowering.ts';
import { LocalPool } from '../../lowering/value-lowering.ts';
import { HotLowering } from '../hot-lowering.ts';
import { PSEUDO } from '../pseudo-handlers.ts';
import { RECORD, RECORD_SIZE } from '../record-layout.ts';
import { LoopFunction, NEED } from './loop-function.ts';

/** Whether control can reach the record behind a form. */
function fallsThrough(statements: readonly FormStatement[]): boolean {
  const last = statements.at(-1);
  return last?.kind !== 'jump' || last.condition !== undefined;
}

/** The inner function: starts with the record and base in the state block. */
export class StepFunction extends LoopFunction {
  write(): CodeWriter {
    const { code, locals } = this;
    const { hotHandlers } = this.options;
    this.pushWord('record');
    code.set(locals.record);

    const again = code.loop();
    const region = code.block();
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
    this.enter(again, region);
    this.#leave(NEED.PARTIAL);
    code.end(); // region
    this.#leave(NEED.REGION);
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
