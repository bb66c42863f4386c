/**
 * Iterations of a repeated MOVS or STOS at once: `(state, record, code) → 1` if any were done. As many as lie within
 * the pages and the budget; whatever is out of the ordinary (DF = 1, a TLB miss, the end of a segment, a copy onto what
 * is still to be read) is left to the single step. It counts in rCX, rSI, rDI and the budget what it did.
 */
import { EFLAGS } from '../../cpu/flags.ts';
import { GPR_SLOT, SEGMENT_FIELDS, SEGMENT_STRIDE, STATE } from '../../cpu/state-layout.ts';
import { TLB } from '../../cpu/tlb-layout.ts';
import { GPR, SEGMENT } from '../../isa/semantics.ts';
import { CodeWriter, I32, type Label } from '../../wasm/code-writer.ts';
import { RECORD } from './record-layout.ts';

/** Bits of the code: log2 of the element's bytes, and whether elements are filled in from rAX instead of copied. */
export const BULK = { SHIFT_MASK: 3, FILL: 4 } as const;
/** Fewer iterations than this are not worth it. */
const MINIMUM = 8;
const PAGE_MASK = 4095;

/** For 32-bit addresses outside 64-bit mode. */
export function bulkFunction(): CodeWriter {
  return new BulkFunction().write();
}

class BulkFunction {
  readonly #code = new CodeWriter(3);
  readonly #state = 0;
  readonly #record = 1;
  readonly #kind = 2;
  readonly #shift = this.#code.newLocal(I32);
  readonly #count = this.#code.newLocal(I32);
  readonly #bytes = this.#code.newLocal(I32);
  readonly #target = this.#code.newLocal(I32);
  readonly #source = this.#code.newLocal(I32);
  readonly #segment = this.#code.newLocal(I32);
  readonly #entry = this.#code.newLocal(I32);

  write(): CodeWriter {
    const code = this.#code;
    const refuse = code.block();
    this.#field('flagsOther');
    code.i32(EFLAGS.DF);
    code.op('i32.and');
    code.brIf(refuse);
    code.get(this.#kind);
    code.i32(BULK.SHIFT_MASK);
    code.op('i32.and');
    code.set(this.#shift);
    this.#register(GPR.rCX);
    code.set(this.#count);
    this.#limitCount(() => {
      this.#field('budget');
      code.i32(1);
      code.op('i32.add');
    });

    // Linear addresses first, then host addresses: the count must be known before the overlap is.
    this.#linear(this.#target, GPR.rDI, SEGMENT_FIELDS.highWrite, refuse, () => {
      code.get(this.#state);
      code.i32(STATE.segments + SEGMENT.ES * SEGMENT_STRIDE);
      code.op('i32.add');
    });
    this.#ifCopying(() =>
      this.#linear(this.#source, GPR.rSI, SEGMENT_FIELDS.highRead, refuse, () => {
        code.get(this.#state);
        code.get(this.#record);
        code.memory('i32.load16_u', RECORD.segment);
        code.op('i32.add');
      }),
    );
    code.get(this.#count);
    code.i32(MINIMUM);
    code.op('i32.lt_u');
    code.brIf(refuse);
    code.get(this.#count);
    code.get(this.#shift);
    code.op('i32.shl');
    code.set(this.#bytes);
    this.#host(this.#target, 'tlbWrite', refuse);
    this.#ifCopying(() => {
      this.#host(this.#source, 'tlbRead', refuse);
      // A target close behind the source would read what was just written.
      code.get(this.#target);
      code.get(this.#source);
      code.op('i32.sub');
      code.i32(1);
      code.op('i32.sub');
      code.get(this.#bytes);
      code.i32(1);
      code.op('i32.sub', 'i32.lt_u');
      code.brIf(refuse);
      code.get(this.#target);
      code.get(this.#source);
      code.get(this.#bytes);
      code.memoryCopy();
      this.#addTo(GPR.rSI, () => code.get(this.#bytes));
    });
    code.get(this.#kind);
    code.i32(BULK.FILL);
    code.op('i32.and');
    code.if();
    this.#fill();
    code.end();

    this.#addTo(GPR.rDI, () => code.get(this.#bytes));
    this.#addTo(GPR.rCX, () => {
      code.i32(0);
      code.get(this.#count);
      code.op('i32.sub');
    });
    // The first iteration was counted already.
    code.get(this.#state);
    this.#field('budget');
    code.get(this.#count);
    code.op('i32.sub');
    code.i32(1);
    code.op('i32.add');
    code.memory('i32.store', STATE.fields.budget);
    code.i32(1);
    code.op('return');
    code.end();
    code.i32(0);
    return code;
  }

  #field(name: 'flagsOther' | 'budget' | 'tlbRead' | 'tlbWrite'): void {
    this.#code.get(this.#state);
    this.#code.memory('i32.load', STATE.fields[name]);
  }

  #register(number: number): void {
    this.#code.get(this.#state);
    this.#code.memory('i32.load', number * GPR_SLOT);
  }

  #addTo(register: number, amount: () => void): void {
    const code = this.#code;
    code.get(this.#state);
    this.#register(register);
    amount();
    code.op('i32.add', 'i64.extend_i32_u');
    code.memory('i64.store', register * GPR_SLOT);
  }

  #ifCopying(body: () => void): void {
    const code = this.#code;
    code.get(this.#kind);
    code.i32(BULK.FILL);
    code.op('i32.and', 'i32.eqz');
    code.if();
    body();
    code.end();
  }

  /** count = min(count, limit) */
  #limitCount(limit: () => void): void {
    const code = this.#code;
    const other = code.newLocal(I32);
    limit();
    code.tee(other);
    code.get(this.#count);
    code.get(other);
    code.get(this.#count);
    code.op('i32.lt_u', 'select');
    code.set(this.#count);
  }

  /** Linear address of a register's offset; the count is cut at the page's end. Refuses within a page of the limit. */
  #linear(into: number, register: number, limit: number, refuse: Label, pushSegment: () => void): void {
    const code = this.#code;
    pushSegment();
    code.set(this.#segment);
    this.#register(register);
    code.tee(into);
    code.get(this.#segment);
    code.memory('i32.load', SEGMENT_FIELDS.low);
    code.op('i32.lt_u');
    code.brIf(refuse);
    code.get(this.#segment);
    code.memory('i32.load', limit);
    code.get(into);
    code.op('i32.lt_u');
    code.brIf(refuse);
    code.get(this.#segment);
    code.memory('i32.load', limit);
    code.get(into);
    code.op('i32.sub');
    code.i32(PAGE_MASK);
    code.op('i32.lt_u');
    code.brIf(refuse);
    code.get(into);
    code.get(this.#segment);
    code.memory('i32.load', SEGMENT_FIELDS.base);
    code.op('i32.add');
    code.set(into);
    this.#limitCount(() => {
      code.i32(PAGE_MASK + 1);
      code.get(into);
      code.i32(PAGE_MASK);
      code.op('i32.and', 'i32.sub');
      code.get(this.#shift);
      code.op('i32.shr_u');
    });
  }

  /** Turns a linear address into a host address, or refuses on a TLB miss. */
  #host(address: number, table: 'tlbRead' | 'tlbWrite', refuse: Label): void {
    const code = this.#code;
    this.#field(table);
    code.get(address);
    code.i32(12 - TLB.entryShift(false));
    code.op('i32.shr_u');
    code.i32((TLB.ENTRIES - 1) << TLB.entryShift(false));
    code.op('i32.and', 'i32.add');
    code.tee(this.#entry);
    code.memory('i32.load', TLB.TAG);
    code.get(address);
    code.i32(~PAGE_MASK);
    code.op('i32.and', 'i32.ne');
    code.brIf(refuse);
    code.get(address);
    code.get(this.#entry);
    code.memory('i32.load', TLB.addend(false));
    code.op('i32.add');
    code.set(address);
  }

  /** The first element is stored, then what is filled is copied behind itself, twice as much each time. */
  #fill(): void {
    const code = this.#code;
    const filled = code.newLocal(I32);
    const stores = ['i32.store8', 'i32.store16', 'i32.store'] as const;
    stores.forEach((store, shift) => {
      code.get(this.#shift);
      code.i32(shift);
      code.op('i32.eq');
      code.if();
      code.get(this.#target);
      this.#register(GPR.rAX);
      code.memory(store, 0);
      code.end();
    });
    code.i32(1);
    code.get(this.#shift);
    code.op('i32.shl');
    code.set(filled);
    const done = code.block();
    const again = code.loop();
    code.get(filled);
    code.get(this.#bytes);
    code.op('i32.ge_u');
    code.brIf(done);
    code.get(this.#target);
    code.get(filled);
    code.op('i32.add');
    code.get(this.#target);
    const rest = code.newLocal(I32);
    code.get(this.#bytes);
    code.get(filled);
    code.op('i32.sub');
    code.tee(rest);
    code.get(filled);
    code.get(rest);
    code.get(filled);
    code.op('i32.lt_u', 'select');
    code.memoryCopy();
    code.get(filled);
    code.i32(1);
    code.op('i32.shl');
    code.set(filled);
    code.br(again);
    code.end();
    code.end();
  }
}
