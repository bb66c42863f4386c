/** A run that is overdue comes back soon, whatever the guest is busy with, and the guest can't tell. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../../../src/isa/assemble.ts';
import { SYSTEM_ENGINES } from '../../support/system-machine.ts';
import { type BareMachine, createBareMachine } from './bare-machine.ts';

const CODE = 0x7c00;
const BUDGET = 100_000;
/** Bytes; above them there is nothing. */
const MEMORY = 2 ** 19;

/** What is dear to the host, in 16-bit code. */
const STORMS = {
  'ports are read': 'again: in al, dx\njmp again',
  'exceptions that fault at once': 'ud2',
  'interrupts by software': 'again: int 0x40\njmp again',
  'memory is read where there is none': 'mov ax, 0xf000\nmov ds, ax\nagain: mov ax, [bx]\njmp again',
  'G3: code writes over itself': 'again: inc byte [cs:target + 2]\ntarget: mov ax, 0x1234\njmp again',
  'far jumps are made': 'again: jmp 0:0x7c00',
  'x87 arithmetic': 'fldpi\nagain: fmul st0, st0\njmp again',
} as const;

describe.each(SYSTEM_ENGINES)('%s', (engine) => {
  function storm(source: string): BareMachine {
    const machine = createBareMachine(engine, { memory: MEMORY });
    machine.write(CODE, assemble(`bits 16\n${source}`, { origin: CODE }).bytes);
    machine.write(4 * 0x40, [0, 5, 0, 0]);
    machine.write(0x500, [0xcf]);
    machine.write(4 * 6, [CODE & 0xff, CODE >>> 8, 0, 0]);
    machine.enterReal(CODE);
    return machine;
  }

  it.each(Object.entries(STORMS))('is asked while %s', (_, source) => {
    const machine = storm(source);
    let asked = 0;
    const { executed, reason } = machine.processor.run(BUDGET, { overdue: () => ++asked === 3 });
    expect({ asked, reason }).toEqual({ asked: 3, reason: 'budget' });
    expect(executed).toBeLessThan(BUDGET / 4);
    machine.dispose();
  });

  it.each(Object.entries(STORMS))('can be cut short unseen while %s', (_, source) => {
    const [whole, cut] = [storm(source), storm(source)];
    const count = 5000;
    whole.processor.run(count);
    while (cut.processor.retired < count) cut.processor.run(count - cut.processor.retired, { overdue: () => true });
    expect(cut.processor.stateHash()).toBe(whole.processor.stateHash());
    for (const machine of [whole, cut]) machine.dispose();
  });
});
