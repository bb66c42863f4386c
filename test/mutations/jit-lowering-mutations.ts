/** Faults in the code of translated regions, and in how it is entered and left. */
import type { Mutation } from './mutations.ts';

const LOCALS = 'src/engine/jit/lowering/region-locals.ts';
const BLOCK = 'src/engine/jit/lowering/block-lowering.ts';
const REGION = 'src/engine/jit/lowering/region-lowering.ts';
const FLOW = 'src/wasm/structured-flow.ts';
const RUN = 'src/engine/interpreter/loop/run-function.ts';
const UNIT = ['test/unit/engine/jit/lowering/region-lowering.test.ts'];
const FLOW_TESTS = ['test/unit/wasm/structured-flow.test.ts'];
const translation = (name: string): string => `test/conformance/engines/translation/${name}.test.ts`;

export const JIT_LOWERING_MUTATIONS: readonly Mutation[] = [
  // Locals and the state block

  {
    fault: 'a region leaves flags as they were before it',
    file: LOCALS,
    original: 'if (this.#writesFlags) {',
    planted: 'if (!this.#writesFlags) {',
    tests: UNIT,
  },
  {
    fault: 'a region writes back registers that it has only read',
    file: LOCALS,
    original: '(this.#written & (1 << register)) === 0',
    planted: '(this.#written & (1 << register)) !== 0',
    tests: UNIT,
  },
  {
    fault: 'the result of the flags loses its sign',
    file: LOCALS,
    original: "code.op('i64.extend_i32_s');",
    planted: "code.op('i64.extend_i32_u');",
    tests: UNIT,
  },
  {
    fault: 'registers that the interpreter changed are not loaded again',
    file: LOCALS,
    original: '    this.#loadRegisters();\n    this.x87?.reload();',
    planted: '    this.x87?.reload();',
    tests: UNIT,
  },
  {
    fault: 'the page of the stack stays known whatever the interpreter does',
    file: LOCALS,
    original: '    this.forgetStackPage();\n    this.#loadRegisters();\n    this.x87',
    planted: '    this.#loadRegisters();\n    this.x87',
    tests: UNIT,
  },
  {
    fault: 'the stack has a page before one was written',
    file: LOCALS,
    original: 'const NO_PAGE = 0x800;',
    planted: 'const NO_PAGE = 0;',
    tests: UNIT,
  },
  {
    fault: 'an access to the stack that goes on in the next page is all in the first',
    file: BLOCK,
    original: 'code.i32(-PAGE_SIZE | (width / 8 - 1));',
    planted: 'code.i32(-PAGE_SIZE);',
    tests: UNIT,
  },
  {
    fault: 'a page of the stack that was read may be written',
    file: BLOCK,
    original: "if (isStack && table === 'tlbWrite') {",
    planted: 'if (isStack) {',
    tests: UNIT,
  },
  {
    fault: 'a repeated instruction that uses what is kept back leaves a negative budget',
    file: LOCALS,
    original:
      'code.tee(this.budget);\n    // A repeated instruction may have used some of what was kept back; the budget is still to be counted down by `retired`.',
    planted: "code.i32(retired);\n    code.op('i32.add');\n    code.tee(this.budget);\n    retired = 0;",
    tests: UNIT,
  },
  {
    fault: 'what a repeated instruction used of what is kept back is used again',
    file: LOCALS,
    original:
      "    code.get(this.reserve);\n    code.get(this.budget);\n    code.get(this.reserve);\n    code.op('i32.lt_u', 'select');\n    code.set(this.reserve);",
    planted: "    code.op('drop');",
    tests: UNIT,
  },
  {
    fault: 'the base is that of the page of the entry',
    file: LOCALS,
    original: "this.#code.memory('i32.load', REGION_ENTRY.PAGE_OFFSET);",
    planted: "this.#code.op('drop');\n    this.#code.i32(0);",
    tests: UNIT,
  },
  {
    fault: 'what is kept back of the budget is lost',
    file: LOCALS,
    original: "    code.get(this.budget);\n    code.get(this.reserve);\n    code.op('i32.add');\n    if (retired",
    planted: '    code.get(this.budget);\n    if (retired',
    tests: UNIT,
  },
  {
    fault: 'a region may run as long as it likes',
    file: LOCALS,
    original: 'const MOST_INSTRUCTIONS = 1_000_000;',
    planted: 'const MOST_INSTRUCTIONS = 100_000_000;',
    tests: UNIT,
  },
  {
    fault: 'carries are worked out wrongly from operands and sum',
    file: LOCALS,
    original: "code.op('i32.xor', 'i32.and', 'i32.or');",
    planted: "code.op('i32.xor', 'i32.or', 'i32.or');",
    tests: UNIT,
  },
  {
    fault: 'carries lose the deltas when they are put together',
    file: LOCALS,
    original: "    code.get(deltas);\n    code.op('i32.or');",
    planted: '',
    tests: UNIT,
  },
  {
    fault: 'carries lose the deltas when they are loaded',
    file: LOCALS,
    original: 'code.i32(DELTAS);',
    planted: 'code.i32(0);',
    tests: UNIT,
  },
  {
    fault: 'carries lose AF',
    file: LOCALS,
    original: 'code.i32(FLAG_CARRIES.CF | FLAG_CARRIES.OVERFLOW | FLAG_CARRIES.AF);',
    planted: 'code.i32(FLAG_CARRIES.CF | FLAG_CARRIES.OVERFLOW);',
    tests: UNIT,
  },
  {
    fault: 'what a region retired is not counted for profiles',
    file: LOCALS,
    original: '    code.get(this.#start);\n',
    planted: '    code.get(this.reserve);\n',
    tests: UNIT,
  },

  // Instructions

  {
    fault: 'carries of 8 and 16 bits have AF of the wrong place',
    file: BLOCK,
    original: "code.op('i32.shl');\n    this.clean(value);\n    code.op('i32.or');\n  }\n}",
    planted: "code.op('i32.shl');\n  }\n}",
    tests: UNIT,
  },
  {
    fault: 'a difference has the carries of a sum',
    file: BLOCK,
    original: '[first, third] : [third, first]',
    planted: '[first, third] : [first, third]',
    tests: UNIT,
  },
  {
    fault: 'flags of a sum keep the deltas of before',
    file: BLOCK,
    original: '    code.i32(0);\n    code.set(deltas);\n',
    planted: '',
    tests: UNIT,
  },
  {
    fault: 'AH is read as AL',
    file: BLOCK,
    original: "code.i32(8);\n      code.op('i32.shr_u');",
    planted: "code.i32(0);\n      code.op('i32.shr_u');",
    tests: UNIT,
  },
  {
    fault: 'writing AL clears the rest of EAX',
    file: BLOCK,
    original: 'code.i32(~((2 ** value.width - 1) << shift));',
    planted: 'code.i32(0);',
    tests: UNIT,
  },
  {
    fault: 'flags of before an instruction of the interpreter’s are taken for those behind it',
    file: BLOCK,
    original: "if (way === 'called') last = undefined;\n      else if",
    planted: 'if',
    tests: UNIT,
  },
  {
    fault: 'flags that the interpreter finds in the state block are left out',
    file: BLOCK,
    original: '        live = ALL_FLAGS;\n',
    planted: '        live = 0;\n',
    tests: UNIT,
  },
  {
    fault: 'values that an instruction has from another are handed on',
    file: BLOCK,
    original: 'known.gives.size > 0 && giver === undefined ? index : undefined',
    planted: 'known.gives.size > 0 ? index : undefined',
    tests: UNIT,
  },
  {
    fault: 'what is read to be changed need not be writable',
    file: BLOCK,
    original: "modify ? 'tlbWrite' : 'tlbRead'",
    planted: "modify ? 'tlbRead' : 'tlbRead'",
    tests: UNIT,
  },
  {
    fault: 'FS has no base',
    file: BLOCK,
    original: 'new Set([SEGMENT.ES, SEGMENT.SS, SEGMENT.DS])',
    planted: 'new Set([SEGMENT.ES, SEGMENT.SS, SEGMENT.DS, SEGMENT.FS])',
    tests: UNIT,
  },
  {
    fault: 'a return goes to the first of the places where it is not',
    file: BLOCK,
    original: "code.op('i32.add', 'i32.eq');\n          this.#branches",
    planted: "code.op('i32.add', 'i32.ne');\n          this.#branches",
    tests: UNIT,
  },

  // Budget

  {
    fault: 'a block takes an instruction too few from the budget',
    file: BLOCK,
    original: '    code.get(budget);\n    code.i32(this.#block.instructions.length);',
    planted: '    code.get(budget);\n    code.i32(this.#block.instructions.length - 1);',
    tests: UNIT,
  },
  {
    fault: 'a block is not entered with exactly the budget it needs',
    file: BLOCK,
    original: "code.i32(needs);\n    code.op('i32.lt_u');",
    planted: "code.i32(needs);\n    code.op('i32.le_u');",
    tests: UNIT,
  },
  {
    fault: 'the budget is checked for the shortest way',
    file: REGION,
    original: 'behind = Math.max(behind, from(next))',
    planted: 'behind = Math.min(behind, from(next))',
    tests: UNIT,
  },
  {
    fault: 'the budget is not checked behind a repeated instruction',
    file: REGION,
    original: '...graph.entries, ...repeats]',
    planted: '...graph.entries]',
    tests: UNIT,
  },
  {
    fault: 'the budget is not checked where a region is entered again',
    file: REGION,
    original: 'new Set([...findLoopHeaders(graph), ...graph.entries, ...repeats])',
    planted: 'new Set([...findLoopHeaders(graph), ...repeats])',
    tests: UNIT,
  },

  // Exits

  {
    fault: 'an exit in the middle of a block gives back what has retired before it',
    file: BLOCK,
    original: '    this.#exit({ cause, offset, trace: this.#block.trace, retired: this.#number });',
    planted: '    this.#exit({ cause, offset, trace: this.#block.trace, retired: 0 });',
    tests: UNIT,
  },
  {
    fault: 'an exit to another page leaves the base of the first',
    file: REGION,
    original: "  code.i32(-PAGE_SIZE);\n  code.op('i32.and', 'i32.add');",
    planted: "  code.op('drop');",
    tests: UNIT,
  },
  {
    fault: 'an exit to another page is linked',
    file: REGION,
    original: "  code.i32(1);\n  code.op('i32.eq', 'select');",
    planted: "  code.i32(0);\n  code.op('i32.ne', 'select');",
    tests: UNIT,
  },
  {
    fault: 'an exit to a known block is not its first record',
    file: REGION,
    original: "  code.memory('i32.load', REGION_EXIT.ENTERS_BLOCK);\n  code.op('i32.or');",
    planted: "  code.memory('i32.load', REGION_EXIT.ENTERS_BLOCK);\n  code.op('drop');",
    tests: UNIT,
  },
  {
    fault: 'a computed jump is linked to the last record that was',
    file: REGION,
    original:
      "  code.get(locals.state);\n  code.i32(0);\n  code.memory('i32.store', STATE.fields.linkFrom);\n  code.end(); // written",
    planted: '  code.end(); // written',
    tests: UNIT,
  },
  {
    fault: 'a page of a region may be another one now',
    file: REGION,
    original: "code.memory('i32.load', KNOWN_REGION.PAGES + index * 4);\n    code.op('i32.ne');",
    planted: "code.memory('i32.load', KNOWN_REGION.PAGES + index * 4);\n    code.op('drop', 'drop');\n    code.i32(0);",
    tests: UNIT,
  },
  {
    fault: 'a page of a region need not be in the TLB',
    file: REGION,
    original: "code.op('i32.shr_u', 'i32.ne');",
    planted: "code.op('i32.shr_u', 'i32.and');\n    code.i32(0);\n    code.op('i32.and');",
    tests: UNIT,
  },
  {
    fault: 'pages that were found once are never looked for again',
    file: REGION,
    original: "code.memory('i32.load', KNOWN_REGION.TAG);\n  code.op('i32.eq');",
    planted: "code.memory('i32.load', KNOWN_REGION.TAG);\n  code.op('i32.ge_u');",
    tests: UNIT,
  },
  {
    fault: 'pages that were found for one base are so for all',
    file: REGION,
    original: "code.memory('i32.load', KNOWN_REGION.BASE);\n  code.op('i32.eq', 'i32.and');",
    planted: "code.memory('i32.load', KNOWN_REGION.BASE);\n  code.op('drop', 'drop');",
    tests: UNIT,
  },
  {
    fault: 'the pages of a region of two are not looked at',
    file: REGION,
    original: 'if (region.pages.length > 1) refuseIfMoved(',
    planted: 'if (region.pages.length > 2) refuseIfMoved(',
    tests: UNIT,
  },
  {
    fault: 'a region that cannot be entered goes on anywhere',
    file: REGION,
    original: "code.memory('i32.load', REGION_ENTRY.BLOCK);",
    planted: "code.memory('i32.load', REGION_ENTRY.REGION);",
    tests: UNIT,
  },
  {
    fault: 'what sets all flags sets them but for the carry, where others keep the carry',
    file: BLOCK,
    original: '        this.code.set(carry[name]);',
    planted: "        this.code.op('drop');",
    tests: UNIT,
  },
  {
    fault: 'OF is worked out with the carry that INC and DEC keep',
    file: LOCALS,
    original: "code.op('i32.shr_u', 'i32.xor', 'i32.xor');",
    planted: "code.op('i32.shr_u', 'i32.xor', 'drop');",
    tests: UNIT,
  },
  {
    fault: 'a fault in a region is taken for the dispatcher’s business',
    file: RUN,
    original: "code.i32(GO_ON.FAULT);\n    code.op('i32.eq', 'select', 'return');",
    planted: "code.i32(GO_ON.FAULT);\n    code.op('i32.ne', 'select', 'return');",
    tests: [translation('page-tables'), translation('privilege')],
  },

  // Calls of the interpreter

  {
    fault: 'the interpreter does an instruction that the budget does not know of',
    file: BLOCK,
    original: 'locals.store(retired);',
    planted: 'locals.store(this.#number);',
    tests: UNIT,
  },
  {
    fault: 'what stands behind an instruction is given back when it fails',
    file: BLOCK,
    original: "    code.get(locals.state);\n    code.i32(0);\n    code.memory('i32.store', STATE.fields.ahead);\n",
    planted: '',
    tests: UNIT,
  },
  {
    fault: 'nobody knows which record the interpreter does for a region',
    file: BLOCK,
    original: "    code.get(locals.state);\n    code.get(at);\n    code.memory('i32.store', STATE.fields.record);\n",
    planted: '',
    tests: UNIT,
  },
  {
    fault: 'the interpreter does an instruction of a further page in the first',
    file: BLOCK,
    original: 'if (this.#context.hasFurtherPages) {\n      // The interpreter',
    planted: 'if (!this.#context.hasFurtherPages) {\n      // The interpreter',
    tests: UNIT,
  },
  {
    fault: 'the dispatcher does not get to look behind an instruction of the interpreter’s',
    file: BLOCK,
    original: "    code.memory('i32.load', STATE.fields.attention);\n    code.op('i32.or');",
    planted: "    code.memory('i32.load', STATE.fields.attention);\n    code.op('drop');",
    tests: UNIT,
  },
  {
    fault: 'an instruction of the interpreter’s that faults counts as done',
    file: BLOCK,
    original: '    else {\n      code.get(locals.status);',
    planted: '    else {\n      code.i32(0);',
    tests: UNIT,
  },
  {
    fault: 'the mode may be another one behind an instruction of the interpreter’s',
    file: BLOCK,
    original: "    code.get(locals.tag);\n    code.op('i32.xor');",
    planted: "    code.get(locals.tag);\n    code.op('drop');\n    code.i32(0);\n    code.op('i32.and');",
    tests: UNIT,
  },
  {
    fault: 'control may be elsewhere behind an instruction of the interpreter’s',
    file: BLOCK,
    original: "    code.op('i32.add', 'i32.xor', 'i32.or');\n  }",
    planted: "    code.op('i32.add', 'drop', 'drop');\n  }",
    tests: UNIT,
  },
  {
    fault: 'tables of the TLB stay those of before',
    file: BLOCK,
    original: 'if (endsBlock) locals.reloadTables();',
    planted: '',
    tests: UNIT,
  },
  {
    fault: 'an instruction that faulted has retired',
    file: REGION,
    original: "  code.i32(1);\n  code.op('i32.add');\n  code.memory('i32.store', STATE.fields.budget);",
    planted: "  code.i32(0);\n  code.op('i32.add');\n  code.memory('i32.store', STATE.fields.budget);",
    tests: UNIT,
  },
  {
    fault: 'the dispatcher sees an instruction that is done as the next one',
    file: REGION,
    original: "  code.memory('i32.load8_u', RECORD.length);\n",
    planted: "  code.op('drop');\n  code.i32(0);\n",
    tests: UNIT,
  },

  // Structured flow

  {
    fault: 'a graph that is not reducible selects nodes by their ranks',
    file: FLOW,
    original: 'code.i32(this.#selectable.indexOf(target));',
    planted: 'code.i32(target);',
    tests: FLOW_TESTS,
  },
  {
    fault: 'control falls through to where something else stands',
    file: FLOW,
    original: 'this.#writeTree(child, children[at + 1] ?? behind);',
    planted: 'this.#writeTree(child, behind);',
    tests: FLOW_TESTS,
  },
  {
    fault: 'every retreating edge is taken for a loop of its own',
    file: FLOW,
    original: 'if (dispatched.has(target) || dominates(immediate, target, source)) continue;',
    planted: 'if (dispatched.has(target) || target < source) continue;',
    tests: FLOW_TESTS,
  },
  {
    fault: 'a node that falls through does so in the middle of its code',
    file: FLOW,
    original: "if (target === behind && position === 'last') return;",
    planted: 'if (target === behind) return;',
    tests: FLOW_TESTS,
  },
  {
    fault: 'a graph with one entry and a dispatch begins anywhere',
    file: FLOW,
    original: '        code.i32(0);\n        code.set(selector);\n      }',
    planted: '      }',
    tests: FLOW_TESTS,
  },
];
