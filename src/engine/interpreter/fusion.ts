/**
 * Compare and branch as one form: the branch's flags are replaced by the values that the compare gives them, and what
 * comes out is simplified ("SF ≠ OF after l − r" is "l < r, signed").
 */
import { fold } from '../../ir/fold.ts';
import { isOperation, type Operation, type Value } from '../../ir/value.ts';
import type { FormStatement } from '../lowering/form-lowering.ts';

/** Conditions after a compare that get a fused form: all but overflow and parity. */
const AFTER_COMPARE = [2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15];
/** And after an operation on a 32-bit register: carry, zero, sign. */
const AFTER_OPERATION = [2, 3, 4, 5, 8, 9];

/**
 * Conditions on which a branch can be fused to a form. The form sets flags, and else writes nothing (a compare) or one
 * 32-bit register that it combines with an immediate or nothing (`dec ecx`, `sub esp, 8`).
 */
export function fusableConditions(statements: readonly FormStatement[]): readonly number[] {
  const last = statements.at(-1);
  if (last?.kind !== 'flags' || !['OF', 'SF', 'ZF'].every((flag) => flag in last.values)) return [];
  const before = statements.slice(0, -1).filter(({ kind }) => kind !== 'read');
  if ('CF' in last.values && before.every(({ kind }) => kind === 'load')) return AFTER_COMPARE;
  const [write, ...others] = before;
  if (others.length > 0 || write?.kind !== 'write' || write.value.width !== 32) return [];
  const registers = statements.filter(({ kind }) => kind === 'read').length;
  if (registers > 1) return [];
  return 'CF' in last.values ? AFTER_OPERATION : AFTER_OPERATION.filter((condition) => condition >= 4);
}

/** A branch on flags alone. */
export function isFlagBranch(statements: readonly FormStatement[]): boolean {
  const last = statements.at(-1);
  return (
    last?.kind === 'jump' &&
    last.condition !== undefined &&
    statements.slice(0, -1).every((one) => one.kind === 'read' && one.place.space === 'flag')
  );
}

/** Statements of `first` (fusable), then of `branch` (reads of flags, and a conditional jump), as one. */
export function fuse(first: readonly FormStatement[], branch: readonly FormStatement[]): FormStatement[] {
  const last = first.at(-1);
  if (last?.kind !== 'flags') throw new TypeError('the first form sets no flags');
  const known = new Map<number, Value>();
  const result = [...first];
  for (const statement of branch) {
    if (statement.kind === 'read' && statement.place.space === 'flag') {
      const value = last.values[statement.place.flag];
      if (!value) throw new TypeError(`${statement.place.flag} is not among the flags set`);
      known.set(statement.result.id, value);
    } else if (statement.kind === 'jump') {
      result.push({
        ...statement,
        // The compare's immediate has the lower half of the record's, the branch's the upper.
        target: rewrite(statement.target, (value) =>
          value.op === 'input' && value.name === 'immediate' ? { ...value, name: 'branch' } : undefined,
        ),
        condition: rewrite(statement.condition!, (value) =>
          value.op === 'temporary' ? known.get(value.id) : undefined,
        ),
      });
    } else throw new TypeError(`${statement.kind} in a branch`);
  }
  return result;
}

/** `value` with every leaf for which `replace` gives something replaced, simplified on the way up. */
function rewrite(value: Value, replace: (leaf: Value) => Value | undefined): Value {
  if (!isOperation(value)) return simplify(replace(value) ?? value);
  return simplify(fold({ ...value, args: value.args.map((arg) => rewrite(arg, replace)) }));
}

const operation = (op: Operation['op'], args: readonly Value[]): Value => ({ op, width: 1, args });

/** left, right of `left − right`, if the value is that difference or its borrows. */
function difference(value: Value): readonly [Value, Value] | undefined {
  if (!isOperation(value)) return undefined;
  if (value.op === 'sub') return [value.args[0], value.args[1]];
  if (value.op === 'subBorrows') return difference(value.args[2]);
  return undefined;
}

function simplify(value: Value): Value {
  if (!isOperation(value)) return value;
  const [a, b] = value.args as [Value, Value];
  if (value.op === 'isZero') {
    const operands = difference(a);
    return operands ? operation('eq', operands) : value;
  }
  if (value.op === 'msb' && isOperation(a) && a.op === 'subBorrows') {
    const operands = difference(a);
    return operands ? operation('ult', operands) : value;
  }
  if (value.op === 'xor' && value.width === 1) {
    // SF xor OF
    if (isOperation(a) && isOperation(b) && a.op === 'msb' && b.op === 'overflow') {
      const operands = difference(b.args[0]);
      if (operands && a.args[0] === (b.args[0] as Operation).args[2]) return operation('slt', operands);
    }
    if (b.op === 'constant' && b.value === 1n && isOperation(a)) return negate(a) ?? value;
  }
  if (value.op === 'or' && isOperation(a) && isOperation(b)) {
    const [less, equal] = a.op === 'eq' ? [b, a] : [a, b];
    if (equal.op === 'eq' && less.args[0] === equal.args[0] && less.args[1] === equal.args[1]) {
      if (less.op === 'ult') return operation('ule', less.args);
      if (less.op === 'slt') return operation('sle', less.args);
    }
  }
  return value;
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
