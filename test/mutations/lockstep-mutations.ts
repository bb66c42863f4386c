/** Faults to plant where engines are compared in lockstep: what finds differences must not overlook or misplace any. */
import type { Mutation } from './mutations.ts';

const LOCKSTEP = 'src/difftest/lockstep/lockstep.ts';
const COMPARE = 'src/difftest/lockstep/compare-machines.ts';
const TESTS = ['test/unit/difftest/lockstep/lockstep.test.ts'];

export const LOCKSTEP_MUTATIONS: readonly Mutation[] = [
  {
    fault: 'memory is not looked at',
    file: LOCKSTEP,
    original: "pair.seemsToDiffer ? undefined : hash ? pair.stateHash : ''",
    planted: "pair.seemsToDiffer ? undefined : ''",
    tests: TESTS,
  },
  {
    fault: 'a closer look finds what shows in registers only',
    file: COMPARE,
    original: 'surroundingsOf(machines).length > 0 || !differingPages(machines).next().done',
    planted: 'surroundingsOf(machines).length > 0',
    tests: TESTS,
  },
  {
    fault: 'what looks equal by its registers counts as equal in memory',
    file: LOCKSTEP,
    original: 'if (hash) equalAt = at;',
    planted: 'equalAt = at;',
    tests: TESTS,
  },
  {
    fault: 'what was typed is not typed again',
    file: LOCKSTEP,
    original: 'if (typed.at === at) pair.send(typed.bytes)',
    planted: 'if (typed.at > at) pair.send(typed.bytes)',
    tests: TESTS,
  },
  {
    fault: 'a closer look is cut otherwise than the run that it repeats',
    file: LOCKSTEP,
    original: 'legs.push({ end: range.start, step })',
    planted: 'legs.push({ end: range.start, step: step + 1 })',
    tests: TESTS,
  },
  {
    fault: 'that one machine has ended makes no difference',
    file: 'src/difftest/lockstep/machine-pair.ts',
    original: 'return first?.text !== second?.text;',
    planted: 'return false;',
    tests: TESTS,
  },
];
