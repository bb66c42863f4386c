/** A machine as the hypervisor sees it: something that runs for a while and says why it came back. */
import type { InternalError } from '../base/errors.ts';
import type { TimeCorrection } from '../base/guest-time.ts';
import type { Pending } from '../base/pending.ts';
import type { Medium } from '../bus/medium.ts';
import type { BalloonFigures } from '../devices/virtio/balloon-statistics.ts';
import type { BreakpointHit, Breakpoints } from '../engine/breakpoints.ts';
import type { SwapSpace } from '../memory/page-source.ts';
import type { ScannerFigures } from '../memory/scanner-figures.ts';
import type { MachineView } from './machine-view.ts';

export { DEFAULT_INSTRUCTION_TIME } from '../base/guest-time.ts';
export { isKey } from '../devices/ps2-keyboard.ts';
export type { BalloonFigures } from '../devices/virtio/balloon-statistics.ts';
export {
  type Breakpoint,
  type BreakpointHit,
  type BreakpointKind,
  type BreakpointRequest,
  BreakpointSet,
  type Breakpoints,
} from '../engine/breakpoints.ts';
export { ENGINES, type EngineName } from '../engine/engine-name.ts';

export type MachineExit = { /** Instructions retired in this run. */ readonly executed: number } & (
  | /** The instructions given are used up. */ { readonly reason: 'budget' }
  | /** Halted, and the next alarm lies beyond the limit given. */ { readonly reason: 'time' }
  | /** An output channel is full: its listener has been called, the run can go on. */ { readonly reason: 'output' }
  | /** It has needed memory beyond its limit: it can go on, and ends like this again when it needs more. */ {
      readonly reason: 'memory';
    }
  | /** Halted, no alarm set: only input can wake it. */ { readonly reason: 'idle' }
  | /** Guest time stands still until the host has answered: another run before that gets no further. */ {
      readonly reason: 'waiting';
      readonly answer: Pending<unknown>;
    }
  | /** Halted with interrupts disabled: for good. */ { readonly reason: 'halted' }
  | /** A triple fault: the processor has shut down. */ {
      readonly reason: 'triple-fault';
      /** One line: the fault that could not be delivered. */
      readonly cause: string;
    }
  | /** The guest asserted its reset line. */ { readonly reason: 'reset' }
  | /** The guest has switched its power off. */ { readonly reason: 'power-off' }
  | /** The guest wrote `status` to the debug-exit port. */ { readonly reason: 'debug-exit'; readonly status: number }
  | /** A breakpoint was met. */ { readonly reason: 'breakpoint'; readonly hit: BreakpointHit }
  | /** A bug of ours; the machine cannot go on. */ { readonly reason: 'error'; readonly error: InternalError }
);

export interface RunLimits {
  readonly instructions: number;
  /** Guest time, in ns, up to which a halted machine may wait; one that executes is not held by it. Default: no end. */
  readonly time?: number | undefined;
  /** Asked every so often; true: come back at the next instruction boundary, with reason `budget`. The guest can't tell. */
  readonly overdue?: (() => boolean) | undefined;
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

/** Keys of a keyboard, by the names of W3C `KeyboardEvent.code`. */
export interface KeyInput {
  hasKey(code: string): boolean;
  press(code: string): boolean;
  release(code: string): boolean;
  /** Something waits that the guest has not taken. */
  readonly hasData: boolean;
}

/** A CD-ROM drive, between runs. */
export interface DiscDrive {
  insert(medium: Medium): void;
  /** @returns false if the guest has locked it, and not by force */
  eject(options?: { readonly force?: boolean }): boolean;
}

/** Floppy drives A (0) and B (1), between runs. */
export interface FloppyController {
  /** @throws UserError if the disk does not go into the drive */
  insert(drive: number, medium: Medium): void;
  eject(drive: number): void;
}

/** A memory balloon, between runs: what is asked of it is outside input. Pages are of 4 KiB. */
export interface MemoryBalloon {
  /** Pages that the guest is asked to give back, and that it says it has given. */
  readonly target: number;
  readonly actual: number;
  /** What the guest has said of its memory, and how often. */
  readonly statistics: { readonly updates: number; readonly values: BalloonFigures };
  /** The guest has a driver that gives figures when asked. */
  readonly givesStatistics: boolean;
  setTarget(pages: number): void;
  /** Asks the guest for new figures. @returns false if it has no driver that gives any */
  requestStatistics(): boolean;
}

/** What holds the memory of one machine, or of several: its clones, and those that were put there with it. */
export interface MemoryPool {
  /** Bytes of frames, each counted once; and what would be in use besides if each holder had its own. */
  readonly bytesInUse: number;
  readonly bytesSaved: number;
  /** Bytes in use that should not be exceeded: a machine that does comes back with reason `memory`. Default: no end. */
  limit: number;
  /** Before a run. @returns false if there is too little room for one */
  prepare(): boolean;
  /** Looks for equal pages, between runs of all machines in it. */
  readonly scanner: {
    /** Goes on for about so many units of work. @returns units spent */
    scan(units: number): number;
    /** Units of a round through all that is there now, at the most. */
    readonly roundUnits: number;
    readonly figures: ScannerFigures;
  };
}

export interface Machine extends MachineView {
  readonly keyboard: KeyInput;
  readonly cdrom?: DiscDrive | undefined;
  readonly floppy?: FloppyController | undefined;
  readonly balloon?: MemoryBalloon | undefined;
  readonly serial: ByteChannel;
  /** Ports E9h and 402h; nothing can be sent. */
  readonly debugConsole: ByteChannel;
  /** Guest time of the next alarm, Infinity if none is set. */
  readonly nextAlarm: number;
  readonly breakpoints: Breakpoints;
  /** Host memory that it should not exceed, in bytes (`memoryInUse`). Default: no end. */
  memoryLimit: number;
  readonly memoryPool: MemoryPool;
  /**
   * Between runs: sends at most `bytes` of what it has not used lately to `swap`. The guest cannot tell.
   * @returns bytes given back
   */
  swapOut(bytes: number, swap: SwapSpace): number;
  /** Of guest time, in units of 2^-16 ns per instruction. */
  readonly timeSlope: number;
  /** The guest wants to know of time that others had while it was ready. */
  readonly tellsStolen?: boolean | undefined;
  /**
   * Between runs: guest time goes on at `time`, or where it is if that is later, and rises by `slope` from now on. Apart
   * from what is sent to it, this is all of the outside world that a machine gets to know: the same corrections at the
   * same counts give the same run.
   */
  correctTime(correction: Omit<TimeCorrection, 'instructions'>): void;
  /** One line on what makes it slower than it should be. It never becomes undefined again. */
  readonly slowness?: string | undefined;
  /** Called for each correction, with what feeds it back: see `replayTime`. */
  onTimeCorrection: ((correction: TimeCorrection) => void) | undefined;
  /** Runs the guest. Never throws. */
  run(limits: RunLimits): MachineExit;
  /** The power button, pressed for a moment: the guest is told, and may power off. */
  pressPowerButton(): void;
  /** The reset button: chips and processor as after power-on, then booted again. */
  reset(): void;
  /** Gives all memory back. The machine must not be used afterwards. */
  dispose(): void;
}
