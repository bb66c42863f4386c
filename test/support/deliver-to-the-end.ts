/** Deliveries with all that follows from them at the same boundary, as the dispatcher does it attempt by attempt. */
import type { Cpu } from '../../src/cpu/cpu.ts';
import type { GuestFault } from '../../src/cpu/fault.ts';
import {
  type Delivery,
  deliverInterrupt,
  type InterruptEvent,
  raiseException,
} from '../../src/cpu/interrupt-delivery.ts';

/** No chain of a test is longer, unless it is endless. */
const LONGEST_CHAIN = 10;

export const raiseToTheEnd = (cpu: Cpu, fault: GuestFault) => toTheEnd(cpu, fault);

export const interruptToTheEnd = (cpu: Cpu, event: InterruptEvent) => toTheEnd(cpu, deliverInterrupt(cpu, event));

function toTheEnd(cpu: Cpu, start: Delivery): 'delivered' | 'shutdown' {
  let result = start;
  for (let length = 0; typeof result === 'object'; length++) {
    if (length === LONGEST_CHAIN) throw new Error('the deliveries do not end');
    result = raiseException(cpu, result);
  }
  return result;
}
