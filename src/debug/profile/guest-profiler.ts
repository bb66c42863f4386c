/** Takes the profile of a processor: samples of its stack at fixed counts of instructions, and what it counts itself. */

import type { Processor } from '../../engine/processor.ts';
import type { ProcessorProfile } from '../../engine/profile/engine-profile.ts';
import { SampleLog } from './sample-log.ts';
import { type Stack, walkStack } from './stack-walk.ts';

/** Instructions between two samples, unless somebody wants another number. A prime: no loop of a guest is in step with it. */
export const DEFAULT_INTERVAL = 1_000_003;

/** All that is known of where the time of a guest went. */
export interface GuestProfile {
  readonly name: string;
  /** Instructions for which each sample stands. */
  readonly interval: number;
  readonly samples: readonly Stack[];
  readonly processor: ProcessorProfile;
}

export interface GuestProfilerOptions {
  readonly interval?: number | undefined;
  /** Host time in ms. */
  readonly now?: (() => number) | undefined;
}

export class GuestProfiler {
  readonly #processor: Processor;
  readonly #log: SampleLog;

  /** From now on. The guest must not be running. */
  constructor(processor: Processor, { interval = DEFAULT_INTERVAL, now }: GuestProfilerOptions = {}) {
    this.#processor = processor;
    const log = new SampleLog(interval);
    this.#log = log;
    const sample = {
      get interval() {
        return log.interval;
      },
      take: () => log.add(walkStack(processor)),
    };
    processor.startProfile({ now, sample });
  }

  get profile(): GuestProfile {
    const { interval, samples } = this.#log;
    return { name: this.#processor.name, interval, samples, processor: this.#processor.profile! };
  }
}
