/** Gives equal values one node, so that `===` tells whether two values are the same expression. */

import { isOperation, type Operation, type Value } from './value.ts';
import { partsOf } from './visit.ts';

export class ValueInterner {
  readonly #byKey = new Map<string, Value>();
  /** The nodes handed out, with their numbers. */
  readonly #numbers = new Map<Value, number>();

  /** The one node equal to `value`. Its parts are interned as well. */
  intern<V extends Value>(value: V): V;
  intern(value: Value): Value {
    if (this.#numbers.has(value)) return value;
    const parts = partsOf(value).map((part) => this.intern(part));
    const key = `${describe(value)} ${parts.map((part) => this.#numbers.get(part))}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const node = withParts(value, parts);
    this.#byKey.set(key, node);
    this.#numbers.set(node, this.#numbers.size);
    return node;
  }
}

/** What tells a value from others with the same parts. */
function describe(value: Value): string {
  const { op, width } = value;
  switch (op) {
    case 'constant':
      return `${op} ${width} ${value.value}`;
    case 'temporary':
      return `${op} ${width} ${value.id}`;
    case 'input':
      return `${op} ${width} ${value.name}`;
    default:
      return `${op} ${width}`;
  }
}

function withParts(value: Value, parts: readonly Value[]): Value {
  if (partsOf(value).every((part, index) => part === parts[index])) return value;
  if (isOperation(value)) return { ...(value satisfies Operation), args: parts };
  return value.op === 'undefined' ? { ...value, pick: parts[0] } : value;
}
