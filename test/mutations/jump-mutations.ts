/** Faults in what regions know of computed jumps, and in how they get to where those go. */
import type { Mutation } from './mutations.ts';

const jit = (name: string): string => `src/engine/jit/${name}.ts`;
const unit = (name: string): string => `test/unit/engine/jit/${name}.test.ts`;
const JUMPS = 'test/conformance/engines/translation/computed-jumps.test.ts';

export const JUMP_MUTATIONS: readonly Mutation[] = [
  {
    fault: 'computed jumps: where the hash leads is taken for the target',
    file: jit('lowering/dispatch-lowering'),
    original: "        code.i32(offset);\n        code.op('i32.eq');\n",
    planted: "        code.i32(offset & 0);\n        code.op('i32.ge_u');\n",
    tests: [JUMPS],
  },
  {
    fault: 'computed jumps: those of another page are taken for those of the first',
    file: jit('lowering/dispatch-lowering'),
    original: "        code.get(distance);\n        code.i32(offset);\n        code.op('i32.eq');\n",
    planted:
      "        code.get(distance);\n        code.i32(offset);\n        code.op('i32.xor');\n        code.i32(0xfff);\n        code.op('i32.and', 'i32.eqz');\n",
    tests: [unit('lowering/region-lowering')],
  },
  {
    fault: 'computed jumps: a loop by way of a dispatch does not look at the budget',
    file: jit('lowering/dispatch-lowering'),
    original: 'if (needs > 0) {',
    planted: 'if (needs < 0) {',
    tests: [unit('lowering/region-lowering')],
  },
  {
    fault: 'computed jumps: one that finds nothing remembers nothing',
    file: jit('lowering/dispatch-lowering'),
    original: '  }\n  code.br(leaveComputed);',
    planted: "  }\n  pool.releaseAll();\n  code.op('unreachable');",
    tests: [unit('lowering/region-lowering')],
  },
  {
    fault: 'computed jumps: all are remembered as the first',
    file: jit('lowering/region-lowering'),
    original: 'placeOfJump(region.pages.length, jump);',
    planted: 'placeOfJump(region.pages.length, jump === region.jumps.length ? jump : 0);',
    tests: [unit('lowering/region-lowering')],
  },
  {
    fault: 'computed jumps: addresses are remembered, not distances from the base',
    file: jit('lowering/region-lowering'),
    original: "  code.get(target);\n  code.get(base);\n  code.op('i32.sub');\n  code.tee(distance);",
    planted: '  code.get(target);\n  code.tee(distance);',
    tests: [unit('lowering/region-lowering')],
  },
  {
    fault: 'computed jumps: one dispatch for each, so that threaded code has a table for each of its places',
    file: jit('finder/computed-ends'),
    original:
      'const meets = (group: ReadonlyMap<number, Target>) => [...one.keys()].some((block) => group.has(block));',
    planted: 'const meets = (group: ReadonlyMap<number, Target>) => group === one;',
    tests: [unit('finder/region-finder')],
  },
  {
    fault: 'computed jumps: a jump in a routine is taken for its return',
    file: jit('finder/computed-ends'),
    original: "blocks[block].end.kind === 'computed' && isReturn(blocks[block].instructions.at(-1)!)",
    planted: "blocks[block].end.kind === 'computed'",
    tests: [unit('finder/region-finder')],
  },
  {
    fault: 'computed jumps: on the way to a return they lead nowhere',
    file: jit('finder/computed-ends'),
    original: 'return [...successorsOf(block), ...learnt];',
    planted: 'void learnt;\n    return successorsOf(block);',
    tests: [unit('finder/region-finder')],
  },
  {
    fault: 'computed jumps: the limit of instructions is that of other regions',
    file: jit('finder/region-finder'),
    original: 'limit = Math.max(limit, limits.dispatching);',
    planted: 'limit = Math.max(limit, limits.instructions);',
    tests: [unit('finder/region-finder')],
  },
  {
    fault: 'computed jumps: the x87’s stack may be turned where they meet',
    file: jit('lowering/x87/x87-plan'),
    original: 'dispatch: end.dispatch && isKept(end.dispatch) ? end.dispatch : undefined,',
    planted: 'dispatch: end.dispatch,',
    tests: [unit('lowering/x87-plan')],
  },
  {
    fault: 'computed jumps: the x87’s stack may be turned where they go',
    file: jit('lowering/x87/x87-plan'),
    original: "    case 'dispatches':\n      return { ...end, candidates: end.candidates.filter(isKept) };",
    planted: "    case 'dispatches':\n      return end;",
    tests: [JUMPS, unit('lowering/x87-plan')],
  },
  {
    fault: 'computed jumps: regions that they leave are not made anew',
    file: jit('cache/region-cache'),
    original: "place.size === 'full' && strays && place.widened < MOST_WIDENED",
    planted: "place.size === 'first' && strays && place.widened < MOST_WIDENED",
    tests: [JUMPS],
  },
  {
    fault: 'computed jumps: where they go is not learnt',
    file: jit('cache/region-cache'),
    original: 'target - offset);',
    planted: 'target + offset);',
    tests: [JUMPS],
  },
];
