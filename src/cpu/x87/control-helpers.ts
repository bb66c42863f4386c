/** Availability and exception checks, initialisation, control word. SDM Vol. 1, "x87 FPU Exception Handling in Software". */
import type { Cpu } from '../cpu.ts';
import { GuestFault, raise, VECTOR } from '../fault.ts';
import { CR0 } from '../register-bits.ts';
import { EXCEPTIONS, STATUS } from './control.ts';
import { operation } from './operation.ts';
import { initialize, setC1, setTop, topOfStack, writeControl, writeStatus } from './x87-state.ts';

/**
 * #MF if an exception is pending. With CR0.NE = 0 the CPU asserts FERR# instead (PCs turn it into IRQ 13) and waits for
 * an interrupt, unless the machine asserts IGNNE#. SDM Vol. 1, "MS-DOS* Compatibility Sub-mode".
 */
function checkPending(cpu: Cpu): void {
  const { state } = cpu;
  const pending = (state.fsw & STATUS.ES) !== 0;
  const on = () => ({ fsw: state.fsw, fcw: state.fcw, fip: state.fip, fop: state.fop });
  if ((state.cr0 & CR0.NE) === 0) {
    state.ferr = pending ? 1 : 0;
    const ignored = cpu.x87Error?.(pending ? 1 : 0) ?? true;
    if (!pending || ignored) return;
    const check = 'an unmasked x87 exception is pending, and is reported by FERR#';
    throw new GuestFault({ vector: VECTOR.MF, kind: 'wait', cause: { check, on: on() } });
  }
  if (!pending) return;
  throw raise.MF({
    check: 'an unmasked x87 exception is pending',
    manual: 'SDM Vol. 3A, "Interrupt 16—x87 FPU Floating-Point Error"',
    on: on(),
  });
}

function check(cpu: Cpu, waits: number): void {
  const { cr0 } = cpu.state;
  if (cr0 & (CR0.EM | CR0.TS)) {
    throw raise.NM({
      check: cr0 & CR0.EM ? 'x87 instruction with CR0.EM = 1' : 'x87 instruction with CR0.TS = 1',
      manual: 'SDM Vol. 3A, "Interrupt 7—Device Not Available Exception"',
      on: { cr0 },
    });
  }
  if (waits) checkPending(cpu);
}

function wait(cpu: Cpu): void {
  const { cr0 } = cpu.state;
  if (cr0 & CR0.MP && cr0 & CR0.TS) {
    throw raise.NM({
      check: 'WAIT with CR0.MP = 1 and CR0.TS = 1',
      manual: 'SDM Vol. 3A, "Interrupt 7—Device Not Available Exception"',
      on: { cr0 },
    });
  }
  checkPending(cpu);
}

export const CONTROL_HELPERS = {
  x87Check: check,
  x87Wait: wait,
  x87Rotate: operation((state, distance: number) => {
    setC1(state, false);
    setTop(state, topOfStack(state) + distance);
  }),
  x87Nop: operation(() => {}),
  x87Initialize: ({ state }: Cpu): void => initialize(state),
  x87ClearExceptions: ({ state }: Cpu): void => {
    writeStatus(state, state.fsw & ~(EXCEPTIONS | STATUS.SF));
  },
  x87LoadControl: ({ state }: Cpu, control: number): void => writeControl(state, control),
};
