/**
 * Iterations of a repeated string instruction at once, as part of the form's cold function. As many as lie within the
 * pages of both operands, their segments, rCX and the budget; what is out of the ordinary (an element across two
 * pages, a TLB miss, the end of a segment) is left to the single step. It counts in rCX, rSI, rDI and the budget what
 * it did. Pages whose accesses must be seen one by one (watched data, decoded code, devices) are never in the TLB.
 */
import { EFLAGS } from '../../../cpu/flags.ts';
import { GPR_SLOT, SEGMENT_FIELDS, SEGMENT_STRIDE, STATE } from '../../../cpu/state-layout.ts';
import { GPR, SEGMENT } from '../../../isa/semantics.ts';
import { type CodeWriter, I32, I64, type Label } from '../../../wasm/code-writer.ts';
import { pushHostAddress, pushProbe, type TlbProbe } from '../../lowering/tlb-probe.ts';
import { RECORD } from '../record-layout.ts';
import type { FormLocals } from '../record-lowering.ts';
import { BulkCompare } from './bulk-compare.ts';
import { type BulkLocals, type BulkShape, hasSource } from './bulk-elements.ts';
import { BulkTransfer } from './bulk-transfer.ts';

const PAGE_MASK = 4095;

/** Where the operand is, in the code's terms. */
interface Side {
  readonly register: number;
  readonly access: 'read' | 'write';
  /** Local with the segment's address, or none: it is at a fixed offset from the state block. */
  readonly segment: { readonly local: number; readonly offset: number };
  /** Linear address (i32, or i64 in 64-bit mode). */
  readonly linear: number;
  readonly host: number;
}

/**
 * Emits the code, which expects rCX ≠ 0 and the next iteration counted already. If it did something after which the
 * loop's conditions are to be looked at, it branches to `counted`. Otherwise it falls through, for a single step;
 * comparisons always do, before the pair that decides: so flags are written in one place.
 */
export function lowerBulk(code: CodeWriter, form: FormLocals, shape: BulkShape, counted: Label): void {
  const local = () => code.newLocal(I32);
  const locals = { ...form, count: local(), down: local(), step: local(), source: local(), target: local() };
  new BulkLowering(code, locals, shape).write(counted);
}

class BulkLowering {
  readonly #code: CodeWriter;
  readonly #locals: BulkLocals;
  readonly #shape: BulkShape;
  readonly #size: number;
  readonly #shift: number;
  /** A comparison leaves the pair that stops it, or else the last, to the single step. */
  readonly #compares: boolean;
  /** Offsets and linear addresses: i32 or i64. */
  readonly #pointer: 'i32' | 'i64';

  constructor(code: CodeWriter, locals: BulkLocals, shape: BulkShape) {
    this.#code = code;
    this.#locals = locals;
    this.#shape = shape;
    this.#size = shape.width / 8;
    this.#shift = Math.log2(this.#size);
    this.#compares = shape.stopsAt !== undefined;
    this.#pointer = shape.wide ? 'i64' : 'i32';
  }

  write(counted: Label): void {
    const code = this.#code;
    const { count } = this.#locals;
    const refuse = code.block();
    this.#pushWord('attention'); // set before the first iteration: the code is fetched anew for each
    code.brIf(refuse);
    this.#allowed();
    this.#direction();
    const sides = this.#sides();
    for (const side of sides) this.#withinSegmentAndPage(side, refuse);
    if (this.#compares) {
      // The last pair, too, must be one that cannot fault: with it the single step writes the flags of all.
      code.get(count);
      code.i32(2);
      code.op('i32.lt_u');
      code.brIf(refuse);
      code.get(count);
      code.i32(1);
      code.op('i32.sub');
      code.set(count);
    } else {
      code.get(count);
      code.op('i32.eqz');
      code.brIf(refuse);
    }
    for (const side of sides) this.#probe(side, refuse);
    new (this.#compares ? BulkCompare : BulkTransfer)(code, this.#locals, this.#shape).write();
    for (const { register } of sides) this.#advance(register);
    this.#countDown();
    if (!this.#compares) code.br(counted);
    code.end();
  }

  // What may be done --------------------------------------------------------------------------------------------

  /** count = min(rCX, budget + 1): one is counted already. */
  #allowed(): void {
    const code = this.#code;
    const { count } = this.#locals;
    if (this.#shape.addressSize === 64) {
      // More than a page holds is no matter.
      this.#pushRegister(GPR.rCX);
      code.i64(1n);
      code.op('i64.sub');
      this.#lesser64(() => code.i64(BigInt(PAGE_MASK)));
      code.op('i32.wrap_i64');
    } else {
      this.#pushRegister32(GPR.rCX);
      code.i32(1);
      code.op('i32.sub');
    }
    this.#lesser(() => this.#pushWord('budget'));
    code.i32(1);
    code.op('i32.add');
    code.set(count);
  }

  #direction(): void {
    const code = this.#code;
    const { down, step } = this.#locals;
    code.i32(-this.#size);
    code.i32(this.#size);
    this.#pushWord('flagsOther');
    code.i32(EFLAGS.DF);
    code.op('i32.and');
    code.tee(down);
    code.op('select');
    code.set(step);
  }

  #sides(): readonly Side[] {
    const { kind, wide } = this.#shape;
    const { state, source, target } = this.#locals;
    const linear = () => this.#code.newLocal(wide ? I64 : I32);
    const sides: Side[] = [];
    if (hasSource(this.#shape)) {
      const segment = { local: this.#sourceSegment(), offset: 0 };
      sides.push({ register: GPR.rSI, access: 'read', segment, linear: linear(), host: source });
    }
    if (kind !== 'load') {
      const access = this.#compares ? 'read' : 'write';
      const segment = { local: state, offset: STATE.segments + SEGMENT.ES * SEGMENT_STRIDE };
      sides.push({ register: GPR.rDI, access, segment, linear: linear(), host: target });
    }
    return sides;
  }

  #sourceSegment(): number {
    const code = this.#code;
    const { state, record } = this.#locals;
    const local = code.newLocal(I32);
    code.get(state);
    code.get(record);
    code.memory('i32.load16_u', RECORD.segment);
    code.op('i32.add');
    code.set(local);
    return local;
  }

  /** Sets the linear address, and cuts the count where the segment, the page or the offset's range ends. */
  #withinSegmentAndPage(side: Side, refuse: Label): void {
    const code = this.#code;
    const { count, down } = this.#locals;
    const { linear, segment } = side;
    const limits = this.#limits(side);
    const [within, above] = [code.newLocal(I32), code.newLocal(I32)];

    // linear = segment base + offset; within = its place in the page
    this.#pushRegister(side.register);
    code.get(segment.local);
    code.memory(`${this.#pointer}.load`, segment.offset + SEGMENT_FIELDS.base);
    code.op(`${this.#pointer}.add`);
    code.set(linear);
    this.#pushLinear32(side);
    code.i32(PAGE_MASK);
    code.op('i32.and');
    code.set(within);
    if (this.#shape.addressSize !== 64) this.#refuseOutside(side, limits, refuse);

    // above = bytes behind the first, as far as the page and the segment go
    code.get(within);
    code.i32(PAGE_MASK);
    code.op('i32.xor');
    if (this.#shape.addressSize !== 64) {
      this.#lesser(() => {
        limits.high();
        this.#pushRegister32(side.register);
        code.op('i32.sub');
      });
    }
    code.set(above);

    code.get(down);
    code.if(I32);
    // Downwards the first element must fit, and every other one lies below it.
    code.get(within);
    if (this.#shape.addressSize !== 64) {
      this.#lesser(() => {
        this.#pushRegister32(side.register);
        limits.low();
        code.op('i32.sub');
      });
    }
    code.i32(this.#shift);
    code.op('i32.shr_u');
    code.i32(1);
    code.op('i32.add');
    code.i32(0);
    code.get(above);
    code.i32(this.#size - 1);
    code.op('i32.ge_u', 'select');
    code.else();
    code.get(above);
    code.i32(1);
    code.op('i32.add');
    code.i32(this.#shift);
    code.op('i32.shr_u');
    code.end();
    this.#lesser(() => code.get(count));
    code.set(count);
  }

  /** Bounds of the offsets, pushed as i32: those of the segment, or of the address size, beyond which offsets wrap. */
  #limits({ access, segment }: Side): { low(): void; high(): void } {
    const code = this.#code;
    if (this.#shape.wide) return { low: () => code.i32(0), high: () => code.i32(-1) };
    const load = (field: number) => {
      code.get(segment.local);
      code.memory('i32.load', segment.offset + field);
    };
    return {
      low: () => load(SEGMENT_FIELDS.low),
      high: () => {
        load(access === 'read' ? SEGMENT_FIELDS.highRead : SEGMENT_FIELDS.highWrite);
        if (this.#shape.addressSize === 16) this.#lesser(() => code.i32(0xffff));
      },
    };
  }

  #refuseOutside({ register }: Side, limits: { low(): void; high(): void }, refuse: Label): void {
    const code = this.#code;
    if (this.#shape.wide) return;
    this.#pushRegister32(register);
    limits.low();
    code.op('i32.lt_u');
    this.#pushRegister32(register);
    limits.high();
    code.op('i32.gt_u', 'i32.or');
    code.brIf(refuse);
  }

  /** Sets the host address of the first element, or refuses on a TLB miss. */
  #probe(side: Side, refuse: Label): void {
    const code = this.#code;
    const { wide } = this.#shape;
    const { linear, host } = side;
    const table = side.access === 'read' ? 'tlbRead' : 'tlbWrite';
    const entry = code.newLocal(I32);
    const probe: TlbProbe = { table, bytes: 1, wide, state: this.#locals.state, linear, entry };
    pushProbe(code, probe, 'misses');
    code.brIf(refuse);
    pushHostAddress(code, probe);
    code.set(host);
  }

  // What was done -----------------------------------------------------------------------------------------------

  /** register += count × step */
  #advance(register: number): void {
    const code = this.#code;
    this.#update(register, () => {
      code.get(this.#locals.count);
      code.get(this.#locals.step);
      code.op('i32.mul');
    });
  }

  /** rCX −= count; budget −= count, but for the iteration that was counted already. */
  #countDown(): void {
    const code = this.#code;
    const { state, count } = this.#locals;
    this.#update(GPR.rCX, () => {
      code.i32(0);
      code.get(count);
      code.op('i32.sub');
    });
    code.get(state);
    this.#pushWord('budget');
    code.get(count);
    code.op('i32.sub');
    if (!this.#compares) {
      code.i32(1);
      code.op('i32.add');
    }
    code.memory('i32.store', STATE.fields.budget);
  }

  /** Adds a signed i32 to a register in the address size. A 32-bit register's upper half is cleared, a 16-bit one's kept. */
  #update(register: number, amount: () => void): void {
    const code = this.#code;
    const { addressSize } = this.#shape;
    code.get(this.#locals.state);
    if (addressSize === 64) {
      this.#pushRegister(register);
      amount();
      code.op('i64.extend_i32_s', 'i64.add');
    } else {
      this.#pushRegister32(register);
      amount();
      code.op('i32.add');
      if (addressSize === 32) code.op('i64.extend_i32_u');
    }
    code.memory(addressSize === 16 ? 'i32.store16' : 'i64.store', register * GPR_SLOT);
  }

  // Expressions -------------------------------------------------------------------------------------------------

  /** Pushes a register in the address size, as wide as linear addresses are. */
  #pushRegister(register: number): void {
    const { addressSize, wide } = this.#shape;
    if (!wide) return this.#pushRegister32(register);
    this.#code.get(this.#locals.state);
    this.#code.memory(addressSize === 64 ? 'i64.load' : 'i64.load32_u', register * GPR_SLOT);
  }

  /** Pushes an i32: the low half of a register, or the low quarter. */
  #pushRegister32(register: number): void {
    this.#code.get(this.#locals.state);
    this.#code.memory(this.#shape.addressSize === 16 ? 'i32.load16_u' : 'i32.load', register * GPR_SLOT);
  }

  #pushWord(field: 'attention' | 'budget' | 'flagsOther' | 'tlbRead' | 'tlbWrite'): void {
    this.#code.get(this.#locals.state);
    this.#code.memory('i32.load', STATE.fields[field]);
  }

  #pushLinear32({ linear }: Side): void {
    this.#code.get(linear);
    if (this.#shape.wide) this.#code.op('i32.wrap_i64');
  }

  /** The lesser of the unsigned i32 on the stack and another. */
  #lesser(other: () => void): void {
    const code = this.#code;
    const [first, second] = [code.newLocal(I32), code.newLocal(I32)];
    code.tee(first);
    other();
    code.tee(second);
    code.get(first);
    code.get(second);
    code.op('i32.lt_u', 'select');
  }

  #lesser64(other: () => void): void {
    const code = this.#code;
    const first = code.newLocal(I64);
    code.tee(first);
    other();
    code.get(first);
    other();
    code.op('i64.lt_u', 'select');
  }
}
