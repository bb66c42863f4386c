/**
 * Emitted code that enters the handler of an interrupt or exception through a 32-bit gate of the IDT, as a modern kernel
 * has them: from flat 32-bit code of level 3 or 0 to level 0, by descriptors of the GDT that say just that.
 * `cpu/interrupt-delivery` says what is right, and does all that is declined here.
 */
import { ACCESS, SYSTEM_TYPE } from '../../../cpu/descriptor.ts';
import { FLAT_CODE, FLAT_DATA } from '../../../cpu/fast-system-call.ts';
import { EFLAGS } from '../../../cpu/flags.ts';
import { SEGMENT_FIELDS, STATE, TR } from '../../../cpu/state-layout.ts';
import { SEGMENT } from '../../../isa/semantics.ts';
import { I32 } from '../../../wasm/code-writer.ts';
import { type Int32, i32, type Local, select } from '../../../wasm/expression.ts';
import { load32 } from '../../../wasm/function-writer.ts';
import { DONE, declineIf, field, type StatusWriter } from '../emitted-function.ts';
import { declineUnlessFlat, reach, type Through } from './descriptor-read.ts';
import { readEflags } from './eflags-image.ts';
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

type I32Local = Local<typeof I32>;

/** Offsets of what a handler finds on its stack, from the return address on. */
export const FRAME = { IP: 0, CS: 4, FLAGS: 8, POINTER: 12, SS: 16 } as const;
/** Its size, without an error code: at the same level, and with the stack of another one. */
export const FRAME_BYTES = { SAME_LEVEL: 12, OTHER_LEVEL: 20 } as const;

/** A TSS of 32 bits: where the stack of level 0 is, pointer and selector. */
const TASK = { WIDE: 1 << 11, STACK: 4, STACK_BYTES: 6 } as const;
/** Of a gate's second doubleword: P, S and the type but for its lowest bit, which tells a trap gate. */
const GATE_KIND = ACCESS.PRESENT | ACCESS.SEGMENT | (SYSTEM_TYPE.INTERRUPT_GATE32 << 8);
const INTERRUPT_GATE = ACCESS.PRESENT | (SYSTEM_TYPE.INTERRUPT_GATE32 << 8);
const TRAP_BIT = (SYSTEM_TYPE.TRAP_GATE32 ^ SYSTEM_TYPE.INTERRUPT_GATE32) << 8;

/** The stack that the task gives for level 0. */
function findInnerStack(f: StatusWriter, reads: Through): { readonly selector: I32Local; readonly pointer: I32Local } {
  const task = segmentCache(reads.state, TR);
  const wide = load32(task, SEGMENT_FIELDS.access).and(TASK.WIDE);
  const tooShort = load32(task, SEGMENT_FIELDS.limit).belowU(TASK.STACK + TASK.STACK_BYTES - 1);
  declineIf(f, wide.isZero().or(tooShort));
  const linear = load32(task, SEGMENT_FIELDS.base).add(TASK.STACK);
  const host = reach(f, reads, { linear, bytes: TASK.STACK_BYTES });
  const pointer = f.local(load32(host, 0));
  // Its six bytes, and no more, are known to be in one page.
  const selector = f.local(load32(host, 2).shr(16));
  declineIf(f, selector.and(3));
  declineUnlessFlat(f, reads, selector, i32(FLAT_DATA));
  return { selector, pointer };
}

export interface HandlerEntry {
  readonly vector: Int32;
  /** Where the handler returns to. */
  readonly returnIp: Int32;
  /** The gate's DPL must not be less than CPL. */
  readonly checksGate: boolean;
  /** Bits of EFLAGS that are set in what is pushed. */
  readonly setFlags: Int32;
  readonly errorCode: Int32 | undefined;
}

/** Leaves `state.nextIp` at the handler, or declines. */
export function writeHandlerEntry({ f, state }: Parameters<WriteSystem>[0], entry: HandlerEntry): void {
  declineUnlessPlain(f, state);
  const level = f.local(field(state, 'cpl'));
  declineIf(f, level.ne(3).and(level.isNotZero()));
  const reads = supervisorTable(f, state, 'Read');

  const at = f.local(entry.vector.shl(3));
  declineIf(f, at.add(7).aboveU(field(state, 'idtrLimit')));
  const gate = reach(f, reads, { linear: field(state, 'idtrBase').add(at), bytes: 8 });
  const low = f.local(load32(gate, 0));
  const high = f.local(load32(gate, 4));
  declineIf(f, high.and(GATE_KIND).ne(INTERRUPT_GATE));
  if (entry.checksGate) declineIf(f, high.shr(13).and(3).belowU(level));
  const selector = f.local(low.shr(16));
  declineUnlessFlat(f, reads, selector, i32(FLAT_CODE));

  const cleared = select(high.and(TRAP_BIT), i32(EFLAGS.NT), EFLAGS.NT | EFLAGS.IF);
  const flagsThen = f.local(field(state, 'flagsOther').and(cleared.xor(-1)));
  declineIfInterrupted(f, state, flagsThen);

  const writes = supervisorTable(f, state, 'Write');
  const bottom = f.variable(I32);
  const frame = f.variable(I32);
  const above = entry.errorCode ? 4 : 0;
  const makeFrame = (pointer: Int32, frameBytes: number) => {
    const bytes = frameBytes + above;
    f.set(bottom, pointer.sub(bytes));
    f.set(frame, reach(f, writes, { linear: bottom, bytes }));
  };
  const put = (offset: number, value: Int32) => f.store('i32.store', frame, above + offset, value);
  f.if(
    level,
    () => {
      const stack = findInnerStack(f, reads);
      makeFrame(stack.pointer, FRAME_BYTES.OTHER_LEVEL);
      // From here on it is done.
      put(FRAME.POINTER, stackPointer(state));
      put(FRAME.SS, load32(segmentCache(state, SEGMENT.SS), SEGMENT_FIELDS.selector));
      loadFlat(f, state, SEGMENT.SS, { selector: stack.selector, access: i32(FLAT_DATA) });
      enterLevel(f, state, 'supervisor');
    },
    () => makeFrame(stackPointer(state), FRAME_BYTES.SAME_LEVEL),
  );
  if (entry.errorCode) f.store('i32.store', frame, 0, entry.errorCode);
  put(FRAME.IP, entry.returnIp);
  put(FRAME.CS, load32(segmentCache(state, SEGMENT.CS), SEGMENT_FIELDS.selector));
  put(FRAME.FLAGS, readEflags(f, state).or(entry.setFlags));
  loadFlat(f, state, SEGMENT.CS, { selector: selector.and(0xfffc), access: i32(FLAT_CODE) });
  f.store('i32.store', state, STATE.fields.flagsOther, flagsThen);
  goTo(f, state, low.and(0xffff).or(high.and(0xffff_0000 | 0)), bottom);
  f.return(DONE);
}
