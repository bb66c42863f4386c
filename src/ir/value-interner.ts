/** Gives equal values one node, so that `===` tells whether two values are the same expression. */
import type { Operation, Value, Width } from './value.ts';

/** Nodes that there can be: few enough for the numbers of three parts to make one exact number. */
export const MOST_NODES = 2 ** 17;

/**
 * Every form of the table comes through here before a guest can start: tables are apart by kind, and keys numbers where
 * they can be, because that is fast.
 */
export class ValueInterner {
  /** The nodes handed out, with their numbers. */
  readonly #numbers = new Map<Value, number>();
  readonly #constants = new Map<bigint, Value[]>();
  readonly #temporaries = new Map<number, Value[]>();
  readonly #inputs = new Map<string, Value[]>();
  /** By operator and width, then by the numbers of the parts. */
  readonly #operations = new Map<string, Map<number, Value>[]>();

  /** Nodes handed out. */
  get size(): number {
    return this.#numbers.size;
  }

  /** The one node equal to `value`. Its parts are interned as well. */
  intern<V extends Value>(value: V): V;
  intern(value: Value): Value {
    if (this.#numbers.has(value)) return value;
    switch (value.op) {
      case 'constant':
        return this.#byWidth(this.#constants, value.value, value);
      case 'temporary':
        return this.#byWidth(this.#temporaries, value.id, value);
      case 'input':
        return this.#byWidth(this.#inputs, value.name, value);
      case 'undefined': {
        if (value.pick === undefined) return this.#byParts(value.op, value.width, 0, value);
        const pick = this.intern(value.pick);
        const key = 1 + this.#numberOf(pick);
        return this.#byParts(value.op, value.width, key, pick === value.pick ? value : { ...value, pick });
      }
      default:
        return this.#operation(value);
    }
  }

  #operation(value: Operation): Value {
    let key = 0;
    let same = true;
    for (const arg of value.args) {
      let number = this.#numbers.get(arg);
      if (number === undefined) {
        same = false;
        number = this.#numberOf(this.intern(arg));
      }
      key = key * MOST_NODES + number;
    }
    return this.#byParts(value.op, value.width, key, same ? value : this.#withInterned(value));
  }

  #withInterned(value: Operation): Operation {
    const args = value.args.map((arg) => this.intern(arg));
    return args.every((arg, index) => arg === value.args[index]) ? value : { ...value, args };
  }

  #numberOf(node: Value): number {
    return this.#numbers.get(node)!;
  }

  #byWidth<Key>(table: Map<Key, Value[]>, key: Key, value: Value): Value {
    let nodes = table.get(key);
    if (nodes === undefined) table.set(key, (nodes = []));
    return (nodes[value.width] ??= this.#add(value));
  }

  #byParts(op: string, width: Width, key: number, value: Value): Value {
    let byWidth = this.#operations.get(op);
    if (byWidth === undefined) this.#operations.set(op, (byWidth = []));
    const nodes = (byWidth[width] ??= new Map());
    let node = nodes.get(key);
    if (node === undefined) nodes.set(key, (node = this.#add(value)));
    return node;
  }

  /** @throws RangeError with more nodes than any list of statements has */
  #add(node: Value): Value {
    if (this.#numbers.size === MOST_NODES) throw new RangeError('too many values to intern');
    this.#numbers.set(node, this.#numbers.size);
    return node;
  }
}
