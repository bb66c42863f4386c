/** Checkpoints of one guest: taken one after the other while it runs; the last few are kept, until it has ended. */
import { UserError } from '../../base/errors.ts';
import type { SnapshotStore } from '../../snapshot/store/snapshot-store.ts';
import type { Manifest } from '../../snapshot/store/store-layout.ts';
import type { Guest } from '../guest.ts';
import type { GuestExit } from '../guest-events.ts';
import type { CheckedCheckpoint } from '../options/checkpoint-options.ts';
import { checkHead } from './guest-head.ts';
import type { Snapshot } from './snapshot-options.ts';

/** After these there is nothing to go on with. */
const ENDED: readonly GuestExit['reason'][] = ['power-off', 'halted', 'debug-exit', 'nothing-to-boot', 'migrated'];
/** Of the interval, at the least, lies between the end of one checkpoint and the begin of the next. */
const LEAST_PAUSE = 1 / 4;

/** One that is in a store. */
export interface KeptCheckpoint {
  readonly id: string;
  readonly epoch: number;
  readonly guest: string;
  readonly every: number;
  readonly keep: number;
}

/** What there is of a guest that is recovered. */
export interface FoundCheckpoints {
  /** The latest first; the first is the one that it is restored from. */
  readonly kept: readonly KeptCheckpoint[];
  /** Later ones, which could not be used. */
  readonly passed: readonly KeptCheckpoint[];
}

export interface CheckpointsParts {
  readonly store: SnapshotStore;
  readonly options: CheckedCheckpoint;
  /** Those of this guest that are there already. */
  readonly found: FoundCheckpoints | undefined;
  /** No checkpoint before this epoch will be gone back to. */
  readonly dropUndo: (before: number) => void;
  readonly take: (facts: NonNullable<Manifest['checkpoint']>) => Promise<Snapshot>;
  readonly now: () => number;
  readonly delay: (ms: number, action: () => void) => () => void;
}

export class Checkpoints {
  readonly #guest: Guest;
  readonly #parts: CheckpointsParts;
  /** The latest first. */
  readonly #kept: { readonly id: string; readonly epoch: number }[];
  /** These go first. */
  readonly #passed: { readonly id: string }[];
  #epoch: number;
  #cancel: (() => void) | undefined;
  #taking: Promise<void> | undefined;
  #ending: Promise<void> | undefined;
  #disposed = false;
  /** Of the guest, at the last one. */
  #instructions = -1;
  /** What its owner was told last: he need not hear it again and again. */
  #warned = '';
  /** How long the last one took, in ms: from when the guest was as it has it until it counted. */
  #took = 0;

  constructor(guest: Guest, parts: CheckpointsParts) {
    this.#guest = guest;
    this.#parts = parts;
    const { kept = [], passed = [] } = parts.found ?? {};
    this.#kept = [...kept];
    this.#passed = [...passed];
    this.#epoch = Math.max(0, ...[...kept, ...passed].map(({ epoch }) => epoch));
    // One that was restored is as its checkpoint has it.
    if (kept.length > 0) this.#instructions = guest.instructions;
  }

  /** The guest may run. */
  wake(): void {
    if (this.#disposed || this.#cancel || this.#taking || this.#guest.state !== 'running') return;
    this.#after(this.#instructions < 0 ? 0 : this.#parts.options.every);
  }

  /** The guest has stopped. Resolves when nothing is written any longer. */
  async stopped(exit: GuestExit): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    await this.#taking;
    if (!ENDED.includes(exit.reason)) return;
    this.#instructions = -1;
    // It may be said twice; journals go when the checkpoints have gone.
    this.#ending ??= this.#clearly(() => this.#deleteBehind(0)).finally(() => {
      this.#ending = undefined;
    });
    await this.#ending;
  }

  /** The guest is gone. Resolves as `stopped` does. */
  async disposed(): Promise<void> {
    this.#disposed = true;
    this.#cancel?.();
    this.#cancel = undefined;
    await this.#taking;
  }

  #after(ms: number): void {
    this.#cancel = this.#parts.delay(ms, () => {
      this.#cancel = undefined;
      this.#taking = this.#turn().finally(() => {
        this.#taking = undefined;
        this.#next();
      });
    });
  }

  /** What is lost at the most is the interval: what it takes until one counts is part of it. */
  #next(): void {
    if (this.#disposed || this.#guest.state !== 'running') return;
    const { every } = this.#parts.options;
    this.#after(Math.max(every - 2 * this.#took, every * LEAST_PAUSE));
  }

  async #turn(): Promise<void> {
    const { state, held, instructions: now } = this.#guest;
    // One that moves takes with it what its streams keep.
    if (state === 'disposed' || held || now === this.#instructions) return;
    const { options, take, now: clock } = this.#parts;
    await this.#clearly(async () => {
      const start = clock();
      const { every, keep } = options;
      const epoch = ++this.#epoch;
      const { id, instructions } = await take({ every, keep, epoch });
      this.#took = clock() - start;
      this.#instructions = instructions;
      this.#warned = '';
      this.#kept.unshift({ id: id!, epoch });
      await this.#deleteBehind(keep);
    });
  }

  async #deleteBehind(keep: number): Promise<void> {
    // One that cannot be deleted now is the next one's.
    for (let last = this.#passed.at(-1); last; last = this.#passed.at(-1)) {
      await this.#delete(last.id);
      this.#passed.pop();
    }
    while (this.#kept.length > keep) {
      await this.#delete(this.#kept.at(-1)!.id);
      this.#kept.pop();
    }
    this.#parts.dropUndo(this.#kept.at(-1)?.epoch ?? Number.POSITIVE_INFINITY);
  }

  async #delete(id: string): Promise<void> {
    if (!this.#parts.store.has(id)) return;
    const left = await this.#parts.store.delete(id);
    if (left !== undefined) this.#warn(left);
  }

  /** A checkpoint that fails is no reason not to go on, and the next one may not. */
  async #clearly(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (this.#guest.state !== 'disposed') this.#warn(`a checkpoint failed: ${(error as Error).message}`);
    }
  }

  #warn(line: string): void {
    if (line === this.#warned) return;
    this.#warned = line;
    this.#guest.warn(`${this.#guest.name}: ${line}`);
  }
}

/** By guest, in the order of their names: its checkpoints, the latest first. `problems`: what cannot be read, a line each. */
export async function checkpointsIn(
  store: SnapshotStore,
): Promise<{ readonly guests: ReadonlyMap<string, readonly KeptCheckpoint[]>; readonly problems: readonly string[] }> {
  const found: KeptCheckpoint[] = [];
  const problems: string[] = [];
  for (const { id, read, problem } of await store.list()) {
    if (read === undefined) {
      problems.push(`${store.folder.name}/${id}: ${problem}`);
      continue;
    }
    const { checkpoint, head } = read.manifest;
    if (checkpoint === null) continue;
    try {
      found.push({ id, ...checkpoint, guest: checkHead(head, 'guest').guest.name });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(`${store.folder.name}/${id}: ${error.message}`);
    }
  }
  found.sort((one, other) => other.epoch - one.epoch);
  const guests = new Map<string, KeptCheckpoint[]>();
  for (const name of [...new Set(found.map(({ guest }) => guest))].sort())
    guests.set(
      name,
      found.filter(({ guest }) => guest === name),
    );
  return { guests, problems };
}
