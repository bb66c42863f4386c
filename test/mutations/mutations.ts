import { BENCH_MUTATIONS } from './bench-mutations.ts';

/**
 * Faults to plant, each by itself: kinds of mistakes that are easily made, in every part of the emulator. The suite must
 * turn red for each. Add one for every new derivation from the table and for every check that guards a guest.
 */

import { BLOCK_INDEX_MUTATIONS } from './block-index-mutations.ts';
import { BULK_MUTATIONS } from './bulk-mutations.ts';
import { ELSEWHERE_MUTATIONS } from './elsewhere-mutations.ts';
import { GROUND_MUTATIONS } from './ground-mutations.ts';
import { HANDLER_MUTATIONS } from './handler-mutations.ts';
import { JIT_LOWERING_MUTATIONS } from './jit-lowering-mutations.ts';
import { JIT_MUTATIONS } from './jit-mutations.ts';
import { JUMP_MUTATIONS } from './jump-mutations.ts';
import { LOCKSTEP_MUTATIONS } from './lockstep-mutations.ts';
import { PCI_MUTATIONS } from './pci-mutations.ts';
import { SHARING_MUTATIONS } from './sharing-mutations.ts';
import { SYSTEM_PATH_MUTATIONS } from './system-path-mutations.ts';
import { TIME_MUTATIONS } from './time-mutations.ts';
import { VIRTIO_MUTATIONS } from './virtio-mutations.ts';
import { WALK_MUTATIONS } from './walk-mutations.ts';
import { X87_MUTATIONS } from './x87-mutations.ts';

export interface Mutation {
  /** What is wrong then. */
  readonly fault: string;
  readonly file: string;
  /** Text that is in the file exactly once, and what takes its place. */
  readonly original: string;
  readonly planted: string;
  /** The test files that should notice: as few, and as fast, as will do. */
  readonly tests: readonly string[];
}

const unit = (name: string): string => `test/unit/${name}.test.ts`;
const system = (name: string): string => `test/conformance/system/${name}.test.ts`;
const SEQUENCES = 'test/difftest/sequences.test.ts';
const BLOCK_IDENTITY = 'test/conformance/engines/block-identity.test.ts';
const SELF_MODIFYING = 'test/conformance/engines/self-modifying-code.test.ts';

export const MUTATIONS: readonly Mutation[] = [
  ...BULK_MUTATIONS,

  // The table

  {
    fault: 'ADC forgets the carry',
    file: 'src/isa/instructions/arithmetic.ts',
    original: "const sum = b.add(b.add(left, right), b.zeroExtend(b.flag('CF'), left.width));",
    planted: 'const sum = b.add(left, right);',
    tests: [unit('isa/semantics-arithmetic')],
  },
  {
    fault: 'SUB has its operands swapped',
    file: 'src/isa/instructions/arithmetic.ts',
    original:
      'const difference = b.sub(left, right);\n    dst.write(difference);\n    b.setFlags(b.subFlags(left, right, difference));\n  },\n});\n\nconst sbb',
    planted:
      'const difference = b.sub(right, left);\n    dst.write(difference);\n    b.setFlags(b.subFlags(left, right, difference));\n  },\n});\n\nconst sbb',
    tests: [unit('isa/semantics-arithmetic')],
  },
  {
    fault: 'SHR by 1 has the wrong overflow flag',
    file: 'src/isa/instructions/shift-rotate.ts',
    original:
      '// For a count of 1 the bit below the top is what the top was.\n        OF: overflowForOne(b, count, b.overflow(result)),',
    planted: 'OF: overflowForOne(b, count, b.msb(result)),',
    tests: [unit('isa/semantics-arithmetic')],
  },
  {
    fault: 'a rotate through carry turns by one bit too few for a full turn',
    file: 'src/isa/instructions/shift-rotate.ts',
    original: 'b.urem(count, width + 1)',
    planted: 'b.urem(count, width)',
    tests: [unit('isa/semantics-arithmetic')],
  },
  {
    fault: 'string instructions go the other way',
    file: 'src/isa/instructions/string.ts',
    original: 'b.select(down, b.constant(-width / 8, b.addressSize), width / 8)',
    planted: 'b.select(down, b.constant(width / 8, b.addressSize), -width / 8)',
    tests: [unit('isa/semantics-transfer')],
  },
  {
    fault: 'CMOVcc moves when the condition does not hold',
    file: 'src/isa/instructions/condition.ts',
    original: 'b.select(b.conditionHolds(), value, dst.read())',
    planted: 'b.select(b.conditionHolds(), dst.read(), value)',
    tests: [unit('isa/semantics-transfer'), unit('isa/semantics-arithmetic')],
  },

  // Decoder, assembler

  {
    fault: 'SIB base 5 means "no base" whatever mod is',
    file: 'src/isa/decoder.ts',
    original: 'if ((sib & 7) === 5 && mod === 0) {',
    planted: 'if ((sib & 7) === 5) {',
    tests: [unit('isa/decoder'), unit('isa/round-trip')],
  },
  {
    fault: 'an 8-bit displacement is not sign-extended',
    file: 'src/isa/decoder.ts',
    original: 'displacementSize === 8 ? signed8(this.#next8())',
    planted: 'displacementSize === 8 ? this.#next8()',
    tests: [unit('isa/decoder')],
  },
  {
    fault: 'an 8-bit immediate is not sign-extended',
    file: 'src/isa/decoder.ts',
    original: 'return BigInt(signed ? signed8(value) : value);',
    planted: 'return BigInt(value);',
    tests: [unit('isa/decoder')],
  },
  {
    fault: 'an instruction of 16 bytes is taken',
    file: 'src/isa/decoder.ts',
    original: 'export const MAX_INSTRUCTION_LENGTH = 15;',
    planted: 'export const MAX_INSTRUCTION_LENGTH = 16;',
    tests: [unit('isa/decoder')],
  },
  {
    fault: 'the assembler mixes up index * 4 and index * 8',
    file: 'src/isa/assembler-operand.ts',
    original: '[1n, 2n, 4n, 8n].indexOf(factor)',
    planted: '[1n, 2n, 8n, 4n].indexOf(factor)',
    tests: [unit('isa/assembler')],
  },

  // Lowering to wasm

  {
    fault: 'the carry vector of additions is wrong',
    file: 'src/engine/lowering/value-lowering.ts',
    original:
      "case 'addCarries': // (l & r) | ((l | r) & ~sum)\n        this.value(a);\n        this.value(b);\n        simple('and');",
    planted:
      "case 'addCarries': // (l & r) | ((l | r) & ~sum)\n        this.value(a);\n        this.value(b);\n        simple('xor');",
    tests: [SEQUENCES],
  },
  {
    fault: 'AF is lost from carry vectors of 8 and 16 bits',
    file: 'src/engine/lowering/flag-lowering.ts',
    original: "if (vector.width === 64) code.op('i32.wrap_i64');\n    code.i32(FLAG_CARRIES.AF);",
    planted: "if (vector.width === 64) code.op('i32.wrap_i64');\n    code.i32(0);",
    tests: [SEQUENCES],
  },
  {
    fault: 'compare and branch as one: "above" taken for "below or equal"',
    file: 'src/ir/simplify.ts',
    original: "return operation('ult', [b, a]);",
    planted: "return operation('ult', [a, b]);",
    tests: [SEQUENCES],
  },
  {
    fault: 'an access across a page border uses the first page for both',
    file: 'src/engine/lowering/tlb-probe.ts',
    original: 'push(probe.bytes - 1);',
    planted: 'push(0);',
    tests: [system('paging-32bit')],
  },
  {
    fault: 'the budget gets back an instruction too many at a taken branch',
    file: 'src/engine/interpreter/hot-lowering.ts',
    original: "this.pushRecord('i32.load8_u', RECORD.count);\n    code.op('i32.sub');",
    planted: "this.pushRecord('i32.load8_u', RECORD.count);\n    code.op('drop');",
    tests: [SEQUENCES],
  },

  // Block cache

  {
    fault: 'the running block does not notice that it was overwritten',
    file: 'src/engine/interpreter/block-cache.ts',
    original: '      this.#markStale(block, index.records(block));\n',
    planted: '',
    tests: [SELF_MODIFYING],
  },
  {
    fault: 'writes to the second page of a block are not watched for',
    file: 'src/engine/interpreter/block-cache.ts',
    original: 'if (crossing) this.#note(crossing.page, { first: 0, end: crossing.end }, source);',
    planted: '',
    tests: [SELF_MODIFYING],
  },

  {
    fault: 'a block is taken for any code size',
    file: 'src/engine/interpreter/block-cache.ts',
    original: 'const key = address * 16 + (modeKey & MODE.BLOCK_MASK);',
    planted: 'const key = address * 16;',
    tests: [BLOCK_IDENTITY],
  },
  {
    fault: 'a block stays good when the code segment becomes shorter than it',
    file: 'src/engine/interpreter/block-cache.ts',
    original: ': index.end(block) - start + crossingEnd <= source.limit;',
    planted: ': source.limit > 0;',
    tests: [BLOCK_IDENTITY],
  },
  {
    fault: 'branches are linked across pages for good',
    file: 'src/engine/interpreter/loop/loop-function.ts',
    original: "code.op(wide ? 'i64.eq' : 'i32.eq');\n    // Not to",
    planted: "code.op(wide ? 'i64.eq' : 'i32.eq');\n    code.op('drop');\n    code.i32(1);\n    // Not to",
    tests: [system('paging-invalidation'), SELF_MODIFYING],
  },
  {
    fault: 'a stale block gives nothing back to the budget',
    file: 'src/engine/interpreter/loop/step-function.ts',
    original: "    this.refund('record');\n    code.i32(0);\n    code.set(this.locals.linkFrom);",
    planted: '    code.i32(0);\n    code.set(this.locals.linkFrom);',
    tests: [BLOCK_IDENTITY],
  },
  {
    fault: 'REP stops one element too late when the budget is used up',
    file: 'src/engine/interpreter/cold-lowering.ts',
    original: "code.i32(1);\n    code.op('i32.sub');\n    code.memory('i32.store', STATE.fields.budget);",
    planted: "code.i32(0);\n    code.op('i32.sub');\n    code.memory('i32.store', STATE.fields.budget);",
    tests: ['test/conformance/engines/repeat.test.ts'],
  },
  {
    fault: 'REPE goes on while elements differ',
    file: 'src/engine/interpreter/cold-lowering.ts',
    original: "if (form.repeat === 'repe') code.op('i32.eqz');",
    planted: "if (form.repeat === 'repne') code.op('i32.eqz');",
    tests: ['test/conformance/engines/repeat.test.ts', SEQUENCES],
  },

  // Segmentation, paging

  {
    fault: 'the segment limit is checked for the first byte of an access only',
    file: 'src/cpu/segmentation.ts',
    original: 'offset < range.low || offset + size - 1 > range.high ||',
    planted: 'offset < range.low || offset > range.high ||',
    tests: [unit('cpu/segmentation')],
  },
  {
    fault: 'an expand-down segment begins one byte too early',
    file: 'src/cpu/segmentation.ts',
    original: '{ low: limit + 1, high }',
    planted: '{ low: limit, high }',
    tests: [unit('cpu/segmentation')],
  },
  {
    fault: 'CR0.WP does nothing',
    file: 'src/cpu/paging/page-walk.ts',
    original: "if (paging.writeProtect) return 'supervisor write",
    planted: "if (paging.writeProtect && byUser) return 'supervisor write",
    tests: [unit('cpu/paging-walk')],
  },
  {
    fault: 'the accessed bit is set by writes only',
    file: 'src/cpu/paging/page-walk.ts',
    original: '? ENTRY.A | ENTRY.D : ENTRY.A;',
    planted: '? ENTRY.A | ENTRY.D : 0;',
    tests: [unit('cpu/paging-walk')],
  },
  {
    fault: 'the page-fault error code does not say that it was user code',
    file: 'src/cpu/paging/page-walk.ts',
    original: "if (privilege === 'user') errorCode |= PAGE_FAULT.US;",
    planted: '',
    tests: [unit('cpu/paging-walk')],
  },
  {
    fault: 'INVLPG leaves the translations for writing',
    file: 'src/cpu/tlb-mmu.ts',
    original: 'for (let table = 0; table < 4; table++) this.#invalidate(',
    planted: 'for (let table = 0; table < 4; table += 2) this.#invalidate(',
    tests: [system('paging-invalidation')],
  },
  {
    fault: 'MOV to CR3 drops nothing',
    file: 'src/cpu/control-registers.ts',
    original: "cpu.mmu.flush('nonGlobal');",
    planted: '',
    tests: [system('paging-invalidation')],
  },
  {
    fault: 'MOV to CR3 drops global pages, too',
    file: 'src/cpu/fill-log.ts',
    original: "if (scope === 'nonGlobal') return;",
    planted: '',
    tests: [system('paging-invalidation')],
  },

  {
    fault: 'jumps go on to where a page lay before MOV to CR3 or INVLPG of a larger page',
    file: 'src/cpu/fetch-tlb.ts',
    original: 'fetched.slots = kept;\n    this.#onCodeMoved(half);',
    planted: 'fetched.slots = kept;',
    tests: ['test/unit/cpu/fetch-tlb.test.ts'],
  },
  {
    fault: 'jumps go on to where a page of 4 KiB lay before INVLPG',
    file: 'src/cpu/fetch-tlb.ts',
    original: 'slots.splice(slots.indexOf(at), 1);\n        this.#onCodeMoved(half);',
    planted: 'slots.splice(slots.indexOf(at), 1);',
    tests: [system('paging-invalidation')],
  },
  {
    fault: 'the A20 gate leaves old translations',
    file: 'src/engine/processor.ts',
    original: "this.state.a20Mask = mask;\n    this.mmu.flush('all');",
    planted: 'this.state.a20Mask = mask;',
    tests: [system('a20')],
  },
  {
    fault: 'a page read before its first write goes on to read as zero',
    file: 'src/cpu/tlb-mmu.ts',
    original: 'cpu.memory.onFrameMoved = (_page, frame) => this.#dropReads(frame);',
    planted: 'cpu.memory.onFrameMoved = () => {};',
    tests: [BLOCK_IDENTITY],
  },
  {
    fault: 'a data segment may be loaded from any privilege level',
    file: 'src/cpu/segment-load.ts',
    original: 'Math.max(selector & 3, state.cpl) > descriptor.dpl) {\n    throw fail(',
    planted: '(selector & 3) > descriptor.dpl) {\n    throw fail(',
    tests: [unit('cpu/segment-load')],
  },
  {
    fault: 'data segments of the inner level stay usable after a return',
    file: 'src/cpu/far-return.ts',
    original: 'if (((access >>> 13) & 3) < state.cpl) loadNullSegment(cache, 0);',
    planted: '',
    tests: [unit('cpu/far-transfer'), unit('cpu/interrupt-return')],
  },
  // Interrupts, tasks, I/O

  {
    fault: 'a fault in the IDT has an error code without the IDT bit',
    file: 'src/cpu/interrupt-delivery.ts',
    original: 'const idtError = (vector << 3) | 2;',
    planted: 'const idtError = vector << 3;',
    tests: [unit('cpu/interrupt-delivery')],
  },
  {
    fault: 'INT n may use any gate',
    file: 'src/cpu/interrupt-delivery.ts',
    original: "if (kind === 'software' && gate.dpl < state.cpl) {",
    planted: "if (kind === 'software' && gate.dpl < 0) {",
    tests: [unit('cpu/interrupt-delivery')],
  },
  {
    fault: 'a segment not present during delivery makes no double fault',
    file: 'src/cpu/interrupt-delivery.ts',
    original: '[VECTOR.DE, VECTOR.TS, VECTOR.NP, VECTOR.SS, VECTOR.GP]',
    planted: '[VECTOR.DE, VECTOR.TS, VECTOR.SS, VECTOR.GP]',
    tests: [unit('cpu/interrupt-delivery'), system('double-fault')],
  },
  {
    fault: 'CALL pushes before its target is checked',
    file: 'src/isa/instructions/control-transfer.ts',
    original: 'const to = b.checkTarget(target, { push: { stack, width: b.operandSize } });',
    planted: 'const to = b.zeroExtend(target, b.pointerSize);',
    tests: [system('segmentation')],
  },
  {
    fault: 'IRETD at CPL 3 enters virtual-8086 mode',
    file: 'src/cpu/interrupt-return.ts',
    original: 'flags & EFLAGS.VM && state.cpl === 0',
    planted: 'flags & EFLAGS.VM',
    tests: [system('virtual-8086')],
  },
  {
    fault: 'an x87 instruction does not wait for IRQ 13',
    file: 'src/cpu/x87/control-helpers.ts',
    original: 'if (!pending || ignored) return;',
    planted: 'return;',
    tests: [unit('machine/x87-error')],
  },
  {
    fault: 'an instruction that faults has met its data breakpoints',
    file: 'src/engine/processor.ts',
    original: 'state.pendingDebug = pendingDebug;',
    planted: '',
    tests: [system('debug')],
  },
  {
    fault: 'code in memory-mapped space is read further than it goes',
    file: 'src/engine/fetch-bytewise.ts',
    original: "if (!isFailure(decoded) || decoded.failure !== 'incomplete') return read;",
    planted: '',
    tests: [system('memory-mapped-code')],
  },
  {
    fault: 'STI has no interrupt shadow',
    file: 'src/engine/processor.ts',
    original:
      "if (this.#nextEvent <= EVENT.INTERRUPT && this.interruptRequested && this.interruptsEnabled && shadow === 'none') {",
    planted: 'if (this.#nextEvent <= EVENT.INTERRUPT && this.interruptRequested && this.interruptsEnabled) {',
    tests: [system('interrupt-shadow')],
  },
  {
    fault: 'a nested task switch does not write the link',
    file: 'src/cpu/task-switch.ts',
    original: "if (nested) mmu.write(descriptor.base, old.selector, 2, 'supervisor');",
    planted: '',
    tests: [unit('cpu/task-switch')],
  },
  {
    fault: 'a port at the very end of the I/O permission bit map is let through',
    file: 'src/cpu/port-permission.ts',
    original: 'if (offset + 1 > tss.limit)',
    planted: 'if (offset > tss.limit)',
    tests: [unit('cpu/port-permission')],
  },
  {
    fault: 'CPL 3 may change IF with POPF',
    file: 'src/cpu/flag-helpers.ts',
    original: 'if (state.cpl <= ioPrivilegeLevel(state)) mask |= EFLAGS.IF;',
    planted: 'mask |= EFLAGS.IF;',
    tests: [unit('cpu/flag-helpers')],
  },

  // x87

  {
    fault: 'rounding to nearest does not go to even',
    file: 'src/cpu/x87/round.ts',
    original: '(sticky || (kept & 1n) === 1n)',
    planted: '(sticky || (kept & 1n) === 0n)',
    tests: [unit('cpu/x87/hardware')],
  },
  {
    fault: 'tininess is detected one exponent too late',
    file: 'src/cpu/x87/round.ts',
    original: "if (top >= minExponent) return { kind: 'normal', unbounded };",
    planted: "if (top >= minExponent - 1) return { kind: 'normal', unbounded };",
    tests: [unit('cpu/x87/hardware')],
  },

  // Memory, clock

  {
    fault: 'writes to decoded code are not reported',
    file: 'src/memory/guest-memory.ts',
    original: 'if (this.#isRam(page)) this.#setAttributes(page, WATCHED);',
    planted: '',
    tests: [unit('memory/guest-memory'), SELF_MODIFYING],
  },
  {
    fault: 'alarms at the same time fire in reverse order',
    file: 'src/base/virtual-clock.ts',
    original: 'this.#alarms[index - 1].at > at) index--;',
    planted: 'this.#alarms[index - 1].at >= at) index--;',
    tests: [unit('base/virtual-clock')],
  },

  // Devices

  {
    fault: 'the interrupt controller prefers the lowest priority',
    file: 'src/devices/pic8259.ts',
    original: 'const level = (this.state.lowest + rank) & 7;',
    planted: 'const level = (this.state.lowest + 9 - rank) & 7;',
    tests: [unit('devices/pic8259')],
  },
  {
    fault: 'automatic end of interrupt leaves the level in service',
    file: 'src/devices/pic8259.ts',
    original: '} else state.isr |= 1 << level;\n    this.#int.set(0);',
    planted: '}\n    state.isr |= 1 << level;\n    this.#int.set(0);',
    tests: [unit('devices/pic8259')],
  },
  {
    fault: 'timer mode 2 has its pulse one clock too late',
    file: 'src/devices/pit8254.ts',
    original: 'age % run.count === run.count - 1 ? 0 : 1',
    planted: 'age % run.count === 0 ? 0 : 1',
    tests: [unit('devices/pit8254')],
  },
  {
    fault: 'a timer count of 0 counts nothing',
    file: 'src/devices/pit8254.ts',
    original: 'count === 0 ? (bcd ? 10_000 : 65_536) : count',
    planted: 'count === 0 ? (bcd ? 10_000 : 65_535) : count',
    tests: [unit('devices/pit8254')],
  },
  {
    fault: 'the FIFO of the serial port holds 15 characters',
    file: 'src/devices/uart16550.ts',
    original: 'const FIFO_SIZE = 16;',
    planted: 'const FIFO_SIZE = 15;',
    tests: [unit('devices/uart16550')],
  },
  {
    fault: 'the serial port interrupts without OUT2',
    file: 'src/devices/uart16550.ts',
    original: 'const gateOpen = this.state.mcr & MCR.OUT2 && !this.#loopback;',
    planted: 'const gateOpen = !this.#loopback;',
    tests: [unit('devices/uart16550')],
  },

  {
    fault: 'the clock chip forgets that 12 hours begin with 12',
    file: 'src/devices/rtc146818.ts',
    original: 'this.#encode(hours % 12 || 12)',
    planted: 'this.#encode(hours % 12)',
    tests: [unit('devices/rtc146818')],
  },
  {
    fault: 'the keyboard controller resets the machine on the wrong pulse',
    file: 'src/devices/i8042.ts',
    original: 'if (!bit(command, OUTPUT_PORT.NOT_RESET)) this.#wiring.reset();',
    planted: 'if (bit(command, OUTPUT_PORT.NOT_RESET)) this.#wiring.reset();',
    tests: [unit('devices/i8042')],
  },

  {
    fault: 'the keyboard controller takes a byte while the chips are reset',
    file: 'src/devices/i8042.ts',
    original: '    Object.assign(this.state, powerOnState());\n',
    planted: '    Object.assign(this.state, powerOnState());\n    this.#poll();\n',
    tests: [unit('devices/reset')],
  },
  {
    fault: 'FCR is programmed without its bit 0',
    file: 'src/devices/uart16550.ts',
    original: 'const programmed = value & FCR.ENABLE ? value & 0xcf : 0;',
    planted: 'const programmed = value & 0xcf;',
    tests: [unit('devices/uart16550')],
  },
  {
    fault: 'a reset takes what the guest has written for the boot image',
    file: 'src/machine/image-loader.ts',
    original: 'if (!this.#loaded || memory.isDirty(page))',
    planted: 'if (!this.#loaded)',
    tests: [unit('machine/reset')],
  },
  {
    fault: 'a flood of output does not end the run',
    file: 'src/machine/output-channel.ts',
    original: 'if (this.#length >= OUTPUT_LIMIT) this.#full();',
    planted: 'if (this.#length === 0) this.#full();',
    tests: [unit('machine/output-channel')],
  },
  {
    fault: 'a signed kernel counts as corrupt',
    file: 'src/machine/kernel-checksum.ts',
    original: 'remainder = divide(remainder, new Uint8Array(end - first), tables);',
    planted: 'remainder = divide(remainder, kernel.subarray(first, end), tables);',
    tests: [unit('machine/linux-boot')],
  },

  // Hypervisor, boot

  {
    fault: 'a guest of weight 3 gets a third',
    file: 'src/hypervisor/shares/stride-scheduler.ts',
    original: 'entry.stride = time / entry.weight;',
    planted: 'entry.stride = time * entry.weight;',
    tests: [unit('hypervisor/stride-scheduler')],
  },
  {
    fault: 'shares are instructions, not time',
    file: 'src/hypervisor/host.ts',
    original: 'Math.max(ran, CHARGE.LEAST)',
    planted: 'Math.max(executed, CHARGE.LEAST)',
    tests: [unit('hypervisor/shares')],
  },
  {
    fault: 'a guest that resets without end never waits',
    file: 'src/hypervisor/host.ts',
    original: 'resident.heldUntil = Math.max(resident.heldUntil, now + wait);',
    planted: '',
    tests: [unit('hypervisor/shares')],
  },
  {
    fault: 'a capped guest is never held',
    file: 'src/hypervisor/host.ts',
    original: 'resident.owesUntil = end + owes;',
    planted: '',
    tests: [unit('hypervisor/shares')],
  },
  {
    fault: 'an interactive guest takes what it likes',
    file: 'src/hypervisor/shares/stride-scheduler.ts',
    original: '!entry.urgent || (entry.pass - this.#currentPass) * entry.weight > AHEAD',
    planted: '!entry.urgent',
    tests: [unit('hypervisor/shares')],
  },
  {
    fault: 'a guest that always has a thread is owed still more',
    file: 'src/hypervisor/shares/stride-scheduler.ts',
    original: 'if (best && mayRun) this.#forgive(best[1].pass, mayRun);',
    planted: '',
    tests: [unit('hypervisor/thread-shares')],
  },
  {
    fault: 'guests that share memory run at once',
    file: 'src/hypervisor/threads/guest-threads.ts',
    original: ' && !this.#busy.has(thread)',
    planted: '',
    tests: [unit('hypervisor/thread-shares')],
  },
  {
    fault: 'what comes while a guest runs in its thread does not wake it',
    file: 'src/hypervisor/guest.ts',
    original: ' || this.#wakeUps !== wakeUps',
    planted: '',
    tests: [unit('hypervisor/guest')],
  },
  {
    fault: 'what a clone writes is seen by the original',
    file: 'src/memory/page-map.ts',
    original: 'GUARDED: 2 | 16 | 64,',
    planted: 'GUARDED: 2 | 64,',
    tests: [unit('machine/clone')],
  },
  {
    fault: 'the original goes on to write what its clone reads',
    file: 'src/memory/guest-memory.ts',
    original: 'views.u32[from] = entry | SHARED;',
    planted: '',
    tests: [unit('machine/clone'), unit('memory/guest-memory')],
  },
  {
    fault: 'an original that is cloned keeps translations by which it writes',
    file: 'src/machine/pc.ts',
    original: "original.processor.mmu.flush('all');",
    planted: '',
    tests: [unit('machine/clone')],
  },
  {
    fault: 'code that a checkpoint takes back is run as it was',
    file: 'src/memory/guest-memory.ts',
    original: 'if (this.#has(page, WATCHED) && !this.#isEqual(this.#ramFrame(page), frame))',
    planted: 'if (false)',
    tests: [unit('machine/clone')],
  },
  {
    fault: 'a frame of two holders is free when one lets go',
    file: 'src/memory/frame-pool.ts',
    original: 'if (others === 1) this.#others.delete(frame);',
    planted: 'if (others === 1) this.#free.push(frame);',
    tests: [unit('machine/clone'), unit('memory/guest-memory')],
  },
  {
    fault: 'a slice is never cut short',
    file: 'src/engine/processor.ts',
    original: 'return overdue?.() === true;',
    planted: 'return overdue?.() === undefined && overdue !== undefined;',
    tests: ['test/conformance/engines/overdue.test.ts'],
  },
  {
    fault: 'a task that switches to itself finds what its TSS held before',
    file: 'src/cpu/task-switch.ts',
    original: '  saveTask(cpu, oldLayout, to);\n',
    planted: '  if (descriptor.base !== old.base) saveTask(cpu, oldLayout, to);\n',
    tests: [unit('cpu/task-switch')],
  },
  {
    fault: 'a guest that slept catches up on what it missed',
    file: 'src/hypervisor/shares/stride-scheduler.ts',
    original: 'entry.pass = Math.max(entry.pass, this.#currentPass);',
    planted: 'entry.pass = Math.min(entry.pass, this.#currentPass);',
    tests: [unit('hypervisor/stride-scheduler')],
  },
  {
    fault: 'files in a cpio archive are not padded',
    file: 'src/machine/cpio.ts',
    original: 'new Uint8Array(dataAt + align4(data.length))',
    planted: 'new Uint8Array(dataAt + data.length)',
    tests: [unit('machine/cpio')],
  },
  {
    fault: 'an initrd may end beyond what the kernel can reach',
    file: 'src/machine/linux-boot.ts',
    original: 'Math.min(header.initrdMaximum + 1, memoryBytes)',
    planted: 'memoryBytes',
    tests: [unit('machine/linux-boot')],
  },
  ...BLOCK_INDEX_MUTATIONS,
  ...GROUND_MUTATIONS,
  ...JIT_MUTATIONS,
  ...JIT_LOWERING_MUTATIONS,
  ...JUMP_MUTATIONS,
  ...LOCKSTEP_MUTATIONS,
  ...SYSTEM_PATH_MUTATIONS,
  ...HANDLER_MUTATIONS,
  ...WALK_MUTATIONS,
  ...X87_MUTATIONS,

  ...BENCH_MUTATIONS,

  ...PCI_MUTATIONS,
  ...SHARING_MUTATIONS,
  ...ELSEWHERE_MUTATIONS,
  ...VIRTIO_MUTATIONS,
  ...TIME_MUTATIONS,
];
