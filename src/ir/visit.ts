/** What values and statements are made of, said once: passes walk by these and name only the kinds they care about. */
import type { Statement } from './statement.ts';
import { isOperation, type Temporary, type Value } from './value.ts';

const NONE: readonly never[] = [];

/** The values that a value is made of. */
export function partsOf(value: Value): readonly Value[] {
  if (isOperation(value)) return value.args;
  return value.op === 'undefined' && value.pick ? [value.pick] : NONE;
}

/** The values that a statement uses itself (not those in its branches), in the order in which they are evaluated. */
export function valuesOf(statement: Statement): readonly Value[] {
  switch (statement.kind) {
    case 'read':
      return NONE;
    case 'write':
      return [statement.value];
    case 'load':
      return [statement.offset];
    case 'store':
      return [statement.offset, statement.value];
    case 'flags':
      return Object.values(statement.values);
    case 'jump':
      return given(statement.condition, statement.target);
    case 'checkTarget':
      return given(statement.condition, statement.pushed?.offset, statement.target);
    case 'raise':
      return given(statement.condition);
    case 'call':
      return statement.args;
    case 'when':
      return [statement.condition];
  }
}

const given = (...values: (Value | undefined)[]): Value[] => values.filter((value) => value !== undefined);

/** The temporaries that a statement sets itself. */
export function resultsOf(statement: Statement): readonly Temporary[] {
  switch (statement.kind) {
    case 'read':
    case 'load':
      return [statement.result];
    case 'call':
      return statement.results;
    default:
      return NONE;
  }
}

/** The lists of statements in a statement. */
export function branchesOf<P, S>(statement: Statement<P, S>): readonly (readonly Statement<P, S>[])[] {
  return statement.kind === 'when' ? [statement.then, statement.otherwise] : NONE;
}

/** Visits each statement, those in branches after the one they are branches of. */
export function forEachStatement<P, S>(
  statements: readonly Statement<P, S>[],
  visit: (statement: Statement<P, S>) => void,
): void {
  for (const statement of statements) {
    visit(statement);
    if (statement.kind !== 'when') continue;
    forEachStatement(statement.then, visit);
    forEachStatement(statement.otherwise, visit);
  }
}

/** Whether `test` holds for a statement, in a branch or not. */
export function someStatement<P, S>(
  statements: readonly Statement<P, S>[],
  test: (statement: Statement<P, S>) => boolean,
): boolean {
  for (const one of statements) {
    if (test(one)) return true;
    if (one.kind === 'when' && (someStatement(one.then, test) || someStatement(one.otherwise, test))) return true;
  }
  return false;
}

/** Visits each value as often as it is used; what is inside a shared one, once. */
export function forEachUse(statements: readonly Statement[], visit: (value: Value) => void): void {
  const entered = new Set<Value>();
  const walk = (value: Value): void => {
    visit(value);
    if (entered.has(value)) return;
    entered.add(value);
    partsOf(value).forEach(walk);
  };
  forEachStatement(statements, (statement) => valuesOf(statement).forEach(walk));
}

export interface StatementMap<P, S> {
  value(value: Value): Value;
  /** What becomes of the values that flags are given, if not the same as of others. */
  flag?(value: Value): Value;
  place?(place: P): P;
  segment?(segment: S): S;
  /** What becomes of a branch; by default it is mapped statement by statement. */
  branch?(statements: readonly Statement<P, S>[]): readonly Statement<P, S>[];
}

/** A statement with its parts replaced: itself where they stay the same. The temporaries it sets stay. */
export function mapStatement<P, S>(statement: Statement<P, S>, to: StatementMap<P, S>): Statement<P, S> {
  switch (statement.kind) {
    case 'read': {
      const place = placeFor(statement.place, to);
      return place === statement.place ? statement : { ...statement, place };
    }
    case 'write': {
      const place = placeFor(statement.place, to);
      const value = to.value(statement.value);
      return place === statement.place && value === statement.value ? statement : { kind: 'write', place, value };
    }
    case 'load':
      return { ...statement, segment: segmentFor(statement.segment, to), offset: to.value(statement.offset) };
    case 'store': {
      const { offset, value } = statement;
      const segment = segmentFor(statement.segment, to);
      return { ...statement, segment, offset: to.value(offset), value: to.value(value) };
    }
    case 'flags':
      return { kind: 'flags', values: mapFlags(statement.values, to) };
    case 'jump':
      return withCondition({ ...statement, target: to.value(statement.target) }, to);
    case 'checkTarget': {
      const { pushed } = statement;
      const target = to.value(statement.target);
      if (pushed === undefined) return withCondition({ ...statement, target }, to);
      const segment = segmentFor(pushed.segment, to);
      return withCondition(
        { ...statement, target, pushed: { ...pushed, segment, offset: to.value(pushed.offset) } },
        to,
      );
    }
    case 'raise':
      return withCondition(statement, to);
    case 'call':
      return { ...statement, args: statement.args.map((arg) => to.value(arg)) };
    case 'when': {
      const [then, otherwise] = [branchFor(statement.then, to), branchFor(statement.otherwise, to)];
      return { ...statement, condition: to.value(statement.condition), then, otherwise };
    }
  }
}

const placeFor = <P, S>(place: P, to: StatementMap<P, S>): P => (to.place ? to.place(place) : place);

const segmentFor = <P, S>(segment: S, to: StatementMap<P, S>): S => (to.segment ? to.segment(segment) : segment);

const branchFor = <P, S>(branch: readonly Statement<P, S>[], to: StatementMap<P, S>): readonly Statement<P, S>[] =>
  to.branch ? to.branch(branch) : branch.map((one) => mapStatement(one, to));

function mapFlags<P, S>(values: Readonly<Record<string, Value>>, to: StatementMap<P, S>): Record<string, Value> {
  const mapped: Record<string, Value> = {};
  for (const name of Object.keys(values)) mapped[name] = to.flag ? to.flag(values[name]) : to.value(values[name]);
  return mapped;
}

function withCondition<P, S, Conditional extends Statement<P, S> & { readonly condition?: Value }>(
  statement: Conditional,
  to: StatementMap<P, S>,
): Conditional {
  const { condition } = statement;
  return condition === undefined ? statement : { ...statement, condition: to.value(condition) };
}
