/** What an engine notes of its work while somebody wants to know. Without one nothing is counted, and nothing costs. */
import type { EngineCall } from './engine-profile.ts';
import { RegionLedger } from './region-ledger.ts';

export class Profiler {
  readonly helpers = new Map<string, number>();
  readonly calls: Record<EngineCall, number> = { memory: 0, lookUp: 0, cutBlock: 0, translate: 0, fault: 0 };
  /** Regions that are gone. */
  readonly regions = new RegionLedger();
  readonly compilation = { compiled: 0, modules: 0, codeBytes: 0, reused: 0 };
  #times: { loweringTime: number; compileTime: number } | undefined;
  readonly #now: () => number;

  /** @param now host time in ms; without it nothing is timed */
  constructor(now: (() => number) | undefined) {
    this.#now = now ?? (() => 0);
    this.#times = now && { loweringTime: 0, compileTime: 0 };
  }

  /** In ms, where anything is timed. */
  get times(): { readonly loweringTime: number; readonly compileTime: number } | undefined {
    return this.#times && { ...this.#times };
  }

  /** Does some work and takes note of how long it took. */
  time<Result>(what: 'loweringTime' | 'compileTime', work: () => Result): Result {
    const start = this.#now();
    const result = work();
    if (this.#times) this.#times[what] += this.#now() - start;
    return result;
  }
}
