import { describe, expect, it } from 'vitest';
import type { Statement } from '../../../src/ir/statement.ts';
import type { Temporary, Value } from '../../../src/ir/value.ts';
import {
  forEachStatement,
  forEachUse,
  mapStatement,
  resultsOf,
  someStatement,
  valuesOf,
} from '../../../src/ir/visit.ts';

const leaf = (name: string): Value => ({ op: 'input', width: 32, name });
const bit = (name: string): Value => ({ op: 'input', width: 1, name });
const temporary = (id: number): Temporary => ({ op: 'temporary', width: 32, id });

type TestStatement = Statement<string, string>;
const when = (condition: Value, then: TestStatement[], otherwise: TestStatement[]) =>
  ({ kind: 'when', condition, then, otherwise }) as const;

/** One of every kind, with all its optional parts; each value has a name of its own. */
const EVERY_KIND: readonly TestStatement[] = [
  { kind: 'read', result: temporary(0), place: 'place a' },
  { kind: 'write', place: 'place b', value: leaf('b') },
  { kind: 'load', result: temporary(1), segment: 'segment c', offset: leaf('c'), width: 32, intent: 'modify' },
  { kind: 'store', segment: 'segment d', offset: leaf('d1'), value: leaf('d2'), after: temporary(1) },
  { kind: 'flags', values: { E: bit('e1'), F: bit('e2') } },
  { kind: 'jump', target: leaf('f1'), condition: bit('f2') },
  {
    kind: 'checkTarget',
    target: leaf('g1'),
    condition: bit('g2'),
    pushed: { segment: 'segment g', offset: leaf('g3'), width: 32 },
  },
  { kind: 'raise', vector: 6, cause: 'a test', condition: bit('h') },
  { kind: 'call', helper: 'help', args: [leaf('i1'), leaf('i2')], results: [temporary(2), temporary(3)] },
  when(
    bit('j'),
    [{ kind: 'write', place: 'place k', value: leaf('k') }],
    [{ kind: 'load', result: temporary(4), segment: 'segment l', offset: leaf('l'), width: 8, intent: 'read' }],
  ),
];
const NAMES = ['b', 'c', 'd1', 'd2', 'e1', 'e2', 'f2', 'f1', 'g2', 'g3', 'g1', 'h', 'i1', 'i2', 'j', 'k', 'l'];

const namesOf = (statements: readonly Statement[]): string[] => {
  const names: string[] = [];
  forEachUse(statements, (value) => value.op === 'input' && names.push(value.name));
  return names;
};

describe('walking over statements', () => {
  it('meets every value of every kind, in the order of evaluation', () => {
    expect(namesOf(EVERY_KIND)).toEqual(NAMES);
  });

  it('meets every statement, those in branches too', () => {
    const kinds: string[] = [];
    forEachStatement(EVERY_KIND, ({ kind }) => kinds.push(kind));
    expect(kinds).toEqual([...EVERY_KIND.map(({ kind }) => kind), 'write', 'load']);
    expect(someStatement(EVERY_KIND, ({ kind, ...one }) => kind === 'load' && 'width' in one && one.width === 8)).toBe(
      true,
    );
  });

  it('names the temporaries that are set', () => {
    expect(EVERY_KIND.flatMap((statement) => resultsOf(statement).map(({ id }) => id))).toEqual([0, 1, 2, 3]);
  });

  it('visits a shared value at each use, and what is in it once', () => {
    const shared: Value = { op: 'not', width: 32, args: [leaf('x')] };
    const sum: Value = { op: 'add', width: 32, args: [shared, shared] };
    let [uses, inner] = [0, 0];
    forEachUse([{ kind: 'write', place: 0, value: sum }], (value) => {
      if (value === shared) uses++;
      if (value === shared.args[0]) inner++;
    });
    expect([uses, inner]).toEqual([2, 1]);
  });

  it('goes into what stands for an undefined value', () => {
    expect(namesOf([{ kind: 'write', place: 0, value: { op: 'undefined', width: 32, pick: leaf('pick') } }])).toEqual([
      'pick',
    ]);
  });
});

describe('mapping statements', () => {
  const renamed = EVERY_KIND.map((statement) =>
    mapStatement(statement, {
      value: (value) => (value.op === 'input' ? { ...value, name: value.name.toUpperCase() } : value),
      place: (place) => place.toUpperCase(),
      segment: (segment) => segment.toUpperCase(),
    }),
  );

  it('replaces every value, place and segment', () => {
    expect(namesOf(renamed)).toEqual(NAMES.map((name) => name.toUpperCase()));
    const texts = JSON.stringify(renamed);
    expect(texts).not.toMatch(/"place [a-z]|"segment [a-z]/);
    expect(texts.match(/"PLACE [A-Z]"/g)).toHaveLength(3);
    expect(texts.match(/"SEGMENT [A-Z]"/g)).toHaveLength(4);
  });

  it('leaves the rest as it is', () => {
    const same = EVERY_KIND.map((statement) => mapStatement(statement, { value: (value) => value }));
    expect(same).toEqual(EVERY_KIND);
  });

  it('adds no condition where there is none', () => {
    const [jump] = [mapStatement({ kind: 'jump', target: leaf('x') }, { value: (value) => value })];
    expect(Object.keys(jump)).toEqual(['kind', 'target']);
    expect(valuesOf(jump)).toHaveLength(1);
  });
});
