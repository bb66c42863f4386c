/** Faults in how emitted code enters handlers of interrupts and exceptions, and leaves them. */
import type { Mutation } from './mutations.ts';

const FOLDER = 'src/engine/lowering/system';
const SCENES = ['test/unit/engine/lowering/interrupt-functions.test.ts'];

export const HANDLER_MUTATIONS: readonly Mutation[] = [
  {
    fault: 'INT n takes a gate that the program may not use',
    file: `${FOLDER}/handler-entry.ts`,
    original: 'if (entry.checksGate) declineIf(f, high.shr(13).and(3).belowU(level));',
    planted: '',
    tests: SCENES,
  },
  {
    fault: 'an interrupt gate leaves IF set',
    file: `${FOLDER}/handler-entry.ts`,
    original: 'EFLAGS.NT | EFLAGS.IF);',
    planted: 'EFLAGS.NT);',
    tests: SCENES,
  },
  {
    fault: 'a handler of level 0 gets a stack that its selector does not ask for at that level',
    file: `${FOLDER}/handler-entry.ts`,
    original: 'declineIf(f, selector.and(3));',
    planted: '',
    tests: SCENES,
  },
  {
    fault: 'a task too short to have a stack for level 0 gives one',
    file: `${FOLDER}/handler-entry.ts`,
    original: 'declineIf(f, wide.isZero().or(tooShort));',
    planted: 'declineIf(f, wide.isZero());',
    tests: SCENES,
  },
  {
    fault: 'a handler finds the stack pointer that it has itself',
    file: `${FOLDER}/handler-entry.ts`,
    original: 'put(FRAME.POINTER, stackPointer(state));',
    planted: 'put(FRAME.POINTER, bottom);',
    tests: SCENES,
  },
  {
    fault: 'a fault pushes RF as it was',
    file: `${FOLDER}/handler-entry.ts`,
    original: 'readEflags(f, state).or(entry.setFlags)',
    planted: 'readEflags(f, state)',
    tests: SCENES,
  },
  {
    fault: 'the frame of a handler with an error code may begin in another page',
    file: `${FOLDER}/handler-entry.ts`,
    original: 'f.set(frame, reach(f, writes, { linear: bottom, bytes }));',
    planted: 'f.set(frame, reach(f, writes, { linear: bottom, bytes: 4 }));',
    tests: SCENES,
  },
  {
    fault: 'a return to level 3 may go on at the end of a page',
    file: `${FOLDER}/interrupt-functions.ts`,
    original: 'reach(f, reads, { linear: pointer, bytes: FRAME_BYTES.OTHER_LEVEL });',
    planted: '',
    tests: SCENES,
  },
  {
    fault: 'level 3 keeps the data segments of level 0',
    file: `${FOLDER}/interrupt-functions.ts`,
    original: 'declineUnlessKept(f, state);',
    planted: '',
    tests: SCENES,
  },
  {
    fault: 'IRET leaves NMIs blocked',
    file: `${FOLDER}/interrupt-functions.ts`,
    original: ".or(field(state, 'nmiBlocked'))",
    planted: '',
    tests: SCENES,
  },
  {
    fault: 'IRET sets TF on the short way',
    file: `${FOLDER}/interrupt-functions.ts`,
    original: 'const CONSEQUENTIAL = EFLAGS.TF | ',
    planted: 'const CONSEQUENTIAL = ',
    tests: SCENES,
  },
  {
    fault: 'IRET does not see that an interrupt waits',
    file: `${FOLDER}/interrupt-functions.ts`,
    original: 'declineIfInterrupted(f, state, image);',
    planted: '',
    tests: SCENES,
  },
  {
    fault: 'RF is lost where a run ends behind IRET',
    file: 'src/engine/processor.ts',
    original: 'if (resumes) state.flagsOther = (state.flagsOther | EFLAGS.RF) >>> 0;',
    planted: '',
    tests: SCENES,
  },
  {
    fault: 'a null selector is looked up in the GDT',
    file: `${FOLDER}/descriptor-read.ts`,
    original: 'declineIf(f, selector.and(0xfffc).isZero());',
    planted: '',
    tests: SCENES,
  },
  {
    fault: 'the parity flag is the opposite of what it is',
    file: `${FOLDER}/eflags-image.ts`,
    original: '.xor(bit(carries, place(FLAG_CARRIES.PF_DELTA))).xor(1)',
    planted: '.xor(bit(carries, place(FLAG_CARRIES.PF_DELTA)))',
    tests: SCENES,
  },
  {
    fault: 'ZF and PF, popped together, are confused',
    file: `${FOLDER}/eflags-image.ts`,
    original: "bit('PF').xor(zero)",
    planted: "bit('PF')",
    tests: SCENES,
  },
];
