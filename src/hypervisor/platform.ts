/** What the hypervisor needs of the world around it: the only way wall-clock time comes in. */
export interface Platform {
  /** Wall-clock time in ms, from any origin, never going back. */
  now(): number;
  /** Lets the world (timers, sockets, terminals) have its turn. */
  yield(): Promise<void>;
  /** Calls `action` after `ms` milliseconds. @returns a function that cancels it. */
  delay(ms: number, action: () => void): () => void;
  /**
   * Compiles code that will run hot from its first moment. Default: as `new WebAssembly.Module` does.
   * @returns a `WebAssembly.Module`; not named so, because a program's types may know neither browsers nor Node
   */
  compile?(bytes: Uint8Array): object;
  /**
   * Compiles code that was translated because the guest runs it often: many small modules, each when a guest waits for
   * it. Default: as `new WebAssembly.Module` does. Where it throws, that code is interpreted.
   * @returns a `WebAssembly.Module`
   */
  compileRegions?(bytes: Uint8Array): object;
  /** WebAssembly's tail calls work, between modules too, and are cheaper than to return and be called. Default false. */
  readonly fastTailCalls?: boolean;
  /** Starts a thread that runs the worker's program (`src/worker.ts`). Default: no guest runs in a thread of its own. */
  startWorker?(): WorkerPort;
}

/** A thread, as who started it sees it. Nothing is lost that comes before a listener is set, in the same turn. */
export interface WorkerPort {
  /** A structured clone goes there; of what is in `transfer`, the thing itself. */
  post(message: object, transfer?: readonly ArrayBuffer[]): void;
  onMessage: ((message: unknown) => void) | undefined;
  /** It has ended by itself, or cannot be reached. Nothing comes behind it. */
  onEnd: ((reason: Error) => void) | undefined;
  /** Whether the process goes on for its sake. At first: yes. */
  keepAlive(wanted: boolean): void;
  terminate(): void;
}
