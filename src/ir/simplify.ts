/**
 * Rewrites statements with leaves replaced: what becomes constant is folded, branches and conditions that are decided
 * go away, and comparisons made of flags become comparisons ("SF ≠ OF after l − r" is "l < r, signed").
 */
import { fold } from './fold.ts';
import type { Statement } from './statement.ts';
import { isOperation, type Operation, type Value } from './value.ts';
import { ValueInterner } from './value-interner.ts';
import { mapStatement, type StatementMap } from './visit.ts';

export interface Replacements<P, S> extends Pick<StatementMap<P, S>, 'place' | 'segment'> {
  /** What takes the place of a constant, temporary, input or undefined value; `undefined`: nothing. */
  leaf?(value: Value): Value | undefined;
}

export class Simplifier<P, S> implements StatementMap<P, S> {
  readonly #interner: ValueInterner;
  readonly #replace: Replacements<P, S>;
  /** Expressions share nodes; each is rewritten once. */
  readonly #done = new Map<Value, Value>();
  /** For what takes the place of leaves, in which nothing is replaced. */
  #plain: Simplifier<P, S> | undefined;

  constructor(replace: Replacements<P, S> = {}, interner = new ValueInterner()) {
    this.#interner = interner;
    this.#replace = replace;
  }

  place(place: P): P {
    return this.#replace.place ? this.#replace.place(place) : place;
  }

  segment(segment: S): S {
    return this.#replace.segment ? this.#replace.segment(segment) : segment;
  }

  branch(statements: readonly Statement<P, S>[]): readonly Statement<P, S>[] {
    return this.statements(statements);
  }

  /** The simplest equal of a value with its leaves replaced. Equal results are one node: its own, if nothing changed. */
  value(value: Value): Value {
    let result = this.#done.get(value);
    if (result === undefined) {
      result = this.#interner.intern(isOperation(value) ? this.#operation(value) : this.#replaced(value));
      this.#done.set(value, result);
    }
    return result;
  }

  statements(statements: readonly Statement<P, S>[]): Statement<P, S>[] {
    const result: Statement<P, S>[] = [];
    for (const statement of statements) {
      const mapped = mapStatement(statement, this);
      const { kind } = mapped;
      if (kind === 'when' || kind === 'jump' || kind === 'checkTarget' || kind === 'raise')
        result.push(...decided(mapped));
      else result.push(mapped);
      const last = result.at(-1);
      // Nothing comes after a fault.
      if (last?.kind === 'raise' && last.condition === undefined) break;
    }
    return result;
  }

  /** A flag's value keeps its shape, from which engines with lazy flags see what to keep: `isZero(l − r)` stays one. */
  flag(value: Value): Value {
    if (!isOperation(value)) return this.value(value);
    return this.#interner.intern(fold(this.#withSimpleArguments(value)));
  }

  #withSimpleArguments(value: Operation): Operation {
    let args: Value[] | undefined;
    for (let index = 0; index < value.args.length; index++) {
      const arg = this.value(value.args[index]);
      if (arg === value.args[index]) continue;
      args ??= [...value.args];
      args[index] = arg;
    }
    return args === undefined ? value : { ...value, args };
  }

  #replaced(value: Value): Value {
    const replacement = this.#replace.leaf?.(value);
    if (replacement !== undefined) {
      if (!isOperation(replacement) && replacement.op !== 'undefined') return replacement;
      this.#plain ??= new Simplifier<P, S>({}, this.#interner);
      return this.#plain.value(replacement);
    }
    if (value.op !== 'undefined' || value.pick === undefined) return value;
    return { ...value, pick: this.value(value.pick) };
  }

  #operation(value: Operation): Value {
    let node = fold(this.#withSimpleArguments(value));
    // What a rule gives may be what another looks for.
    for (;;) {
      if (!isOperation(node)) return node;
      const simpler = simplifyNode(node);
      if (simpler === node) return node;
      node = isOperation(simpler) ? fold(simpler) : simpler;
    }
  }
}

/** A statement without what its condition decides: itself, a part of it, or nothing. */
function decided<P, S>(statement: Statement<P, S>): readonly Statement<P, S>[] {
  if (statement.kind === 'when') {
    const { condition, then, otherwise } = statement;
    if (condition.op === 'constant') return condition.value ? then : otherwise;
    return then.length + otherwise.length === 0 ? [] : [statement];
  }
  if (!('condition' in statement) || statement.condition?.op !== 'constant') return [statement];
  const { condition, ...always } = statement;
  return condition.value ? [always] : [];
}

const operation = (op: Operation['op'], args: readonly Value[]): Value => ({ op, width: 1, args });

/** left, right of `left − right`, if the value is the borrows of that difference (and of nothing else: SBB takes more). */
function compared(borrows: Value): readonly [left: Value, right: Value] | undefined {
  if (!isOperation(borrows) || borrows.op !== 'subBorrows') return undefined;
  const [left, right, result] = borrows.args;
  const isDifference =
    isOperation(result) && result.op === 'sub'
      ? result.args[0] === left && result.args[1] === right
      : result === left && right.op === 'constant' && right.value === 0n;
  return isDifference ? [left, right] : undefined;
}

/** A simpler value equal to an operation whose arguments are simple and interned, or the operation itself. */
function simplifyNode(value: Operation): Value {
  const [a, b] = value.args as readonly [Value, Value];
  switch (value.op) {
    case 'isZero':
      return isOperation(a) && a.op === 'sub' ? operation('eq', a.args) : value;
    case 'msb': {
      const operands = compared(a);
      return operands ? operation('ult', operands) : value;
    }
    case 'xor': {
      if (value.width !== 1) return value;
      const negated = b.op === 'constant' && b.value === 1n && isOperation(a) ? negate(a) : undefined;
      return negated ?? lessSigned(a, b) ?? value;
    }
    case 'or': {
      if (!isOperation(a) || !isOperation(b)) return value;
      const [less, equal] = a.op === 'eq' ? [b, a] : [a, b];
      if (equal.op !== 'eq' || less.args[0] !== equal.args[0] || less.args[1] !== equal.args[1]) return value;
      if (less.op === 'ult') return operation('ule', less.args);
      if (less.op === 'slt') return operation('sle', less.args);
      return value;
    }
    default:
      return value;
  }
}

/** SF xor OF after a comparison. */
function lessSigned(sign: Value, overflow: Value): Value | undefined {
  if (!isOperation(sign) || !isOperation(overflow) || sign.op !== 'msb' || overflow.op !== 'overflow') return undefined;
  const [borrows] = overflow.args;
  const operands = compared(borrows);
  return operands && isOperation(borrows) && sign.args[0] === borrows.args[2] ? operation('slt', operands) : undefined;
}

/** The opposite comparison. */
function negate(value: Operation): Value | undefined {
  const [a, b] = value.args as [Value, Value];
  switch (value.op) {
    case 'eq':
      return operation('ne', [a, b]);
    case 'ult':
      return operation('ule', [b, a]);
    case 'ule':
      return operation('ult', [b, a]);
    case 'slt':
      return operation('sle', [b, a]);
    case 'sle':
      return operation('slt', [b, a]);
    default:
      return undefined;
  }
}
