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
}
