/** A PC for a lockstep: run to exact counts, its output kept. */

import type { Ending, LockstepMachine } from '../difftest/lockstep/lockstep-machine.ts';
import type { EngineName } from '../engine/processor.ts';
import { createPc } from '../hypervisor/create-guest.ts';
import { checkGuestOptions } from '../hypervisor/options/check-guest-options.ts';
import type { GuestBoot } from '../index.ts';
import type { MachineExit } from '../machine/machine.ts';
import type { Pc, SharedCode } from '../machine/pc.ts';
import { stateText } from '../machine/state-hash.ts';

export interface LockstepPcOptions {
  readonly boot: GuestBoot;
  /** In MiB. */
  readonly memory: number;
  readonly cpu: string;
  readonly engine: EngineName;
  readonly code: SharedCode;
}

export class LockstepPc implements LockstepMachine {
  readonly #pc: Pc;
  #output: Uint8Array[] = [];
  /** Nothing comes behind it. */
  #ending: Ending | undefined;

  /** @throws UserError for options that cannot be met */
  constructor({ code, ...options }: LockstepPcOptions) {
    this.#pc = createPc('guest', checkGuestOptions(options), { code });
    this.#pc.serial.onOutput = (bytes) => this.#output.push(bytes);
  }

  get processor() {
    return this.#pc.processor;
  }

  runTo(instructions: number): Ending | undefined {
    const pc = this.#pc;
    while (this.#ending === undefined && pc.instructions < instructions) {
      const exit = pc.run({ instructions: instructions - pc.instructions });
      if (exit.reason === 'budget' || exit.reason === 'output') continue;
      const ending = { text: describeExit(exit), isBug: exit.reason === 'error' };
      if (exit.reason === 'idle') return ending;
      this.#ending = ending;
    }
    return this.#ending;
  }

  takeOutput(): Uint8Array {
    const output = Buffer.concat(this.#output);
    this.#output = [];
    return output;
  }

  send(bytes: Uint8Array): void {
    this.#pc.serial.send(bytes);
  }

  surroundings() {
    return this.#pc.surroundings().map(([name, state]) => [name, stateText(state)] as const);
  }

  peek(linear: number, length: number): Uint8Array {
    return this.#pc.peek(linear, length);
  }

  stateHash(): string {
    return this.#pc.stateHash();
  }

  dispose(): void {
    this.#pc.dispose();
  }
}

function describeExit(exit: MachineExit): string {
  switch (exit.reason) {
    case 'triple-fault':
      return `triple fault (${exit.cause})`;
    case 'debug-exit':
      return `debug exit, ${exit.status}`;
    case 'error':
      return exit.error.message;
    case 'power-off':
      return 'powered off';
    case 'idle':
      return 'halted until something is typed';
    default:
      return exit.reason;
  }
}
