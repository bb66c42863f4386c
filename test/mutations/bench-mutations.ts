/** Faults in what the benchmark computes: it would not crash, it would print another number. */
import type { Mutation } from './mutations.ts';

const test = (name: string): string => `test/unit/bench/${name}.test.ts`;

export const BENCH_MUTATIONS: readonly Mutation[] = [
  {
    fault: 'the bench takes off what the idlest thread waited',
    file: 'bench/schedstat.ts',
    original: 'times.ran > most.ran ? times',
    planted: 'times.ran <= most.ran || most.ran === 0 ? times',
    tests: [test('schedstat')],
  },
  {
    fault: 'the bench forgets that threads had waited before',
    file: 'bench/schedstat.ts',
    original: 'waited: waited - before.waited',
    planted: 'waited',
    tests: [test('schedstat')],
  },
  {
    fault: 'the bench takes off what others waited while the busiest thread ran',
    file: 'bench/schedstat.ts',
    original: 'Math.min(slept, othersWaited)',
    planted: 'othersWaited',
    tests: [test('schedstat')],
  },
  {
    fault: 'the bench has its ratios upside down',
    file: 'bench/summary.ts',
    original: 'own.median / entry.median',
    planted: 'entry.median / own.median',
    tests: [test('summary')],
  },
  {
    fault: 'the bench counts programs whose results differ',
    file: 'bench/summary.ts',
    original: 'counts: !program.differs && disagreement === undefined,',
    planted: 'counts: !program.differs,',
    tests: [test('summary')],
  },
  {
    fault: 'the bench counts disks where it compares processors',
    file: 'bench/programs.ts',
    original: "group !== 'disk' && group !== 'other'",
    planted: "group !== 'other'",
    tests: [test('summary')],
  },
  {
    fault: 'the bench overlooks results that differ',
    file: 'bench/summary.ts',
    original: 'if (printed.size < 2) return undefined;',
    planted: 'if (printed.size < 3) return undefined;',
    tests: [test('summary')],
  },
  {
    fault: 'the bench takes the output of the program before for that of the next',
    file: 'bench/marker-reader.ts',
    original: "    this.#output = '';\n",
    planted: '',
    tests: [test('marker-reader')],
  },
];
