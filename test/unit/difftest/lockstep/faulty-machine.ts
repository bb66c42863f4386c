/** A bare machine for the lockstep that does, at a count of its own, what it should not. */
import type { Ending, LockstepMachine } from '../../../../src/difftest/lockstep/lockstep-machine.ts';
import type { EngineName, Processor } from '../../../../src/engine/processor.ts';
import { assemble } from '../../../../src/isa/assemble.ts';
import { type BareMachine, createBareMachine } from '../../../conformance/engines/bare-machine.ts';

export const CODE = 0x7c00;

export interface Fault {
  /** Behind this instruction. */
  readonly at: number;
  readonly plant: (machine: BareMachine) => void;
  /** Only within a run of at least so many instructions. */
  readonly inRunsFrom?: number;
  /** Not if a run has begun there. */
  readonly hiddenByCutAt?: number;
}

export interface FaultyMachineOptions {
  /** 16-bit code. */
  readonly source: string;
  readonly engine?: EngineName;
  readonly fault?: Fault | undefined;
}

export class FaultyMachine implements LockstepMachine {
  readonly #machine: BareMachine;
  readonly #fault: Fault | undefined;
  readonly #output: number[] = [];
  /** What it has been sent: the guest reads it from a port, the last byte again and again. */
  readonly #input: number[] = [];
  #isHidden = false;
  onDispose: () => void = () => {};

  constructor({ source, engine = 'reference', fault }: FaultyMachineOptions) {
    const ports = {
      read: () => (this.#input.length > 1 ? this.#input.shift()! : (this.#input[0] ?? 0)),
      write: (_: number, value: number) => void this.#output.push(value & 0xff),
    };
    this.#machine = createBareMachine(engine, { memory: 2 ** 20, ports });
    this.#machine.write(CODE, assemble(`bits 16\n${source}`, { origin: CODE }).bytes);
    this.#machine.enterReal(CODE);
    this.#fault = fault;
  }

  get processor(): Processor {
    return this.#machine.processor;
  }

  runTo(instructions: number): Ending | undefined {
    const { processor } = this;
    const fault = this.#fault;
    const start = processor.retired;
    this.#isHidden ||= start === fault?.hiddenByCutAt;
    const isDue = fault && start < fault.at && fault.at <= instructions && !this.#isHidden;
    if (isDue && instructions - start >= (fault.inRunsFrom ?? 1)) {
      processor.run(fault.at - start);
      fault.plant(this.#machine);
    }
    const { reason } = processor.run(instructions - processor.retired);
    return reason === 'budget' ? undefined : { text: reason, isBug: reason === 'error' };
  }

  takeOutput(): Uint8Array {
    return Uint8Array.from(this.#output.splice(0));
  }

  send(bytes: Uint8Array): void {
    this.#input.push(...bytes);
  }

  surroundings() {
    return [['input', JSON.stringify(this.#input)]] as const;
  }

  peek(linear: number, length: number): Uint8Array {
    return this.#machine.memory.copyOut(linear, length);
  }

  stateHash(): string {
    return `${this.processor.stateHash()} ${this.#input}`;
  }

  dispose(): void {
    this.onDispose();
    this.#machine.dispose();
  }
}
