/**
 * What a run of string elements amounts to, on host addresses: each operand's elements lie within one page, one behind
 * the other in the direction of `step`.
 */
import { GPR_SLOT } from '../../cpu/state-layout.ts';
import { GPR } from '../../isa/semantics.ts';
import { type CodeWriter, I32, I64, type Label } from '../../wasm/code-writer.ts';
import type { BulkLocals, BulkShape } from './bulk-lowering.ts';
import { loadOpcode, storeOpcode } from './form-lowering.ts';

/** Up to so many elements, one by one is faster than a call of the host's memmove or memset. */
const FEW = 8;
/** Bytes compared at a time. */
const GROUP = 8;

export class BulkOperations {
  readonly #code: CodeWriter;
  readonly #locals: BulkLocals;
  readonly #shape: BulkShape;
  readonly #size: number;
  readonly #type: 'i32' | 'i64';

  constructor(code: CodeWriter, locals: BulkLocals, shape: BulkShape) {
    this.#code = code;
    this.#locals = locals;
    this.#shape = shape;
    this.#size = shape.width / 8;
    this.#type = shape.width === 64 ? 'i64' : 'i32';
  }

  /** Does `count` elements. A comparison sets `count` to the pairs before the one that stops it. */
  write(): void {
    switch (this.#shape.kind) {
      case 'copy':
        return this.#copy();
      case 'fill':
        return this.#fill();
      case 'load':
        return this.#load();
      case 'compare':
      case 'scan':
        return this.#compare();
    }
  }

  // MOVS --------------------------------------------------------------------------------------------------------

  #copy(): void {
    const code = this.#code;
    const { down, source, target } = this.#locals;
    const [distance, bytes] = [code.newLocal(I32), code.newLocal(I32)];
    // distance = how far ahead of the source the target is, in the direction of the copy
    code.get(source);
    code.get(target);
    code.op('i32.sub');
    code.get(target);
    code.get(source);
    code.op('i32.sub');
    code.get(down);
    code.op('select');
    code.set(distance);
    this.#pushBytes();
    code.set(bytes);

    this.#pushIsFew();
    if (this.#size > 1) {
      // Within one element: each reads a part of what the one before it wrote.
      this.#pushIsBelow(distance, () => code.i32(this.#size - 1));
      code.op('i32.or');
    }
    code.if();
    this.#eachElement(() => {
      code.get(target);
      this.#pushElement(source);
      code.memory(this.#store, 0);
    });
    code.else();
    this.#toLowest(source);
    this.#toLowest(target);
    // Is what was written read again?
    this.#pushIsBelow(distance, () => {
      code.get(bytes);
      code.i32(1);
      code.op('i32.sub');
    });
    code.if();
    this.#copyOntoItself(distance, bytes);
    code.else();
    code.get(target);
    code.get(source);
    code.get(bytes);
    code.memoryCopy();
    code.end();
    code.end();
  }

  /** Pushes whether 1 ≤ distance ≤ limit. */
  #pushIsBelow(distance: number, limit: () => void): void {
    const code = this.#code;
    code.get(distance);
    code.i32(1);
    code.op('i32.sub');
    limit();
    code.op('i32.lt_u');
  }

  /** What lies between the source's start and the target's is repeated over both. */
  #copyOntoItself(distance: number, bytes: number): void {
    const code = this.#code;
    const { down, source } = this.#locals;
    const total = code.newLocal(I32);
    code.get(bytes);
    code.get(distance);
    code.op('i32.add');
    code.set(total);
    code.get(down);
    code.if();
    code.get(source);
    code.get(bytes);
    code.op('i32.add');
    code.set(source);
    this.#replicate({ from: source, filled: distance, total, upwards: false });
    code.else();
    this.#replicate({ from: source, filled: distance, total, upwards: true });
    code.end();
  }

  /**
   * The first `filled` bytes of `total` are copied behind themselves, twice as much each time. `from` is the lowest
   * address or, downwards, the one above the highest.
   */
  #replicate(run: { from: number; filled: number; total: number; upwards: boolean }): void {
    const code = this.#code;
    const { from, filled, total, upwards } = run;
    const [rest, length] = [code.newLocal(I32), code.newLocal(I32)];
    const done = code.block();
    const again = code.loop();
    code.get(filled);
    code.get(total);
    code.op('i32.ge_u');
    code.brIf(done);
    // length = min(total − filled, filled)
    code.get(total);
    code.get(filled);
    code.op('i32.sub');
    code.tee(rest);
    code.get(filled);
    code.get(rest);
    code.get(filled);
    code.op('i32.lt_u', 'select');
    code.set(length);
    code.get(from);
    code.get(filled);
    if (upwards) {
      code.op('i32.add');
      code.get(from);
    } else {
      code.op('i32.sub');
      code.get(length);
      code.op('i32.sub');
      code.get(from);
      code.get(length);
      code.op('i32.sub');
    }
    code.get(length);
    code.memoryCopy();
    code.get(filled);
    code.i32(1);
    code.op('i32.shl');
    code.set(filled);
    code.br(again);
    code.end();
    code.end();
  }

  // STOS --------------------------------------------------------------------------------------------------------

  #fill(): void {
    const code = this.#code;
    const { target } = this.#locals;
    const value = code.newLocal(this.#type === 'i64' ? I64 : I32);
    this.#pushAccumulator();
    code.set(value);
    this.#pushIsFew();
    code.if();
    this.#eachElement(() => {
      code.get(target);
      code.get(value);
      code.memory(this.#store, 0);
    });
    code.else();
    this.#toLowest(target);
    this.#pushIsOneByte(value);
    code.if();
    code.get(target);
    code.get(value);
    if (this.#type === 'i64') code.op('i32.wrap_i64');
    this.#pushBytes();
    code.memoryFill();
    code.else();
    const [filled, total] = [code.newLocal(I32), code.newLocal(I32)];
    code.get(target);
    code.get(value);
    code.memory(this.#store, 0);
    code.i32(this.#size);
    code.set(filled);
    this.#pushBytes();
    code.set(total);
    this.#replicate({ from: target, filled, total, upwards: true });
    code.end();
    code.end();
  }

  /** Pushes whether all bytes of a value are the same: turned by one byte, it stays what it is. */
  #pushIsOneByte(value: number): void {
    const code = this.#code;
    if (this.#size === 1) return code.i32(1);
    code.get(value);
    code.get(value);
    if (this.#size === 8) {
      code.i64(8n);
      code.op('i64.rotl', 'i64.eq');
    } else if (this.#size === 4) {
      code.i32(8);
      code.op('i32.rotl', 'i32.eq');
    } else {
      code.i32(8);
      code.op('i32.shr_u', 'i32.xor');
      code.i32(0xff);
      code.op('i32.and', 'i32.eqz');
    }
  }

  // LODS --------------------------------------------------------------------------------------------------------

  /** Only the last element stays. */
  #load(): void {
    const code = this.#code;
    const { state, count, source, step } = this.#locals;
    code.get(source);
    code.get(count);
    code.i32(1);
    code.op('i32.sub');
    code.get(step);
    code.op('i32.mul', 'i32.add');
    code.set(source);
    code.get(state);
    this.#pushElement(source);
    const extended = this.#shape.width === 32;
    if (extended) code.op('i64.extend_i32_u');
    code.memory(extended ? 'i64.store' : this.#store, GPR.rAX * GPR_SLOT);
  }

  // CMPS, SCAS --------------------------------------------------------------------------------------------------

  #compare(): void {
    const code = this.#code;
    const { count } = this.#locals;
    const left = code.newLocal(I32);
    code.get(count);
    code.set(left);
    if (this.#size < GROUP) this.#skipGroups(left);
    const found = code.block();
    const again = code.loop();
    code.get(left);
    code.op('i32.eqz');
    code.brIf(found);
    this.#pushLeft();
    this.#pushElement(this.#locals.target);
    code.op(`${this.#type}.${this.#shape.stopsAt === 'equal' ? 'eq' : 'ne'}`);
    code.brIf(found);
    this.#moveBy(() => code.get(this.#locals.step));
    this.#decrease(left, 1);
    code.br(again);
    code.end();
    code.end();
    code.get(count);
    code.get(left);
    code.op('i32.sub');
    code.set(count);
  }

  /** As long as eight bytes at a time hold no pair that stops. */
  #skipGroups(left: number): void {
    const code = this.#code;
    const { target } = this.#locals;
    const elements = GROUP / this.#size;
    const [stride, skew] = [code.newLocal(I32), code.newLocal(I32)];
    const pattern = this.#shape.kind === 'scan' ? this.#pattern() : undefined;
    // Downwards, a group begins below its first element.
    this.#byDirection({ down: -GROUP, up: GROUP });
    code.set(stride);
    this.#byDirection({ down: this.#size - GROUP, up: 0 });
    code.set(skew);
    this.#moveBy(() => code.get(skew));
    const difference = code.newLocal(I64);
    const done = code.block();
    const again = code.loop();
    code.get(left);
    code.i32(elements);
    code.op('i32.lt_u');
    code.brIf(done);
    code.get(target);
    code.memory('i64.load', 0);
    if (pattern === undefined) {
      code.get(this.#locals.source);
      code.memory('i64.load', 0);
    } else code.get(pattern);
    code.op('i64.xor');
    code.set(difference);
    this.#leaveAtStop(difference, done);
    this.#moveBy(() => code.get(stride));
    this.#decrease(left, elements);
    code.br(again);
    code.end();
    code.end();
    this.#moveBy(() => {
      code.i32(0);
      code.get(skew);
      code.op('i32.sub');
    });
  }

  /** Leaves if one of the elements of a group is different; or, for REPNE, if one is equal: 0 in the difference. */
  #leaveAtStop(difference: number, done: Label): void {
    const code = this.#code;
    if (this.#shape.stopsAt === 'different') {
      code.get(difference);
      code.i64(0n);
      code.op('i64.ne');
      return code.brIf(done);
    }
    // A borrow into the top bit of an element that was clear: some element is 0, if not always that one.
    const ones = this.#lanes(1n);
    code.get(difference);
    code.i64(ones);
    code.op('i64.sub');
    code.get(difference);
    code.i64(-1n);
    code.op('i64.xor', 'i64.and');
    code.i64(ones << BigInt(this.#shape.width - 1));
    code.op('i64.and');
    code.i64(0n);
    code.op('i64.ne');
    code.brIf(done);
  }

  /** A local with the accumulator in every element of a group. */
  #pattern(): number {
    const code = this.#code;
    const pattern = code.newLocal(I64);
    this.#pushAccumulator();
    code.op('i64.extend_i32_u');
    code.i64(this.#lanes(1n));
    code.op('i64.mul');
    code.set(pattern);
    return pattern;
  }

  /** A value in every element of a group. */
  #lanes(value: bigint): bigint {
    let lanes = 0n;
    for (let bit = 0; bit < 8 * GROUP; bit += this.#shape.width) lanes |= value << BigInt(bit);
    return lanes;
  }

  #pushLeft(): void {
    if (this.#shape.kind === 'scan') this.#pushAccumulator();
    else this.#pushElement(this.#locals.source);
  }

  /** Moves the operands that there are. */
  #moveBy(amount: () => void): void {
    const code = this.#code;
    const { source, target } = this.#locals;
    for (const pointer of this.#shape.kind === 'scan' ? [target] : [source, target]) {
      code.get(pointer);
      amount();
      code.op('i32.add');
      code.set(pointer);
    }
  }

  // Common ------------------------------------------------------------------------------------------------------

  /** Does `count` elements one by one; there is at least one. */
  #eachElement(body: () => void): void {
    const code = this.#code;
    const { count, source, target, step } = this.#locals;
    const left = code.newLocal(I32);
    code.get(count);
    code.set(left);
    const again = code.loop();
    body();
    for (const pointer of this.#shape.kind === 'fill' ? [target] : [source, target]) {
      code.get(pointer);
      code.get(step);
      code.op('i32.add');
      code.set(pointer);
    }
    this.#decrease(left, 1);
    code.get(left);
    code.brIf(again);
    code.end();
  }

  /** From the first element of a run to the lowest. */
  #toLowest(pointer: number): void {
    const code = this.#code;
    code.get(pointer);
    this.#pushBytes();
    code.i32(this.#size);
    code.op('i32.sub');
    code.i32(0);
    code.get(this.#locals.down);
    code.op('select', 'i32.sub');
    code.set(pointer);
  }

  get #store() {
    return storeOpcode(this.#shape.width);
  }

  #pushElement(address: number): void {
    this.#code.get(address);
    this.#code.memory(loadOpcode(this.#shape.width), 0);
  }

  #pushAccumulator(): void {
    this.#code.get(this.#locals.state);
    this.#code.memory(loadOpcode(this.#shape.width), GPR.rAX * GPR_SLOT);
  }

  #pushBytes(): void {
    this.#code.get(this.#locals.count);
    this.#code.i32(Math.log2(this.#size));
    this.#code.op('i32.shl');
  }

  #pushIsFew(): void {
    this.#code.get(this.#locals.count);
    this.#code.i32(FEW);
    this.#code.op('i32.le_u');
  }

  #byDirection(amount: { down: number; up: number }): void {
    this.#code.i32(amount.down);
    this.#code.i32(amount.up);
    this.#code.get(this.#locals.down);
    this.#code.op('select');
  }

  #decrease(local: number, by: number): void {
    this.#code.get(local);
    this.#code.i32(by);
    this.#code.op('i32.sub');
    this.#code.set(local);
  }
}
