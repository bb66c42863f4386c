/**
 * Emitted code for software interrupts and for returns from handlers: to level 0 or 3, by descriptors of the GDT that say
 * that these are flat. `cpu/interrupt-delivery` and `cpu/interrupt-return` say what is right, and do all that is declined
 * here.
 */
import { FLAT_CODE, FLAT_DATA, FLAT_DPL3 } from '../../../cpu/fast-system-call.ts';
import { EFLAGS } from '../../../cpu/flags.ts';
import { NULL_SEGMENT, SEGMENT_FIELDS, STATE } from '../../../cpu/state-layout.ts';
import { SEGMENT } from '../../../isa/semantics.ts';
import { I32 } from '../../../wasm/code-writer.ts';
import { type Int32, i32, select } from '../../../wasm/expression.ts';
import { load32 } from '../../../wasm/function-writer.ts';
import { DECLINED, DONE, declineIf, field, type StatusWriter } from '../emitted-function.ts';
import { declineUnlessFlat, reach } from './descriptor-read.ts';
import { writeEflags } from './eflags-image.ts';
import { FRAME, FRAME_BYTES, writeHandlerEntry } from './handler-entry.ts';
import {
  declineIfInterrupted,
  declineUnlessPlain,
  enterLevel,
  goTo,
  loadFlat,
  segmentCache,
  stackPointer,
  supervisorTable,
} from './level-change.ts';
import type { WriteSystem } from './write-system.ts';

const softwareInterrupt: WriteSystem = (context, vector: Int32) =>
  writeHandlerEntry(context, {
    vector,
    returnIp: field(context.state, 'nextIp'),
    checksGate: true,
    setFlags: i32(0),
    errorCode: undefined,
  });

/** Flags in an image with which more follows than a changed bit. */
const CONSEQUENTIAL = EFLAGS.TF | EFLAGS.NT | EFLAGS.VM | EFLAGS.AC;
/** Those that level 0 restores besides, but for the status flags and RF. */
const RESTORED = EFLAGS.IF | EFLAGS.DF | EFLAGS.IOPL | EFLAGS.VIF | EFLAGS.VIP | EFLAGS.ID;

/** Data segments that level 3 may not keep would become null. */
function declineUnlessKept(f: StatusWriter, state: Int32): void {
  for (const segment of [SEGMENT.ES, SEGMENT.FS, SEGMENT.GS, SEGMENT.DS]) {
    const access = f.local(load32(segmentCache(state, segment), SEGMENT_FIELDS.access));
    declineIf(f, access.and(NULL_SEGMENT).isZero().and(access.and(FLAT_DPL3).ne(FLAT_DPL3)));
  }
}

const interruptReturn: WriteSystem = ({ f, state }, operandSize: Int32) => {
  if (operandSize.constant !== 32) return f.return(DECLINED);
  declineUnlessPlain(f, state);
  const nested = field(state, 'flagsOther').and(EFLAGS.NT);
  declineIf(f, field(state, 'cpl').or(nested).or(field(state, 'nmiBlocked')));
  const reads = supervisorTable(f, state, 'Read');

  const pointer = f.local(stackPointer(state));
  const frame = reach(f, reads, { linear: pointer, bytes: FRAME_BYTES.SAME_LEVEL });
  const target = f.local(load32(frame, FRAME.IP));
  const selector = f.local(load32(frame, FRAME.CS).and(0xffff));
  const image = f.local(load32(frame, FRAME.FLAGS));
  declineIf(f, image.and(CONSEQUENTIAL));
  declineIfInterrupted(f, state, image);
  const level = f.local(selector.and(3));
  declineIf(f, level.ne(3).and(level.isNotZero()));
  const access = f.local(select(level, i32(FLAT_CODE | FLAT_DPL3), FLAT_CODE));
  declineUnlessFlat(f, reads, selector, access);

  const pointerThen = f.variable(I32);
  f.if(
    level,
    () => {
      reach(f, reads, { linear: pointer, bytes: FRAME_BYTES.OTHER_LEVEL });
      const stack = f.local(load32(frame, FRAME.SS).and(0xffff));
      declineIf(f, stack.and(3).ne(3));
      declineUnlessFlat(f, reads, stack, i32(FLAT_DATA | FLAT_DPL3));
      declineUnlessKept(f, state);
      // From here on it is done.
      f.set(pointerThen, load32(frame, FRAME.POINTER));
      loadFlat(f, state, SEGMENT.SS, { selector: stack, access: i32(FLAT_DATA | FLAT_DPL3) });
      enterLevel(f, state, 'user');
    },
    () => f.set(pointerThen, pointer.add(FRAME_BYTES.SAME_LEVEL)),
  );
  loadFlat(f, state, SEGMENT.CS, { selector, access });
  writeEflags(f, state, { image, others: image.and(RESTORED) });
  // RF is gone after one instruction, which nothing watches: it is there only if the run ends before that.
  f.if(image.and(EFLAGS.RF), () => f.store('i32.store', state, STATE.fields.resumePoint, field(state, 'budget')));
  goTo(f, state, target, pointerThen);
  f.return(DONE);
};

/** By the helper's name. */
export const INTERRUPT_FUNCTIONS = { softwareInterrupt, interruptReturn } as const;
