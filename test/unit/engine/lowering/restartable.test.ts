import { describe, expect, it } from 'vitest';
import type { FormStatement } from '../../../../src/engine/lowering/form-lowering.ts';
import { isRestartable } from '../../../../src/engine/lowering/restartable.ts';
import type { Value } from '../../../../src/ir/value.ts';

const zero: Value = { op: 'constant', width: 32, value: 0n };
const bit: Value = { op: 'constant', width: 1, value: 0n };
const one = {
  read: { kind: 'read', result: { op: 'temporary', width: 1, id: 0 }, place: { space: 'flag', flag: 'CF' } },
  write: { kind: 'write', place: { space: 'gpr', register: 0, width: 32 }, value: zero },
  load: {
    kind: 'load',
    result: { op: 'temporary', width: 32, id: 1 },
    segment: 3,
    offset: zero,
    width: 32,
    intent: 'read',
  },
  store: { kind: 'store', segment: 3, offset: zero, value: zero },
  flags: { kind: 'flags', values: { CF: bit } },
  jump: { kind: 'jump', target: zero },
  checkTarget: { kind: 'checkTarget', target: zero },
  raise: { kind: 'raise', vector: 0, cause: 'a test', condition: bit },
  call: { kind: 'call', helper: 'x', args: [], results: [] },
  works: { kind: 'call', helper: 'works', args: [], results: [] },
  checks: { kind: 'call', helper: 'checks', args: [], results: [] },
} as const satisfies Record<string, FormStatement>;
const when = (...then: FormStatement[]): FormStatement & { kind: 'when' } => {
  const otherwise: FormStatement[] = [];
  return { kind: 'when', condition: bit, then, otherwise };
};

describe('a form can be restarted', () => {
  const { read, write, load, store, flags, jump, checkTarget, raise, call, works, checks } = one;
  const cases: readonly (readonly [string, boolean, readonly FormStatement[]])[] = [
    [
      'what can fail comes before what changes anything',
      true,
      [read, load, raise, checkTarget, store, write, flags, jump],
    ],
    ['a load after a write', false, [write, load]],
    ['a load after flags', false, [flags, load]],
    ['a fault after a store', false, [store, raise]],
    ['a second store', false, [store, store]],
    ['a store after a write', false, [write, store]],
    ['a check of a target after a write', false, [write, checkTarget]],
    ['a store after a write, to a place that was checked', true, [load, write, { ...store, after: load.result }]],
    ['a helper', false, [call]],
    ['a helper of which code is part of the form', true, [load, works, write]],
    ['such a helper after a change', false, [write, works]],
    ['what can fail after such a helper', false, [works, load]],
    ['a helper that only checks, and what can fail', true, [checks, load, works]],
    ['a branch that only writes', true, [load, when(read, write, flags)]],
    ['a load in a branch', false, [when(load)]],
    ['a load after a branch', false, [when(write), load]],
    ['a helper that takes over before anything changed', true, [load, when(call), store]],
    ['a helper in a branch, after a change', false, [write, when(call)]],
    ['a helper in a branch, and more', false, [when(write, call)]],
    ['a load where the helper did not take over, after a change', false, [{ ...when(call), otherwise: [write] }, load]],
    ['a load instead of the helper', false, [{ ...when(call), otherwise: [load] }]],
  ];
  it.each(cases)('%s: %s', (_, expected, statements) => {
    const partial = (helper: string) => (helper === 'works' ? 'changes' : helper === 'checks' ? helper : undefined);
    expect(isRestartable(statements, partial)).toBe(expected);
  });
});
