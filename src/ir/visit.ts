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
    for (const branch of branchesOf(statement)) forEachStatement(branch, visit);
  }
}

/** Whether `test` holds for a statement, in a branch or not. */
export function someStatement<P, S>(
  statements: readonly Statement<P, S>[],
  test: (statement: Statement<P, S>) => boolean,
): boolean {
  return statements.some((one) => test(one) || branchesOf(one).some((branch) => someStatement(branch, test)));
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

/** A statement with its parts replaced. The temporaries it sets stay. */
export function mapStatement<P, S>(statement: Statement<P, S>, to: StatementMap<P, S>): Statement<P, S> {
  const place = to.place ?? ((one: P) => one);
  const segment = to.segment ?? ((one: S) => one);
  const branch = to.branch ?? ((list: readonly Statement<P, S>[]) => list.map((one) => mapStatement(one, to)));
  const condition = (one: { readonly condition?: Value }) => one.condition && { condition: to.value(one.condition) };
  switch (statement.kind) {
    case 'read':
      return { ...statement, place: place(statement.place) };
    case 'write':
      return { ...statement, place: place(statement.place), value: to.value(statement.value) };
    case 'load':
      return { ...statement, segment: segment(statement.segment), offset: to.value(statement.offset) };
    case 'store': {
      const { offset, value } = statement;
      return { ...statement, segment: segment(statement.segment), offset: to.value(offset), value: to.value(value) };
    }
    case 'flags': {
      const flag = to.flag ?? to.value;
      const values = Object.entries(statement.values).map(([name, value]) => [name, flag(value)] as const);
      return { ...statement, values: Object.fromEntries(values) };
    }
    case 'jump':
      return { ...statement, ...condition(statement), target: to.value(statement.target) };
    case 'checkTarget': {
      const { pushed } = statement;
      const mapped = pushed && { ...pushed, segment: segment(pushed.segment), offset: to.value(pushed.offset) };
      const target = to.value(statement.target);
      return { ...statement, ...condition(statement), ...(mapped && { pushed: mapped }), target };
    }
    case 'raise':
      return { ...statement, ...condition(statement) };
    case 'call':
      return { ...statement, args: statement.args.map((arg) => to.value(arg)) };
    case 'when': {
      const [then, otherwise] = [branch(statement.then), branch(statement.otherwise)];
      return { ...statement, condition: to.value(statement.condition), then, otherwise };
    }
  }
}
