/**
 * Emitted code for software interrupts through 32-bit gates of the IDT, and for returns from handlers, as the system calls
 * of a modern kernel are: between flat 32-bit code of level 3 and level 0, or at level 0, by descriptors of the GDT that
 * say just that. `cpu/interrupt-delivery` and `cpu/interrupt-return` say what is right, and do all that is declined here.
 */
import { ACCESS, SYSTEM_TYPE } from '../../../cpu/descriptor.ts';
import { FLAT_CODE, FLAT_DATA, FLAT_DPL3 } from '../../../cpu/fast-system-call.ts';
import { EFLAGS } from '../../../cpu/flags.ts';
import { NULL_SEGMENT, SEGMENT_FIELDS, STATE, TR } from '../../../cpu/state-layout.ts';
import { SEGMENT } from '../../../isa/semantics.ts';
import { I32 } from '../../../wasm/code-writer.ts';
import { type Int32, i32, type Local, select } from '../../../wasm/expression.ts';
import { load32 } from '../../../wasm/function-writer.ts';
import { DECLINED, DONE, declineIf, field, type StatusWriter } from '../emitted-function.ts';
import { declineUnlessFlat, reach, type Through } from './descriptor-read.ts';
import { readEflags, writeEflags } from './eflags-image.ts';
import {
  declineUnlessPlain,
  enterLevel,
  goTo,
  loadFlat,
  segmentCache,
  stackPointer,
  tlbTable,
} from './level-change.ts';
import type { WriteSystem } from './write-system.ts';

type I32Local = Local<typeof I32>;
type Context = Parameters<WriteSystem>[0];

/** Offsets of what a handler finds on its stack, from the return address on. */
const FRAME = { IP: 0, CS: 4, FLAGS: 8, POINTER: 12, SS: 16 } as const;
const SAME_LEVEL_BYTES = 12;
const INNER_BYTES = 20;

/** A TSS of 32 bits: where the stack of level 0 is, pointer and selector. */
const TASK = { WIDE: 1 << 11, STACK: 4, STACK_BYTES: 6 } as const;
/** Of a gate's second doubleword: P, S and the type but for its lowest bit, which tells a trap gate. */
const GATE_KIND = ACCESS.PRESENT | ACCESS.SEGMENT | (14 << 8);
const INTERRUPT_GATE = ACCESS.PRESENT | (SYSTEM_TYPE.INTERRUPT_GATE32 << 8);
const TRAP_BIT = (SYSTEM_TYPE.TRAP_GATE32 ^ SYSTEM_TYPE.INTERRUPT_GATE32) << 8;

const supervisor = ({ f, state }: Context, access: 'Read' | 'Write'): Through => ({
  state,
  table: f.local(tlbTable(state, `supervisor${access}`)),
});

/** Declines if an interrupt waits that these flags would let through. */
const declineIfInterrupted = (f: StatusWriter, state: Int32, flags: Int32): void =>
  declineIf(f, select(flags.and(EFLAGS.IF), field(state, 'interruptRequest'), 0));

/** The stack that the task gives for level 0. */
function findInnerStack(f: StatusWriter, reads: Through): { readonly selector: I32Local; readonly pointer: I32Local } {
  const task = segmentCache(reads.state, TR);
  const wide = load32(task, SEGMENT_FIELDS.access).and(TASK.WIDE);
  const tooShort = load32(task, SEGMENT_FIELDS.limit).belowU(TASK.STACK + TASK.STACK_BYTES - 1);
  declineIf(f, wide.isZero().or(tooShort));
  const linear = load32(task, SEGMENT_FIELDS.base).add(TASK.STACK);
  const host = reach(f, reads, { linear, bytes: TASK.STACK_BYTES });
  const pointer = f.local(load32(host, 0));
  // Not as a doubleword: behind it may be the end of memory.
  const selector = f.local(load32(host, 2).shr(16));
  declineIf(f, selector.and(3));
  declineUnlessFlat(f, reads, selector, i32(FLAT_DATA));
  return { selector, pointer };
}

/** Enters the handler of a software interrupt. */
const softwareInterrupt: WriteSystem = (context, vector: Int32) => {
  const { f, state } = context;
  declineUnlessPlain(f, state);
  const level = f.local(field(state, 'cpl'));
  declineIf(f, level.ne(3).and(level.isNotZero()));
  const reads = supervisor(context, 'Read');

  const at = f.local(vector.shl(3));
  declineIf(f, at.add(7).aboveU(field(state, 'idtrLimit')));
  const gate = reach(f, reads, { linear: field(state, 'idtrBase').add(at), bytes: 8 });
  const low = f.local(load32(gate, 0));
  const high = f.local(load32(gate, 4));
  declineIf(f, high.and(GATE_KIND).ne(INTERRUPT_GATE).or(high.shr(13).and(3).belowU(level)));
  const selector = f.local(low.shr(16));
  declineUnlessFlat(f, reads, selector, i32(FLAT_CODE));

  const flags = f.local(field(state, 'flagsOther'));
  const masked = select(high.and(TRAP_BIT), i32(EFLAGS.NT), EFLAGS.NT | EFLAGS.IF);
  const flagsThen = f.local(flags.and(masked.xor(-1)));
  declineIfInterrupted(f, state, flagsThen);

  const writes = supervisor(context, 'Write');
  const bottom = f.variable(I32);
  const frame = f.variable(I32);
  const makeFrame = (pointer: Int32, bytes: number) => {
    f.set(bottom, pointer.sub(bytes));
    f.set(frame, reach(f, writes, { linear: bottom, bytes }));
  };
  const put = (offset: number, value: Int32) => f.store('i32.store', frame, offset, value);
  f.if(
    level,
    () => {
      const stack = findInnerStack(f, reads);
      makeFrame(stack.pointer, INNER_BYTES);
      // From here on it is done.
      put(FRAME.POINTER, stackPointer(state));
      put(FRAME.SS, load32(segmentCache(state, SEGMENT.SS), SEGMENT_FIELDS.selector));
      loadFlat(f, state, SEGMENT.SS, { selector: stack.selector, access: i32(FLAT_DATA) });
      enterLevel(f, state, 'supervisor');
    },
    () => makeFrame(stackPointer(state), SAME_LEVEL_BYTES),
  );
  put(FRAME.IP, field(state, 'nextIp'));
  put(FRAME.CS, load32(segmentCache(state, SEGMENT.CS), SEGMENT_FIELDS.selector));
  put(FRAME.FLAGS, readEflags(f, state));
  loadFlat(f, state, SEGMENT.CS, { selector: selector.and(0xfffc), access: i32(FLAT_CODE) });
  f.store('i32.store', state, STATE.fields.flagsOther, flagsThen);
  goTo(f, state, low.and(0xffff).or(high.and(0xffff_0000 | 0)), bottom);
  f.return(DONE);
};

/** Flags in an image with which more follows than a changed bit. */
const CONSEQUENTIAL = EFLAGS.TF | EFLAGS.NT | EFLAGS.RF | EFLAGS.VM | EFLAGS.AC;
/** Those that level 0 restores besides, but for the status flags. */
const RESTORED = EFLAGS.IF | EFLAGS.DF | EFLAGS.IOPL | EFLAGS.VIF | EFLAGS.VIP | EFLAGS.ID;

/** Data segments that level 3 may not keep would become null. */
function declineUnlessKept(f: StatusWriter, state: Int32): void {
  for (const segment of [SEGMENT.ES, SEGMENT.FS, SEGMENT.GS, SEGMENT.DS]) {
    const access = f.local(load32(segmentCache(state, segment), SEGMENT_FIELDS.access));
    declineIf(f, access.and(NULL_SEGMENT).isZero().and(access.and(FLAT_DPL3).ne(FLAT_DPL3)));
  }
}

const interruptReturn: WriteSystem = (context, operandSize: Int32) => {
  const { f, state } = context;
  if (operandSize.constant !== 32) return f.return(DECLINED);
  declineUnlessPlain(f, state);
  const nested = field(state, 'flagsOther').and(EFLAGS.NT);
  declineIf(f, field(state, 'cpl').or(nested).or(field(state, 'nmiBlocked')));
  const reads = supervisor(context, 'Read');

  const pointer = f.local(stackPointer(state));
  const frame = reach(f, reads, { linear: pointer, bytes: SAME_LEVEL_BYTES });
  const target = f.local(load32(frame, FRAME.IP));
  const selector = f.local(load32(frame, FRAME.CS).and(0xffff));
  const image = f.local(load32(frame, FRAME.FLAGS));
  declineIf(f, image.and(CONSEQUENTIAL));
  declineIfInterrupted(f, state, image);
  const level = f.local(selector.and(3));
  declineIf(f, level.ne(3).and(level.isNotZero()));
  const access = f.local(select(level, i32(FLAT_CODE | FLAT_DPL3), FLAT_CODE));
  declineUnlessFlat(f, reads, selector, access);

  const outerPointer = f.variable(I32);
  f.if(
    level,
    () => {
      reach(f, reads, { linear: pointer, bytes: INNER_BYTES });
      const stack = f.local(load32(frame, FRAME.SS).and(0xffff));
      declineIf(f, stack.and(3).ne(3));
      declineUnlessFlat(f, reads, stack, i32(FLAT_DATA | FLAT_DPL3));
      declineUnlessKept(f, state);
      // From here on it is done.
      f.set(outerPointer, load32(frame, FRAME.POINTER));
      loadFlat(f, state, SEGMENT.SS, { selector: stack, access: i32(FLAT_DATA | FLAT_DPL3) });
      enterLevel(f, state, 'user');
    },
    () => f.set(outerPointer, pointer.add(SAME_LEVEL_BYTES)),
  );
  loadFlat(f, state, SEGMENT.CS, { selector, access });
  writeEflags(f, state, { image, others: image.and(RESTORED) });
  goTo(f, state, target, outerPointer);
  f.return(DONE);
};

/** By the helper's name. */
export const INTERRUPT_FUNCTIONS = { softwareInterrupt, interruptReturn } as const;
