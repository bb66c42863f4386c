/**
 * Engines in lockstep: the same machine, the same program, run by different engines and cut into different slices, must
 * be in the same state at the same count of instructions.
 */
import { VirtualClock } from '../../../src/base/virtual-clock.ts';
import { EFLAGS } from '../../../src/cpu/flags.ts';
import { MODE } from '../../../src/cpu/mode-key.ts';
import { CR0, CR4 } from '../../../src/cpu/register-bits.ts';
import { Random } from '../../../src/difftest/random.ts';
import type { BreakpointHit } from '../../../src/engine/breakpoints.ts';
import type { CodeSpace } from '../../../src/engine/code-space.ts';
import { type EngineName, Processor } from '../../../src/engine/processor.ts';
import { GuestMemory } from '../../../src/memory/guest-memory.ts';
import { MMIO_PAGE, RAM_BYTES, type SystemProgram } from './random-program.ts';

export interface LockstepOptions {
  readonly seed: number;
  readonly program: SystemProgram;
  readonly code: CodeSpace;
  readonly instructions: number;
  /** Instructions between comparisons. */
  readonly step: number;
}

/** A bare machine with a timer, an interrupt controller of one line, and registers that raise things. */
export class LockstepMachine {
  readonly memory: GuestMemory;
  readonly processor: Processor;
  readonly clock = new VirtualClock();
  readonly label: string;
  readonly #program: SystemProgram;
  readonly #slices: Random;
  readonly #largest: number;
  #accesses = 0;
  resets = 0;
  onBreakpoint: (hit: BreakpointHit) => void = () => {};

  constructor(
    { program, code, seed }: { program: SystemProgram; code: CodeSpace; seed: number },
    how: { engine: EngineName; largestSlice: number },
  ) {
    this.label = `${how.engine}, slices up to ${how.largestSlice}`;
    this.#program = program;
    this.#largest = how.largestSlice;
    this.#slices = new Random(how.largestSlice * 31 + seed);
    this.memory = new GuestMemory(code.pool, { size: RAM_BYTES });
    for (const { address, bytes } of program.rom) this.memory.addRom(address, bytes);
    this.memory.addMmio(MMIO_PAGE, 0x1000, {
      name: 'lockstep',
      readMemory: (offset) => this.#answer(offset),
      writeMemory: (offset, value) => this.#command(offset & 0x1f, value),
    });
    this.processor = new Processor({
      name: how.engine,
      code,
      memory: this.memory,
      ports: {
        read: (port) => this.#answer(port),
        write: (port, value) => this.#command(port & 0x1f, value),
      },
      clock: this.clock,
      model: 'i686',
      engine: how.engine,
      interrupts: {
        acknowledge: () => {
          this.processor.intr.set(0);
          return 0x20 + (this.#accesses++ & 15);
        },
      },
    });
    this.#load();
    this.#tick(seed);
  }

  /** Runs to a count of instructions, in slices, with a reset after each shutdown. */
  runTo(count: number): void {
    const { processor } = this;
    let stuck = 0;
    while (processor.retired < count) {
      const slice = this.#largest === 0 ? count : 1 + this.#slices.below(this.#slices.oneIn(4) ? 4 : this.#largest);
      const result = processor.run(Math.min(slice, count - processor.retired));
      if (result.reason === 'error') throw result.error;
      if (result.reason === 'breakpoint') {
        this.onBreakpoint(result.hit!);
        continue;
      }
      stuck = result.executed === 0 ? stuck + 1 : 0;
      if (result.reason === 'shutdown' || stuck > 50) {
        this.reset();
        stuck = 0;
      } else if (result.reason === 'halted') {
        if (processor.state.nmiBlocked) this.reset();
        this.processor.nmi.set(1);
        this.processor.nmi.set(0);
      }
    }
  }

  reset(): void {
    this.resets++;
    this.processor.reset();
    this.processor.intr.set(0);
    this.#load();
  }

  dispose(): void {
    this.processor.dispose();
    this.memory.dispose();
  }

  /** "cpl 3 32 flat paged" and the like. */
  get mode(): string {
    const { state } = this.processor;
    const isReal = (state.cr0 & CR0.PE) === 0;
    return [
      isReal ? 'real' : state.flagsOther & EFLAGS.VM ? 'v86' : `cpl ${state.cpl}`,
      state.modeKey & MODE.CODE32 ? '32' : '16',
      state.modeKey & MODE.FLAT ? 'flat' : 'segmented',
      (state.cr0 & CR0.PG) === 0 ? 'unpaged' : state.cr4 & CR4.PAE ? 'pae' : 'paged',
    ].join(' ');
  }

  #load(): void {
    for (const { address, bytes } of this.#program.ram) this.memory.copyIn(address, bytes);
  }

  #answer(seed: number): number {
    this.#accesses++;
    return (Math.imul(this.#accesses + seed, 0x9e37_79b1) >>> 0) % 0x1_0000_0000;
  }

  #command(register: number, value: number): void {
    this.#accesses++;
    const { processor, clock } = this;
    switch (register) {
      case 0:
        return processor.intr.set(1);
      case 1:
        processor.nmi.set(1);
        return processor.nmi.set(0);
      case 2:
        clock.setAlarm(clock.now + (value & 0xfff), () => processor.intr.set(1));
        return;
      case 3:
        return processor.a20.set((value & 1) as 0 | 1);
      case 4:
        clock.setAlarm(clock.now + (value & 0xfff), () => {
          processor.nmi.set(1);
          processor.nmi.set(0);
        });
        return;
      case 5:
        return processor.intr.set(0);
    }
  }

  #tick(seed: number): void {
    const random = new Random(seed + 1);
    const next = () => {
      this.clock.setAlarm(this.clock.now + 400 + random.below(4000), () => {
        if (random.oneIn(2)) {
          this.processor.nmi.set(1);
          this.processor.nmi.set(0);
        } else this.processor.intr.set(1);
        next();
      });
    };
    next();
  }
}

const STEPS_TO_RESET = 24;
const MACHINES = [
  { engine: 'reference', largestSlice: 300 },
  { engine: 'interpreter', largestSlice: 0 },
  { engine: 'interpreter', largestSlice: 7 },
] as const;

export interface Difference {
  readonly between: readonly [string, string];
  /** Same at this count, different at the next comparison. */
  readonly same: number;
  readonly different: number;
}

export interface LockstepRun {
  readonly difference: Difference | undefined;
  /** Modes and last faults that were met at comparisons, with how often. */
  readonly modes: ReadonlyMap<string, number>;
  readonly vectors: ReadonlyMap<number, number>;
}

/** Runs the machines side by side, up to the first difference. */
export function runLockstep(options: LockstepOptions): LockstepRun {
  const machines = MACHINES.map((how) => new LockstepMachine(options, how));
  const [first, ...others] = machines as [LockstepMachine, ...LockstepMachine[]];
  const modes = new Map<string, number>();
  const vectors = new Map<number, number>();
  try {
    for (let at = options.step; at <= options.instructions; at += options.step) {
      for (const machine of machines) machine.runTo(at);
      const hash = first.processor.stateHash();
      const other = others.find(({ processor }) => processor.stateHash() !== hash);
      if (other !== undefined) {
        const difference = { between: [first.label, other.label], same: at - options.step, different: at } as const;
        return { difference, modes, vectors };
      }
      modes.set(first.mode, (modes.get(first.mode) ?? 0) + 1);
      const vector = first.processor.lastFault?.vector;
      if (vector !== undefined) vectors.set(vector, (vectors.get(vector) ?? 0) + 1);
      // Nothing runs in circles for long.
      if ((at / options.step) % STEPS_TO_RESET === 0) for (const machine of machines) machine.reset();
    }
    return { difference: undefined, modes, vectors };
  } finally {
    for (const machine of machines) machine.dispose();
  }
}
