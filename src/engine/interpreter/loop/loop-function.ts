/** What the two functions of the loop have in common: `step-function` and `run-function`. */
import { PAGE_SIZE } from '../../../base/address.ts';
import { STATE } from '../../../cpu/state-layout.ts';
import { JUMP_CACHE } from '../../../cpu/tlb-layout.ts';
import { CodeWriter, I32, I64, type Label } from '../../../wasm/code-writer.ts';
import { BEFORE_BLOCK } from '../block-index.ts';
import type { HotHandler } from '../form-catalog.ts';
import type { RunLocals } from '../hot-lowering.ts';
import { RECORD } from '../record-layout.ts';

export interface RunModuleOptions {
  readonly wide: boolean;
  readonly maximumPages: number;
  readonly tableSize: number;
  /** By number, from PSEUDO.COUNT on. */
  readonly hotHandlers: readonly HotHandler[];
  /** Offset of the jump cache from the state block. */
  readonly jumpCache: number;
}

/** What `step` returns for. */
export const NEED = { COLD: 0, LOOK_UP: 1, PARTIAL: 2, REGION: 3, STOP: 4 } as const;

/** What both functions are made of. */
export abstract class LoopFunction {
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

  /** Enters a block: goes to `region` where it is hot, else does as `takeFromBudget`, and counts. */
  protected enter(then: Label, region: Label): void {
    const { code } = this;
    const heatAt = code.newLocal(I32);
    const heat = code.newLocal(I32);
    this.takeFromBudget(then, () => {
      code.get(this.locals.record);
      code.i32(BEFORE_BLOCK.HEAT);
      code.op('i32.sub');
      code.tee(heatAt);
      code.memory('i32.load', 0);
      code.tee(heat);
      code.op('i32.eqz');
      code.brIf(region);
      code.get(heatAt);
      code.get(heat);
      code.i32(1);
      code.op('i32.sub');
      code.memory('i32.store', 0);
    });
  }

  /** Takes the instructions from the record to the block's end from the budget and goes on at `then`; falls through if it has too few. */
  protected takeFromBudget(then: Label, first: () => void = () => {}): void {
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
    first();
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
