/** Faults in what repeated string instructions do at once. */
import type { Mutation } from './mutations.ts';

const LOWERING = 'src/engine/interpreter/bulk/bulk-lowering.ts';
const TRANSFER = 'src/engine/interpreter/bulk/bulk-transfer.ts';
const COMPARE = 'src/engine/interpreter/bulk/bulk-compare.ts';
const REPEAT = 'test/conformance/engines/repeat.test.ts';
const UNIT = 'test/unit/engine/interpreter/bulk-lowering.test.ts';

export const BULK_MUTATIONS: readonly Mutation[] = [
  {
    fault: 'REP in a device is fetched once for many iterations',
    file: LOWERING,
    original:
      "this.#pushWord('attention'); // set before the first iteration: the code is fetched anew for each\n    code.brIf(refuse);",
    planted: '',
    tests: ['test/conformance/system/memory-mapped-code.test.ts'],
  },
  {
    fault: 'a comparison at once may end before a page that is not there, with no flags written',
    file: LOWERING,
    original: "code.i32(1);\n      code.op('i32.sub');\n      code.set(count);",
    planted: '',
    tests: [REPEAT],
  },
  {
    fault: 'REP at once goes one iteration beyond the budget',
    file: LOWERING,
    original: "this.#lesser(() => this.#pushWord('budget'));\n    code.i32(1);",
    planted: "this.#lesser(() => this.#pushWord('budget'));\n    code.i32(2);",
    tests: [REPEAT],
  },
  {
    fault: 'STOS at once writes where the TLB allows reading alone',
    file: LOWERING,
    original: "side.access === 'read' ? 'tlbRead' : 'tlbWrite'",
    planted: "'tlbRead'",
    tests: [REPEAT],
  },
  {
    fault: 'REP with 16-bit addresses goes on beyond 64 KiB',
    file: LOWERING,
    original: 'if (this.#shape.addressSize === 16) this.#lesser(() => code.i32(0xffff));',
    planted: '',
    tests: [REPEAT],
  },
  {
    fault: 'REP downwards begins with an element across two pages',
    file: LOWERING,
    original: "code.i32(this.#size - 1);\n    code.op('i32.ge_u', 'select');",
    planted: "code.i32(0);\n    code.op('i32.ge_u', 'select');",
    tests: [REPEAT],
  },
  {
    fault: 'a 16-bit SI at once carries into the upper half of ESI',
    file: LOWERING,
    original: "addressSize === 16 ? 'i32.store16' : 'i64.store'",
    planted: "'i32.store'",
    tests: [REPEAT],
  },
  {
    fault: 'a run of string elements ends before the budget does',
    file: LOWERING,
    original: "code.get(above);\n    code.i32(1);\n    code.op('i32.add');",
    planted: 'code.get(above);',
    tests: [UNIT],
  },
  {
    fault: 'MOVSD onto its own next bytes copies byte by byte',
    file: TRANSFER,
    original: 'if (this.size > 1) {',
    planted: 'if (this.size > 8) {',
    tests: [REPEAT],
  },
  {
    fault: 'a copy onto itself downwards repeats from the wrong end',
    file: TRANSFER,
    original: 'total, upwards: false }',
    planted: 'total, upwards: true }',
    tests: [REPEAT],
  },
  {
    fault: 'REPNE looks at the first element of a group alone',
    file: COMPARE,
    original: 'const ones = this.#lanes(1n);',
    planted: 'const ones = 1n;',
    tests: [REPEAT, UNIT],
  },
  {
    fault: 'groups of elements begin at the first one downwards, too',
    file: COMPARE,
    original: 'this.byDirection({ down: this.size - GROUP, up: 0 });',
    planted: 'this.byDirection({ down: 0, up: 0 });',
    tests: [REPEAT, UNIT],
  },
  {
    fault: 'repeated string instructions of 64-bit code go one by one',
    file: 'src/engine/interpreter/form-catalog.ts',
    original: "bulk: repeat === 'none' ? undefined : row.bulk,",
    planted: "bulk: repeat === 'none' || key.longMode ? undefined : row.bulk,",
    tests: ['test/unit/engine/form-catalog.test.ts'],
  },
];
