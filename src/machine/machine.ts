/** A machine as the hypervisor sees it: something that runs for a while and says why it came back. */
import type { InternalError } from '../base/errors.ts';

export type MachineExit = { /** Instructions retired in this run. */ readonly executed: number } & (
  | /** The instructions given are used up. */ { readonly reason: 'budget' }
  | /** Guest time has reached the limit given. */ { readonly reason: 'time' }
  | /** An output channel is full: its listener has been called, the run can go on. */ { readonly reason: 'output' }
  | /** Halted, no alarm set: only input can wake it. */ { readonly reason: 'idle' }
  | /** Halted with interrupts disabled: for good. */ { readonly reason: 'halted' }
  | /** A triple fault: the processor has shut down. */ { readonly reason: 'triple-fault' }
  | /** The guest asserted its reset line. */ { readonly reason: 'reset' }
  | /** The guest wrote `status` to the debug-exit port. */ { readonly reason: 'debug-exit'; readonly status: number }
  | /** A bug of ours; the machine cannot go on. */ { readonly reason: 'error'; readonly error: InternalError }
);

export interface RunLimits {
  readonly instructions: number;
  /** Guest time, in ns, at which to come back. */
  readonly time?: number;
}

/** A byte stream between a chip of the machine and the world. */
export interface ByteChannel {
  /**
   * Called with what the guest sent, in order, as the last thing that `run` does: it may do anything to the machine.
   * A run that has filled a channel ends early, so that this is never much more than 64 KiB.
   */
  onOutput: ((bytes: Uint8Array) => void) | undefined;
  /** Queues bytes for the guest; it takes them at its own pace and none is lost. */
  send(bytes: Uint8Array): void;
  /** Bytes sent that the guest has not taken yet. */
  readonly pending: number;
}

export interface Machine {
  readonly serial: ByteChannel;
  /** Ports E9h and 402h; nothing can be sent. */
  readonly debugConsole: ByteChannel;
  /** Instructions retired since power-on, over all resets. */
  readonly instructions: number;
  /** Guest time in ns since power-on. */
  readonly time: number;
  /** Guest time of the next alarm, Infinity if none is set. */
  readonly nextAlarm: number;
  /** Whether the processor waits in HLT. */
  readonly halted: boolean;
  /** Runs the guest. Never throws. */
  run(limits: RunLimits): MachineExit;
  /** The reset button: chips and processor as after power-on, then booted again. */
  reset(): void;
  /** A hash over everything a guest could see. Equal histories give equal hashes. */
  stateHash(): string;
  /** Gives all memory back. The machine must not be used afterwards. */
  dispose(): void;
}
