/** `--snapshot FILE --snapshot-at WHEN`: saves a guest that is run. */
import type { Argv } from 'yargs';
import { UserError } from '../base/errors.ts';
import type { PcGuest as Guest } from '../hypervisor/create-guest.ts';
import type { GuestExit } from '../hypervisor/guest-events.ts';
import { showByteSize } from './byte-size.ts';

export interface SnapshotArguments {
  snapshot?: string;
  'snapshot-at'?: string;
}

/** `exit`: when you quit, or the guest asks for its end by its debug-exit port. */
export type SnapshotTime = 'exit' | { /** Guest time in ns. */ readonly time: number };

const UNITS = { ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 } as const;
/** How often the guest's time is looked at, in ms. */
const LOOK = 5;
/** After these there is nothing that could go on. */
const DEAD: readonly GuestExit['reason'][] = [
  'halted',
  'power-off',
  'triple-fault',
  'error',
  'nothing-to-boot',
  'migrated',
];

/** Declares them, behind what `args` has. */
export const snapshotOptions = <Given>(args: Argv<Given>) =>
  args
    .option('snapshot', {
      type: 'string',
      requiresArg: true,
      describe:
        'save the guest into this file, or, with a slash at its end, store: vetro snapshot restore goes on from there',
    })
    .option('snapshot-at', {
      type: 'string',
      requiresArg: true,
      describe: 'when: exit (you quit, or debug exit; the default), or so much guest time: 10s, 500ms, 2m',
    });

/** @throws UserError for a time that is none, or without a file */
export function parseSnapshotAt(options: SnapshotArguments): SnapshotTime | undefined {
  const { snapshot, 'snapshot-at': at } = options;
  if (snapshot === undefined) {
    if (at !== undefined) throw new UserError('--snapshot-at says when: say where, too, by --snapshot FILE');
    return undefined;
  }
  if (at === undefined || at === 'exit') return 'exit';
  const [, number, unit] = /^(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)$/.exec(at) ?? [];
  if (number === undefined)
    throw new UserError(`--snapshot-at must be exit, or a time as in 10s, 500ms, 2m, not ${at}`);
  return { time: Math.round(Number(number) * UNITS[unit as keyof typeof UNITS]) };
}

/** Saves a guest once, when its time has come. */
export class SnapshotKeeper {
  readonly #guest: Guest;
  readonly #path: string;
  readonly #at: SnapshotTime;
  readonly #report: (line: string) => void;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #taken: Promise<void> | undefined;

  /** `report`: tells the user something in a line. `onFailure`: the file cannot be written. */
  constructor(
    guest: Guest,
    options: { path: string; at: SnapshotTime; report(line: string): void; onFailure(error: unknown): void },
  ) {
    this.#guest = guest;
    this.#path = options.path;
    this.#at = options.at;
    this.#report = options.report;
    if (this.#at === 'exit') return;
    const { time } = this.#at;
    this.#timer = setInterval(() => {
      if (guest.state !== 'running' || guest.machine.time < time) return;
      clearInterval(this.#timer);
      this.#taken = this.#takeWhileItRests().catch(options.onFailure);
    }, LOOK);
  }

  /** The guest has ended. @throws UserError if the file cannot be written */
  async ended(exit: GuestExit): Promise<void> {
    clearInterval(this.#timer);
    await this.#taken;
    if (this.#taken !== undefined) return;
    if (DEAD.includes(exit.reason)) return this.#report(`${this.#guest.name} has ended: ${this.#path} was not written`);
    await this.#take();
  }

  /** One that writes into files cannot be saved while it runs. */
  async #takeWhileItRests(): Promise<void> {
    const guest = this.#guest;
    guest.pause();
    try {
      await this.#take();
    } finally {
      if (guest.state === 'paused') guest.run().catch(() => {});
    }
  }

  async #take(): Promise<void> {
    const { size, instructions, path } = await this.#guest.snapshot({ to: this.#path });
    const count = instructions.toLocaleString('en');
    this.#report(`${this.#guest.name} was saved in ${path} (${showByteSize(size)}) at instruction ${count}`);
  }
}
