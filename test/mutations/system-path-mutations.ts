/** Faults in how blocks are found, in flush rules and in the flags that a kernel changes all the time. */
import type { Mutation } from './mutations.ts';

const FETCH_TLB = 'test/unit/cpu/fetch-tlb.test.ts';
const BLOCK_IDENTITY = 'test/conformance/engines/block-identity.test.ts';
const SELF_MODIFYING = 'test/conformance/engines/self-modifying-code.test.ts';
const FLAGS = 'test/conformance/system/system-flags.test.ts';
const SHADOW = 'test/conformance/system/interrupt-shadow.test.ts';
const JUMP_CACHE = 'test/unit/engine/blocks/jump-cache.test.ts';
const SEGMENTATION = 'test/conformance/system/segmentation.test.ts';
const SEQUENCES = 'test/difftest/sequences.test.ts';

export const SYSTEM_PATH_MUTATIONS: readonly Mutation[] = [
  {
    fault: 'code of a page whose translation was replaced is found without it',
    file: 'src/cpu/fetch-tlb.ts',
    original: 'else this.#onCodeMoved(half);',
    planted: '',
    tests: [FETCH_TLB, 'test/conformance/engines/fetch-translations.test.ts'],
  },
  {
    fault: 'a CR3 write drops global pages of code, too',
    file: 'src/cpu/fetch-tlb.ts',
    original: "if (what === 'nonGlobal') return u32[at + FETCH_TLB.GLOBAL / 4] === 0;",
    planted: "if (what === 'nonGlobal') return true;",
    tests: [FETCH_TLB],
  },
  {
    fault: 'a page that survives a flush is taken for global',
    file: 'src/cpu/fetch-tlb.ts',
    original: 'if (u32[at + FETCH_TLB.GLOBAL / 4] === 0) fetched.anyNotGlobal = true;',
    planted: '',
    tests: [FETCH_TLB],
  },
  {
    fault: 'the generations of the jump cache wrap',
    file: 'src/engine/blocks/jump-cache.ts',
    original: 'state.pool.views.u32.fill(0, from, from + JUMP_CACHE_SIZE / 4);',
    planted: '',
    tests: [JUMP_CACHE],
  },
  {
    fault: 'blocks are told apart by their address alone',
    file: 'src/engine/lowering/block-lookup.ts',
    original: "code.op('i32.and', 'i32.or', 'i32.ne');",
    planted: "code.op('i32.and', 'i32.or', 'i32.ne', 'drop');\n  code.i32(0);",
    tests: [BLOCK_IDENTITY],
  },
  {
    fault: 'a block that was overwritten stays in the table',
    file: 'src/engine/interpreter/block-cache.ts',
    original: 'this.table.remove(index.address(block), block);',
    planted: '',
    tests: [SELF_MODIFYING],
  },
  {
    fault: 'a block that goes on in another page is found by its first page',
    file: 'src/engine/interpreter/block-cache.ts',
    original: 'if (index.crossingEnd(block) > 0 || index.isCutOff(block)) return;',
    planted: 'if (index.isCutOff(block)) return;',
    tests: ['test/conformance/system/paging-invalidation.test.ts'],
  },
  {
    fault: 'a partial block runs on with the second of a pair',
    file: 'src/engine/interpreter/block-cache.ts',
    original: 'if (records > 0) u16[last] = this.#runtime.catalog.firstOf(u16[last]);',
    planted: '',
    tests: [SEQUENCES, 'test/conformance/engines/fuzz.test.ts', BLOCK_IDENTITY],
  },
  {
    fault: 'STI on the short way has no interrupt shadow',
    file: 'src/engine/processor.ts',
    original: 'if (state.interruptShadow === state.budget) {',
    planted: 'if (state.interruptShadow === -1) {',
    tests: [SHADOW],
  },
  {
    fault: 'STI does not see that an interrupt waits',
    file: 'src/isa/instructions/system-flags.ts',
    original: 'b.or(lacksPrivilege(b, flags), interruptWaits(b)),\n      () => b.call',
    planted: 'lacksPrivilege(b, flags),\n      () => b.call',
    tests: [SHADOW],
  },
  {
    fault: 'POPF sets TF on the short way',
    file: 'src/isa/instructions/system-flags.ts',
    original: 'const CONSEQUENTIAL = EFLAGS.TF | EFLAGS.IOPL',
    planted: 'const CONSEQUENTIAL = EFLAGS.IOPL',
    tests: [FLAGS],
  },
  {
    fault: 'CLI needs no privilege',
    file: 'src/isa/instructions/system-flags.ts',
    original: "lacksPrivilege(b, flags),\n      () => b.call('clearInterruptFlag', [])",
    planted: "b.constant(0, 1),\n      () => b.call('clearInterruptFlag', [])",
    tests: [FLAGS],
  },
  {
    fault: 'a hot operand in FS or GS may lie beyond the limit',
    file: 'src/engine/lowering/segment-bounds.ts',
    original: "code.op('i32.sub', 'i32.gt_u');\n  leave();",
    planted: "code.op('i32.sub', 'i32.gt_u', 'drop');",
    tests: [SEGMENTATION],
  },
  {
    fault: 'a partial block counts what is behind its end',
    file: 'src/engine/interpreter/block-cache.ts',
    original: 'const beyond = u8[address + RECORD.remaining] - count;',
    planted: 'const beyond = 0 * u8[address] * count;',
    tests: [SEQUENCES, 'test/conformance/engines/fuzz.test.ts'],
  },
  {
    fault: 'of bytes that hold code, those at the end of a word are forgotten',
    file: 'src/engine/blocks/code-bytes.ts',
    original: 'for (let at = first; at < end; at++) this.#words[at >>> 5] |= 1 << (at & 31);',
    planted: 'for (let at = first; at < end - 1; at++) this.#words[at >>> 5] |= 1 << (at & 31);',
    tests: ['test/unit/engine/blocks/code-bytes.test.ts'],
  },
  {
    fault: 'a kernel may load a segment with an RPL above its DPL',
    file: 'src/engine/lowering/system/segment-functions.ts',
    original: 'declineIf(f, selector.and(3).aboveU(level));',
    planted: '',
    tests: ['test/conformance/system/segmentation.test.ts', 'test/conformance/engines/fuzz.test.ts'],
  },
  {
    fault: 'a data segment is loaded from beyond the limit of the GDT',
    file: 'src/engine/lowering/system/descriptor-read.ts',
    original: "declineIf(f, selector.and(4).or(offset.add(7).aboveU(field(state, 'gdtrLimit'))));",
    planted: 'declineIf(f, selector.and(4));',
    tests: ['test/conformance/system/segmentation.test.ts', 'test/conformance/engines/fuzz.test.ts'],
  },
  {
    fault: 'the accessed bit of a data segment is not set',
    file: 'src/engine/lowering/system/segment-functions.ts',
    original: 'const type = ACCESS.PRESENT | ACCESS.SEGMENT | ACCESS.ACCESSED;',
    planted: 'const type = ACCESS.PRESENT | ACCESS.SEGMENT;',
    tests: ['test/conformance/system/segmentation.test.ts', 'test/conformance/engines/fuzz.test.ts'],
  },
  {
    fault: 'FS and GS with a read-only segment may be written',
    file: 'src/engine/lowering/system/segment-functions.ts',
    original: 'highWrite: f.local(select(writable, limit, 0)),',
    planted: 'highWrite: limit,',
    tests: ['test/conformance/system/segmentation.test.ts', 'test/conformance/engines/fuzz.test.ts'],
  },
  {
    fault: 'a load of DS that changes its base is not a change of mode',
    file: 'src/engine/lowering/system/segment-functions.ts',
    original: '      f.if(decidesMode, () => declineIfModeChanges(f, state, segment, contents));\n',
    planted: '',
    tests: ['test/conformance/system/segmentation.test.ts', 'test/conformance/engines/fuzz.test.ts'],
  },
  {
    fault: 'of a write to code, the lower byte decides whether it changes anything',
    file: 'src/memory/guest-memory.ts',
    original: 'this.read(address, size) !== (value & ALL_ONES[size]) >>> 0',
    planted: 'this.read(address, 1) !== (value & 0xff)',
    tests: ['test/conformance/engines/self-modifying-code.test.ts', 'test/unit/memory/guest-memory.test.ts'],
  },
  {
    fault: 'MOV to SS holds nothing off',
    file: 'src/engine/processor.ts',
    original: 'if (state.stackShadow === state.budget) {',
    planted: 'if (state.stackShadow === -1) {',
    tests: ['test/conformance/system/interrupt-shadow.test.ts', 'test/conformance/system/debug.test.ts'],
  },
  {
    fault: 'a stack of another size is no change of mode',
    file: 'src/engine/lowering/system/segment-functions.ts',
    original: 'wide.ne(key.and(MODE.STACK32).isNotZero())',
    planted: 'i32(0)',
    tests: [
      'test/conformance/system/real-mode.test.ts',
      'test/conformance/system/segmentation.test.ts',
      'test/conformance/engines/fuzz.test.ts',
    ],
  },
  {
    fault: 'SYSENTER leaves IF set',
    file: 'src/engine/lowering/system/system-call-functions.ts',
    original: "field(state, 'flagsOther').and(~EFLAGS.IF)",
    planted: "field(state, 'flagsOther')",
    tests: ['test/conformance/system/system-calls.test.ts', 'test/conformance/engines/fuzz.test.ts'],
  },
  {
    fault: 'SYSEXIT goes to the level it comes from',
    file: 'src/engine/lowering/system/level-change.ts',
    original: "store('cpl', i32(user ? 3 : 0));",
    planted: "store('cpl', i32(0));",
    tests: ['test/conformance/system/system-calls.test.ts', 'test/conformance/engines/fuzz.test.ts'],
  },
  {
    fault: 'after SYSENTER memory is accessed as the program may',
    file: 'src/engine/lowering/system/level-change.ts',
    original: "store('tlbRead', tlbTable(state, user ? 'userRead' : 'supervisorRead'));",
    planted: "store('tlbRead', tlbTable(state, 'userRead'));",
    tests: ['test/conformance/system/system-calls.test.ts', 'test/conformance/engines/fuzz.test.ts'],
  },
];
