/** What becomes of a guest, and what it says about itself. */
import type { InternalError } from '../base/errors.ts';
import type { BreakpointHit } from '../machine/machine.ts';

/** Why a guest no longer runs. */
export type GuestExit =
  /** It switched its power off. */
  | { readonly reason: 'power-off' }
  /** It halted with interrupts disabled: for good. */
  | { readonly reason: 'halted' }
  /** Somebody stopped it: `stop()`, `dispose()`, or the guest itself asked for a reset, with `onReset: 'stop'`. */
  | { readonly reason: 'stopped'; readonly by: 'stop' | 'dispose' | 'guest' }
  /** A triple fault, with `onTripleFault: 'stop'`. `cause`: one line on the fault that could not be delivered. */
  | { readonly reason: 'triple-fault'; readonly cause: string }
  /** It wrote `status` to the debug-exit port. */
  | { readonly reason: 'debug-exit'; readonly status: number }
  /** No drive holds anything to boot, with `onNothingToBoot: 'stop'`. `tried`: a line for each drive. */
  | { readonly reason: 'nothing-to-boot'; readonly tried: readonly string[] }
  /** It has executed as many instructions as it may (`fuel`). */
  | { readonly reason: 'out-of-fuel'; readonly receipt: Receipt }
  /** It is another host's now, by `migrate`, and is never run here again. */
  | { readonly reason: 'migrated' }
  /** A bug of ours, or a page of its memory cannot be had: the snapshot that it is from is gone. Others are not affected. */
  | { readonly reason: 'error'; readonly error: InternalError };

/** What a quota was used up for: whoever runs the same guest for so many instructions comes to the same hash. */
export interface Receipt {
  /** Since power-on. */
  readonly instructions: number;
  /** Over everything that the guest could see. */
  readonly stateHash: string;
}

/**
 * Why `runTo` came back: there; `pause()`; a breakpoint; it stopped (see `exitReason`); it waits, and only input can wake
 * it.
 */
export type RunToResult = 'reached' | 'paused' | 'breakpoint' | 'stopped' | 'idle';

/** created → running ⇄ paused → stopped → disposed. A stopped guest can be run again after `reset()`. */
export type GuestState = 'created' | 'running' | 'paused' | 'stopped' | 'disposed';

export type ResetCause = 'host' | 'guest' | 'triple-fault';

export interface GuestEvents {
  exit: [exit: GuestExit];
  /** Halted, and nothing but input can wake it. */
  idle: [];
  /** A breakpoint was met: the guest is paused. */
  breakpoint: [hit: BreakpointHit];
  /**
   * It needed memory beyond its share of the host's, or its pool's, and none could be got: it is paused. After `run()` it goes on until
   * it needs more again.
   */
  memory: [];
  /** It was reset: by `reset()`, by the guest itself, or because of a triple fault. `explanation`: one line on why. */
  reset: [cause: ResetCause, explanation?: string];
  /** One line on what its owner should know: it is held because nobody reads its output, it resets too often, … */
  warning: [line: string];
}

/** Whose listener threw. */
export interface ListenerErrorSource {
  /** Name of the guest. */
  readonly guest: string;
  /** The event: "exit", "serial.data", … */
  readonly event: string;
}
