/**
 * What code for a run of string elements is written with. Host addresses: each operand's elements lie within one page,
 * one behind the other in the direction of `step`.
 */
import { GPR_SLOT } from '../../../cpu/state-layout.ts';
import type { BulkKind } from '../../../isa/instruction.ts';
import { GPR } from '../../../isa/semantics.ts';
import type { CodeWriter } from '../../../wasm/code-writer.ts';
import { loadOpcode, storeOpcode } from '../../lowering/form-lowering.ts';
import type { FormLocals } from '../record-lowering.ts';

/** All that the code depends on beside the state. */
export interface BulkShape {
  readonly kind: BulkKind;
  /** REPE stops at the first pair that is different, REPNE at the first that is equal. */
  readonly stopsAt: 'equal' | 'different' | undefined;
  /** Bits of an element. */
  readonly width: number;
  readonly addressSize: 16 | 32 | 64;
  /** Code for 64-bit mode. */
  readonly wide: boolean;
}

/** Whether elements are read at DS:rSI. */
export const hasSource = ({ kind }: BulkShape): boolean => kind !== 'fill' && kind !== 'scan';

/** Locals of a bulk operation. */
export interface BulkLocals extends FormLocals {
  /** i32: elements to be done; those done, behind the operation. */
  readonly count: number;
  /** i32: 0, or not if rSI and rDI go down (DF = 1). */
  readonly down: number;
  /** i32: from one element to the next, in bytes. */
  readonly step: number;
  /** i32: host addresses of the first elements, of DS:rSI and ES:rDI. */
  readonly source: number;
  readonly target: number;
}

export abstract class BulkElements {
  protected readonly code: CodeWriter;
  protected readonly locals: BulkLocals;
  protected readonly shape: BulkShape;
  /** Bytes of an element. */
  protected readonly size: number;
  /** Of an element on the stack. */
  protected readonly type: 'i32' | 'i64';

  constructor(code: CodeWriter, locals: BulkLocals, shape: BulkShape) {
    this.code = code;
    this.locals = locals;
    this.shape = shape;
    this.size = shape.width / 8;
    this.type = shape.width === 64 ? 'i64' : 'i32';
  }

  /** Does `count` elements, of which there is at least one; or sets `count` to those that it has done. */
  abstract write(): void;

  protected get store() {
    return storeOpcode(this.shape.width);
  }

  protected pushElement(address: number): void {
    this.code.get(address);
    this.code.memory(loadOpcode(this.shape.width), 0);
  }

  protected pushAccumulator(): void {
    this.code.get(this.locals.state);
    this.code.memory(loadOpcode(this.shape.width), GPR.rAX * GPR_SLOT);
  }

  protected pushBytes(): void {
    this.code.get(this.locals.count);
    this.code.i32(Math.log2(this.size));
    this.code.op('i32.shl');
  }

  protected byDirection(amount: { down: number; up: number }): void {
    this.code.i32(amount.down);
    this.code.i32(amount.up);
    this.code.get(this.locals.down);
    this.code.op('select');
  }

  protected decrease(local: number, by: number): void {
    this.code.get(local);
    this.code.i32(by);
    this.code.op('i32.sub');
    this.code.set(local);
  }

  /** Adds an i32 to the host addresses that there are. */
  protected moveBy(amount: () => void): void {
    const code = this.code;
    const { source, target } = this.locals;
    for (const pointer of hasSource(this.shape) ? [source, target] : [target]) {
      code.get(pointer);
      amount();
      code.op('i32.add');
      code.set(pointer);
    }
  }
}
