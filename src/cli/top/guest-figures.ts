/** What `vetro run --top` shows of a guest: its figures at a moment, and what came of them since the moment before. */
import type { PcGuest as Guest } from '../../hypervisor/create-guest.ts';

export interface GuestFigures {
  readonly guest: string;
  readonly state: string;
  /** Of a core, in per cent. */
  readonly processor: number;
  /** Million instructions in a second of the wall clock. */
  readonly mips: number;
  /** Bytes: RAM; what of it has been touched; what of that others hold as well; what is swapped out; what has been given back by its balloon. */
  readonly memory: number;
  readonly inUse: number;
  readonly shared: number;
  readonly swapped: number;
  readonly ballooned: number;
  /** How often it came back from running, in a second. */
  readonly exits: number;
}

interface Counts {
  readonly time: number;
  readonly run: number;
  readonly instructions: number;
  readonly slices: number;
}

/** Asked again and again, it says what has happened in between. */
export class FigureTaker {
  readonly #guest: Guest;
  readonly #now: () => number;
  #before: Counts;

  /** `now` is in ms. */
  constructor(guest: Guest, now: () => number) {
    this.#guest = guest;
    this.#now = now;
    this.#before = this.#counts();
  }

  take(): GuestFigures {
    const [before, counts] = [this.#before, this.#counts()];
    this.#before = counts;
    const passed = Math.max(counts.time - before.time, 1);
    const { name: guest, state, machine, balloon } = this.#guest;
    return {
      ...{ guest, state },
      processor: round((100 * (counts.run - before.run)) / passed),
      mips: round((counts.instructions - before.instructions) / passed / 1000),
      ...{ memory: machine.memorySize, inUse: machine.memoryInUse, shared: machine.memoryShared },
      swapped: machine.memorySwapped,
      ballooned: (balloon?.actual ?? 0) * 2 ** 20,
      exits: Math.round((1000 * (counts.slices - before.slices)) / passed),
    };
  }

  #counts(): Counts {
    const { instructions, processorTimes } = this.#guest;
    return { time: this.#now(), instructions, run: processorTimes.run, slices: processorTimes.slices };
  }
}

/** To a tenth. */
const round = (value: number): number => Math.round(10 * value) / 10;
