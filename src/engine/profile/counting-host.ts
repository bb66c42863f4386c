/** Stands between emitted code and the interpreter while a profile is taken, and counts the calls. */
import type { HelperCall } from '../interpreter/helper-call.ts';
import type { EmittedCodeHost } from '../interpreter/runtime.ts';
import type { Profiler } from './profiler.ts';

export class CountingHost implements EmittedCodeHost {
  readonly #host: EmittedCodeHost;
  readonly #profiler: Profiler;

  constructor(host: EmittedCodeHost, profiler: Profiler) {
    this.#host = host;
    this.#profiler = profiler;
  }

  lookUp(): number {
    this.#profiler.calls.lookUp++;
    return this.#host.lookUp();
  }

  partial(record: number, budget: number): number {
    this.#profiler.calls.cutBlock++;
    return this.#host.partial(record, budget);
  }

  slow(access: number): void {
    this.#profiler.calls.memory++;
    this.#host.slow(access);
  }

  slowSegment(segment: number, offset: number, access: number): void {
    this.#profiler.calls.memory++;
    this.#host.slowSegment(segment, offset, access);
  }

  raise(vector: number, errorCode: number, cause: string): void {
    this.#profiler.calls.fault++;
    this.#host.raise(vector, errorCode, cause);
  }

  callHelper(call: HelperCall): boolean {
    const { helpers } = this.#profiler;
    helpers.set(call.name, (helpers.get(call.name) ?? 0) + 1);
    return this.#host.callHelper(call);
  }

  translate(block: number): number {
    this.#profiler.calls.translate++;
    return this.#host.translate(block);
  }
}
