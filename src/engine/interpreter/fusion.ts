/**
 * Compare and branch as one form: the branch's flags are replaced by the values that the compare gives them, and what
 * comes out is simplified ("SF ≠ OF after l − r" is "l < r, signed").
 */
import { Simplifier } from '../../ir/simplify.ts';
import type { Value } from '../../ir/value.ts';
import type { ValueInterner } from '../../ir/value-interner.ts';
import type { Place, SegmentRef } from '../../isa/operand.ts';
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
export function fuse(
  first: readonly FormStatement[],
  branch: readonly FormStatement[],
  interner: ValueInterner,
): FormStatement[] {
  const last = first.at(-1);
  if (last?.kind !== 'flags') throw new TypeError('the first form sets no flags');
  const known = new Map<number, Value>();
  const jumps: FormStatement[] = [];
  for (const statement of branch) {
    if (statement.kind === 'read' && statement.place.space === 'flag') {
      const value = last.values[statement.place.flag];
      if (!value) throw new TypeError(`${statement.place.flag} is not among the flags set`);
      known.set(statement.result.id, value);
    } else if (statement.kind === 'jump') jumps.push(statement);
    else throw new TypeError(`${statement.kind} in a branch`);
  }
  const leaf = (value: Value): Value | undefined => {
    if (value.op === 'temporary') return known.get(value.id);
    // The compare's immediate has the lower half of the record's, the branch's the upper.
    return value.op === 'input' && value.name === 'immediate' ? { ...value, name: 'branch' } : undefined;
  };
  return [...first, ...new Simplifier<Place, SegmentRef>({ leaf }, interner).statements(jumps)];
}
