/** CMPS and SCAS: how many pairs of a run go by before the one that stops it. */
import { I32, I64, type Label } from '../../../wasm/code-writer.ts';
import { BulkElements } from './bulk-elements.ts';

/** Bytes compared at a time. */
const GROUP = 8;

export class BulkCompare extends BulkElements {
  write(): void {
    const code = this.code;
    const { count } = this.locals;
    const left = code.newLocal(I32);
    code.get(count);
    code.set(left);
    if (this.size < GROUP) this.#skipGroups(left);
    const found = code.block();
    const again = code.loop();
    code.get(left);
    code.op('i32.eqz');
    code.brIf(found);
    this.#pushLeft();
    this.pushElement(this.locals.target);
    code.op(`${this.type}.${this.shape.stopsAt === 'equal' ? 'eq' : 'ne'}`);
    code.brIf(found);
    this.moveBy(() => code.get(this.locals.step));
    this.decrease(left, 1);
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
    const code = this.code;
    const { target } = this.locals;
    const elements = GROUP / this.size;
    const [stride, skew] = [code.newLocal(I32), code.newLocal(I32)];
    code.get(left);
    code.i32(elements);
    code.op('i32.ge_u');
    code.if();
    const pattern = this.shape.kind === 'scan' ? this.#pattern() : undefined;
    // Downwards, a group begins below its first element.
    this.byDirection({ down: -GROUP, up: GROUP });
    code.set(stride);
    this.byDirection({ down: this.size - GROUP, up: 0 });
    code.set(skew);
    this.moveBy(() => code.get(skew));
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
      code.get(this.locals.source);
      code.memory('i64.load', 0);
    } else code.get(pattern);
    code.op('i64.xor');
    code.set(difference);
    this.#leaveAtStop(difference, done);
    this.moveBy(() => code.get(stride));
    this.decrease(left, elements);
    code.br(again);
    code.end();
    code.end();
    this.moveBy(() => {
      code.i32(0);
      code.get(skew);
      code.op('i32.sub');
    });
    code.end();
  }

  /** Leaves if one of the elements of a group is different; or, for REPNE, if one is equal: 0 in the difference. */
  #leaveAtStop(difference: number, done: Label): void {
    const code = this.code;
    if (this.shape.stopsAt === 'different') {
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
    code.i64(ones << BigInt(this.shape.width - 1));
    code.op('i64.and');
    code.i64(0n);
    code.op('i64.ne');
    code.brIf(done);
  }

  /** A local with the accumulator in every element of a group. */
  #pattern(): number {
    const code = this.code;
    const pattern = code.newLocal(I64);
    this.pushAccumulator();
    code.op('i64.extend_i32_u');
    code.i64(this.#lanes(1n));
    code.op('i64.mul');
    code.set(pattern);
    return pattern;
  }

  /** A value in every element of a group. */
  #lanes(value: bigint): bigint {
    let lanes = 0n;
    for (let bit = 0; bit < 8 * GROUP; bit += this.shape.width) lanes |= value << BigInt(bit);
    return lanes;
  }

  #pushLeft(): void {
    if (this.shape.kind === 'scan') this.pushAccumulator();
    else this.pushElement(this.locals.source);
  }
}
