/** MOVS, STOS and LODS: runs of elements between memory and memory, or memory and rAX. */
import { GPR_SLOT } from '../../../cpu/state-layout.ts';
import { GPR } from '../../../isa/semantics.ts';
import { I32, I64 } from '../../../wasm/code-writer.ts';
import { BulkElements } from './bulk-elements.ts';

/** Up to so many elements, one by one is faster than a call of the host's memmove or memset. */
const FEW = 8;

export class BulkTransfer extends BulkElements {
  write(): void {
    if (this.shape.kind === 'copy') this.#copy();
    else if (this.shape.kind === 'fill') this.#fill();
    else this.#load();
  }

  // MOVS --------------------------------------------------------------------------------------------------------

  #copy(): void {
    const code = this.code;
    const { down, source, target } = this.locals;
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
    this.pushBytes();
    code.set(bytes);

    this.#pushIsFew();
    if (this.size > 1) {
      // Within one element: each reads a part of what the one before it wrote.
      this.#pushIsBelow(distance, () => code.i32(this.size - 1));
      code.op('i32.or');
    }
    code.if();
    this.#eachElement(() => {
      code.get(target);
      this.pushElement(source);
      code.memory(this.store, 0);
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
    const code = this.code;
    code.get(distance);
    code.i32(1);
    code.op('i32.sub');
    limit();
    code.op('i32.lt_u');
  }

  /** What lies between the source's start and the target's is repeated over both. */
  #copyOntoItself(distance: number, bytes: number): void {
    const code = this.code;
    const { down, source } = this.locals;
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
    const code = this.code;
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
    const code = this.code;
    const { target } = this.locals;
    const value = code.newLocal(this.type === 'i64' ? I64 : I32);
    this.pushAccumulator();
    code.set(value);
    this.#pushIsFew();
    code.if();
    this.#eachElement(() => {
      code.get(target);
      code.get(value);
      code.memory(this.store, 0);
    });
    code.else();
    this.#toLowest(target);
    this.#pushIsOneByte(value);
    code.if();
    code.get(target);
    code.get(value);
    if (this.type === 'i64') code.op('i32.wrap_i64');
    this.pushBytes();
    code.memoryFill();
    code.else();
    const [filled, total] = [code.newLocal(I32), code.newLocal(I32)];
    code.get(target);
    code.get(value);
    code.memory(this.store, 0);
    code.i32(this.size);
    code.set(filled);
    this.pushBytes();
    code.set(total);
    this.#replicate({ from: target, filled, total, upwards: true });
    code.end();
    code.end();
  }

  /** Pushes whether all bytes of a value are the same: turned by one byte, it stays what it is. */
  #pushIsOneByte(value: number): void {
    const code = this.code;
    if (this.size === 1) return code.i32(1);
    code.get(value);
    code.get(value);
    if (this.size === 8) {
      code.i64(8n);
      code.op('i64.rotl', 'i64.eq');
    } else if (this.size === 4) {
      code.i32(8);
      code.op('i32.rotl', 'i32.eq');
    } else {
      code.i32(8);
      code.op('i32.shr_u', 'i32.xor');
      code.i32(0xff);
      code.op('i32.and', 'i32.eqz');
    }
  }

  #pushIsFew(): void {
    this.code.get(this.locals.count);
    this.code.i32(FEW);
    this.code.op('i32.le_u');
  }

  // LODS --------------------------------------------------------------------------------------------------------

  /** Only the last element stays. */
  #load(): void {
    const code = this.code;
    const { state, count, source, step } = this.locals;
    code.get(source);
    code.get(count);
    code.i32(1);
    code.op('i32.sub');
    code.get(step);
    code.op('i32.mul', 'i32.add');
    code.set(source);
    code.get(state);
    this.pushElement(source);
    const extended = this.shape.width === 32;
    if (extended) code.op('i64.extend_i32_u');
    code.memory(extended ? 'i64.store' : this.store, GPR.rAX * GPR_SLOT);
  }

  // Common ------------------------------------------------------------------------------------------------------

  /** Does `count` elements one by one; there is at least one. */
  #eachElement(body: () => void): void {
    const code = this.code;
    const { count, step } = this.locals;
    const left = code.newLocal(I32);
    code.get(count);
    code.set(left);
    const again = code.loop();
    body();
    this.moveBy(() => code.get(step));
    this.decrease(left, 1);
    code.get(left);
    code.brIf(again);
    code.end();
  }

  /** From the first element of a run to the lowest. */
  #toLowest(pointer: number): void {
    const code = this.code;
    code.get(pointer);
    this.pushBytes();
    code.i32(this.size);
    code.op('i32.sub');
    code.i32(0);
    code.get(this.locals.down);
    code.op('select', 'i32.sub');
    code.set(pointer);
  }
}
