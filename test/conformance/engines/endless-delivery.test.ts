/**
 * Chains of exceptions that never reach a handler. A processor makes no progress in them either: benign exceptions are
 * handled serially (SDM Vol. 3A, "Conditions for Generating a Double Fault"), one on the push of the other without end.
 * But a run comes back with its budget, and a reset gets through.
 */
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/base/virtual-clock.ts';
import { VECTOR } from '../../../src/cpu/fault.ts';
import { EFLAGS } from '../../../src/cpu/flags.ts';
import { CR0, CR4 } from '../../../src/cpu/register-bits.ts';
import type { EngineName } from '../../../src/engine/engine-name.ts';
import { Processor } from '../../../src/engine/processor.ts';
import { GuestMemory } from '../../../src/memory/guest-memory.ts';
import { SYSTEM_ENGINES } from '../../support/system-machine.ts';
import { type BareMachine, createBareMachine, sharedCode } from './bare-machine.ts';

const [GDT, IDT, CODE, STACK] = [0x1000, 0x2000, 0x7c00, 0x8000];
/** Of a code segment with present, S and type bits: 32-bit and flat, by privilege and conformity. */
const CODE_ACCESS = { user: 0xfa, conforming: 0x9e } as const;
const GATE_ACCESS = { interrupt32: 0xee, trap32: 0xef, interrupt16: 0xe6, trap16: 0xe7 } as const;

interface Chain {
  readonly gate: keyof typeof GATE_ACCESS;
  readonly code: keyof typeof CODE_ACCESS;
}

/** CPL 3 with alignment checks on, an odd stack pointer, and gates that stay at CPL 3: each push is an #AC. */
function alignmentStorm(engine: EngineName, { gate, code }: Chain): BareMachine {
  const machine = createBareMachine(engine);
  machine.write(GDT + 0x08, [0xff, 0xff, 0, 0, 0, 0xfa, 0xcf, 0]);
  machine.write(GDT + 0x10, [0xff, 0xff, 0, 0, 0, 0xf2, 0xcf, 0]);
  machine.write(GDT + 0x18, [0xff, 0xff, 0, 0, 0, CODE_ACCESS[code], 0xcf, 0]);
  for (const vector of [VECTOR.BP, VECTOR.AC])
    machine.write(IDT + 8 * vector, [CODE & 0xff, CODE >>> 8, 0x1b, 0, 0, GATE_ACCESS[gate], 0, 0]);
  machine.write(CODE, [0xcc]);
  machine.enter(CODE);
  const { state } = machine.processor;
  state.idtrBase = IDT;
  state.idtrLimit = 0x7ff;
  state.cr0 = (state.cr0 | CR0.AM) >>> 0;
  state.flagsOther |= EFLAGS.AC;
  for (const segment of [0, 2, 3]) {
    const cache = state.segments[segment];
    cache.selector = 0x13;
    cache.access |= 0x6000;
  }
  state.segments[1].selector = 0x0b;
  state.segments[1].access |= 0x6000;
  state.cpl = 3;
  state.setReg32(4, STACK + 1);
  machine.processor.modeChanged();
  return machine;
}

const chains = (Object.keys(GATE_ACCESS) as Chain['gate'][]).flatMap((gate) =>
  (Object.keys(CODE_ACCESS) as Chain['code'][]).map((code): Chain => ({ gate, code })),
);

describe.each(SYSTEM_ENGINES)('%s', (engine) => {
  it.each(chains)('G1: #AC on the push of an #AC returns with its budget ($gate gate, $code code)', (chain) => {
    const machine = alignmentStorm(engine, chain);
    const { processor } = machine;
    expect(processor.run(1000)).toMatchObject({ executed: 1000, reason: 'budget' });
    expect(processor.lastFault?.vector).toBe(VECTOR.AC);
    expect(processor.turns).toBeLessThan(2 * 1000 + 10);
    // The stack pointer has not moved, nor the code been left: no handler was entered.
    expect([processor.state.reg32(4), processor.state.ip]).toEqual([STACK + 1, CODE]);
    processor.reset();
    machine.enter(CODE + 0x100);
    machine.write(CODE + 0x100, [0x43, 0xf4]);
    expect(processor.run(1000).reason).toBe('halted');
    expect(processor.state.reg32(3)).toBe(1);
    machine.dispose();
  });

  it('G1: the neighbour with an even stack pointer enters its handlers', () => {
    const machine = alignmentStorm(engine, { gate: 'interrupt32', code: 'user' });
    machine.processor.state.setReg32(4, STACK);
    machine.processor.run(10);
    expect(machine.processor.state.reg32(4)).toBe(STACK - 10 * 12);
    machine.dispose();
  });

  it('G1: such a chain is cut at any count, and no cut can be seen', () => {
    const whole = alignmentStorm(engine, { gate: 'interrupt32', code: 'user' });
    const cut = alignmentStorm(engine, { gate: 'interrupt32', code: 'user' });
    whole.processor.run(50);
    for (const slice of [1, 2, 3, 1, 43]) cut.processor.run(slice);
    expect(cut.processor.stateHash()).toBe(whole.processor.stateHash());
    for (const machine of [whole, cut]) machine.dispose();
  });

  it('G1: an exception in IA-32e mode that raises #UD, and that #UD again', () => {
    const code = sharedCode();
    const memory = new GuestMemory(code.pool, { size: 4 * 2 ** 20 });
    const interrupts = { acknowledge: () => 0 };
    const ports = { read: () => 0, write: () => {} };
    const options = { name: 'long', code, memory, ports, clock: new VirtualClock(), engine, interrupts };
    const processor = new Processor({ ...options, model: 'x86-64' });
    const { state } = processor;
    state.cr0 = (state.cr0 | CR0.PE) >>> 0;
    state.cr4 = CR4.PAE;
    state.efer = 0x500; // LME and LMA
    state.segments[1].access = 0x0020_9b00 | (1 << 15);
    state.ip = CODE;
    processor.modeChanged();
    memory.copyIn(CODE, Uint8Array.of(0x0f, 0x0b));
    expect(processor.run(1000)).toMatchObject({ executed: 1000, reason: 'budget' });
    expect(processor.lastFault?.vector).toBe(VECTOR.UD);
    expect(processor.turns).toBeLessThan(2 * 1000 + 10);
    processor.dispose();
    memory.dispose();
  });

  it('G1: a #DB on the frame of each #DB: every delivery is followed by an instruction (compare CVE-2015-8104)', () => {
    const machine = createBareMachine(engine);
    machine.write(4 * VECTOR.DB, [CODE & 0xff, CODE >>> 8, 0, 0]);
    machine.write(CODE, [0x43, 0xeb, 0xfd]);
    machine.enterReal(CODE);
    const { processor } = machine;
    processor.state.setReg32(4, STACK);
    // Breakpoints on writes to the dwords that the frames go to, and single steps besides.
    processor.state.dr0 = STACK - 8;
    processor.state.dr1 = STACK - 4;
    processor.state.dr7 = 0xdd_0005;
    processor.state.flagsOther |= EFLAGS.TF;
    processor.modeChanged();
    expect(processor.run(1000)).toMatchObject({ executed: 1000, reason: 'budget' });
    expect(processor.turns).toBeLessThan(2 * 1000 + 10);
    expect(processor.state.reg32(3)).toBeGreaterThan(100);
    machine.dispose();
  });
});
