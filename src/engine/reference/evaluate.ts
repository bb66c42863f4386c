/**
 * The reference evaluator: what an instruction means, executed word by word from its traced statements, with BigInts,
 * slowly and obviously. It is the engine that knows which results are undefined.
 */
import type { Statement } from '../../ir/statement.ts';
import { isOperation, type Value, type Width } from '../../ir/value.ts';
import type { Place, SegmentRef } from '../../isa/operand.ts';
import { applyOperator, type Bits, defined, maskOf } from './bits.ts';

/** The machine, as statements see it. Methods that can fault throw what the machine throws for a fault. */
export interface ReferenceContext {
  /** A constant of the decoded instruction (`ea`, `immediate`, `nextIp`, …), unsigned. */
  input(name: string, width: Width): bigint;
  readPlace(place: Place, width: Width): Bits;
  writePlace(place: Place, value: Bits, width: Width): void;
  /** Widths in bits. 'modify': write permission is checked as well. */
  load(segment: SegmentRef, access: MemoryAccess & { readonly intent: 'read' | 'modify' }): Bits;
  /** `checked`: a 'modify' load of the same place has preceded it. */
  store(segment: SegmentRef, access: MemoryAccess & { readonly checked: boolean }, value: Bits): void;
  setFlag(name: string, value: Bits): void;
  /** Faults as `store` would, and stores nothing. */
  checkStore(segment: SegmentRef, access: MemoryAccess): void;
  /** Faults if there can be no transfer of control to that offset in the current code segment. */
  checkTarget(target: bigint): void;
  /** Transfers control to an offset in the current code segment. */
  jump(target: bigint): void;
  raise(fault: { readonly vector: number; readonly errorCode?: number; readonly cause: string }): never;
  callHelper(name: string, args: readonly HelperArgument[], results: readonly Width[]): readonly Bits[];
  /** Called when control flow or an address hangs on an undefined bit: a wrong row, as far as difftest is concerned. */
  undefinedDecision?(what: string): void;
}

export interface MemoryAccess {
  readonly offset: bigint;
  /** Width of the offset in bits: at the end of that range addresses wrap. */
  readonly offsetWidth: Width;
  readonly width: Width;
}

export interface HelperArgument extends Bits {
  readonly width: Width;
}

type InstructionStatement = Statement<Place, SegmentRef>;

/** Executes the statements of one instruction (one iteration of a repeated one) in order. */
export function evaluateStatements(statements: readonly InstructionStatement[], context: ReferenceContext): void {
  new Evaluation(context).execute(statements);
}

class Evaluation {
  readonly #context: ReferenceContext;
  readonly #temporaries: Bits[] = [];
  /** Expressions share nodes; each is evaluated once. A node means the same wherever it stands. */
  readonly #known = new Map<Value, Bits>();

  constructor(context: ReferenceContext) {
    this.#context = context;
  }

  execute(statements: readonly InstructionStatement[]): void {
    for (const statement of statements) this.#executeOne(statement);
  }

  #executeOne(statement: InstructionStatement): void {
    const context = this.#context;
    switch (statement.kind) {
      case 'read':
        this.#temporaries[statement.result.id] = context.readPlace(statement.place, statement.result.width);
        break;
      case 'write':
        context.writePlace(statement.place, this.#evaluate(statement.value), statement.value.width);
        break;
      case 'load': {
        const { segment, width, intent } = statement;
        this.#temporaries[statement.result.id] = context.load(segment, {
          ...this.#at(statement.offset),
          width,
          intent,
        });
        break;
      }
      case 'store': {
        const access = {
          ...this.#at(statement.offset),
          width: statement.value.width,
          checked: statement.after !== undefined,
        };
        context.store(statement.segment, access, this.#evaluate(statement.value));
        break;
      }
      case 'flags': {
        const values = Object.entries(statement.values).map(([name, value]) => [name, this.#evaluate(value)] as const);
        for (const [name, value] of values) context.setFlag(name, value);
        break;
      }
      case 'jump':
        if (this.#holds(statement.condition)) context.jump(this.#decided(statement.target, 'jump target'));
        break;
      case 'checkTarget':
        if (!this.#holds(statement.condition)) break;
        if (statement.pushed) {
          const { segment, offset, width } = statement.pushed;
          context.checkStore(segment, { ...this.#at(offset), width });
        }
        context.checkTarget(this.#decided(statement.target, 'jump target'));
        break;
      case 'raise':
        if (this.#holds(statement.condition)) context.raise(statement);
        break;
      case 'call': {
        const args = statement.args.map((arg) => ({ ...this.#evaluate(arg), width: arg.width }));
        const results = context.callHelper(
          statement.helper,
          args,
          statement.results.map((result) => result.width),
        );
        statement.results.forEach((result, index) => {
          this.#temporaries[result.id] = results[index];
        });
        break;
      }
      case 'when':
        this.execute(this.#holds(statement.condition) ? statement.then : statement.otherwise);
        break;
    }
  }

  #at(offset: Value): { offset: bigint; offsetWidth: Width } {
    return { offset: this.#decided(offset, 'address'), offsetWidth: offset.width };
  }

  #holds(condition: Value | undefined): boolean {
    return condition === undefined || this.#decided(condition, 'condition') === 1n;
  }

  #decided(value: Value, what: string): bigint {
    const bits = this.#evaluate(value);
    if (bits.undefined !== 0n) this.#context.undefinedDecision?.(what);
    return bits.value;
  }

  #evaluate(value: Value): Bits {
    switch (value.op) {
      case 'constant':
        return defined(value.value);
      case 'input':
        return defined(this.#context.input(value.name, value.width));
      case 'temporary': {
        const bits = this.#temporaries[value.id];
        if (bits === undefined) throw new TypeError(`temporary ${value.id} is used before it is set`);
        return bits;
      }
    }
    let bits = this.#known.get(value);
    if (bits === undefined) {
      bits = this.#evaluateNode(value);
      this.#known.set(value, bits);
    }
    return bits;
  }

  #evaluateNode(value: Value): Bits {
    if (value.op === 'undefined') {
      const pick = value.pick ? this.#evaluate(value.pick).value : 0n;
      return { value: pick, undefined: maskOf(value.width) };
    }
    if (!isOperation(value)) throw new TypeError(`${value.op} is not an operation`);
    if (value.op === 'select') {
      // Only the branch taken is evaluated: the other may divide by zero.
      const condition = this.#evaluate(value.args[0]);
      if (condition.undefined === 0n) return this.#evaluate(value.args[condition.value ? 1 : 2]);
    }
    const args = value.args.map((arg) => this.#evaluate(arg));
    return applyOperator(value.op, value.width, value.args[0].width, args);
  }
}
