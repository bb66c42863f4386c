/** The two machines of a lockstep: run to the same counts, fed with the same input at the same counts. */
import { compareMachines, type MachineDifferences, machinesDiffer, registersDiffer } from './compare-machines.ts';
import type { Ending, LockstepMachine } from './lockstep-machine.ts';

export class MachinePair {
  readonly #machines: readonly [LockstepMachine, LockstepMachine];
  #endings: readonly (Ending | undefined)[] = [undefined, undefined];

  constructor(create: (which: 0 | 1) => LockstepMachine) {
    const first = create(0);
    try {
      this.#machines = [first, create(1)];
    } catch (error) {
      first.dispose();
      throw error;
    }
  }

  /** The first machine: where both are equal, it stands for both. */
  get first(): LockstepMachine {
    return this.#machines[0];
  }

  /** Why the first machine gets no further, if it does not. */
  get ending(): Ending | undefined {
    return this.#endings[0];
  }

  runTo(instructions: number): void {
    this.#endings = this.#machines.map((machine) => machine.runTo(instructions));
  }

  send(bytes: Uint8Array): void {
    for (const machine of this.#machines) machine.send(bytes);
  }

  /** What the first machine has sent. */
  takeOutput(): Uint8Array {
    const [output] = this.#machines.map((machine) => machine.takeOutput());
    return output;
  }

  /** By registers, count, time and endings: cheap. */
  get seemsToDiffer(): boolean {
    return this.#endingsDiffer || registersDiffer(this.#machines);
  }

  /** By all that a guest could see. */
  get differs(): boolean {
    return this.#endingsDiffer || machinesDiffer(this.#machines);
  }

  /** The state hash of both. Undefined if they do not have the same. */
  get stateHash(): string | undefined {
    const [first, second] = this.#machines.map((machine) => machine.stateHash());
    return first === second ? first : undefined;
  }

  compare(): MachineDifferences {
    const { fields, ...memory } = compareMachines(this.#machines);
    if (!this.#endingsDiffer) return { fields, ...memory };
    const [first, second] = this.#endings.map((ending) => ending?.text ?? 'runs on');
    return { fields: [{ name: 'ending', values: [first, second] }, ...fields], ...memory };
  }

  dispose(): void {
    for (const machine of this.#machines) machine.dispose();
  }

  get #endingsDiffer(): boolean {
    const [first, second] = this.#endings;
    return first?.text !== second?.text;
  }
}
