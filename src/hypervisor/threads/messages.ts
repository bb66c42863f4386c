/**
 * What a host and a thread with a pool of machines say to each other. Each request has a number and gets one reply with it;
 * the thread serves them in order. All is plain data that a structured clone takes along.
 */
import type { TimeCorrection } from '../../base/guest-time.ts';
import type { BalloonFigures, BreakpointHit, BreakpointRequest, MachineExit } from '../../machine/machine.ts';
import type { FixedModules } from '../../machine/pc.ts';
import type { ImageRequest } from '../media/image-opener.ts';
import type { CheckedGuestOptions } from '../options/check-guest-options.ts';
import type { ImageSource } from '../options/media-options.ts';
import type { GuestHead } from '../snapshot/guest-head.ts';
import type { CheckedRestoreOptions, Snapshot } from '../snapshot/snapshot-options.ts';

/** What comes to a machine from outside, between its runs. */
export type MachineInput =
  | { readonly kind: 'serial'; readonly bytes: Uint8Array }
  | { readonly kind: 'press' | 'release'; readonly code: string }
  | { readonly kind: 'power-button' | 'reset' | 'balloon-statistics' | 'clear-breakpoints' }
  | ({ readonly kind: 'time' } & Omit<TimeCorrection, 'instructions'>)
  | { readonly kind: 'balloon-target'; readonly pages: number }
  | { readonly kind: 'add-breakpoint'; readonly request: BreakpointRequest }
  | { readonly kind: 'remove-breakpoint'; readonly id: number };

/** A machine as it is between two runs: see the properties of `Machine` that have these names. */
export interface MachineFacts {
  readonly instructions: number;
  readonly time: number;
  readonly nextAlarm: number;
  readonly halted: boolean;
  readonly timeSlope: number;
  readonly tellsStolen: boolean | undefined;
  readonly memoryInUse: number;
  readonly memoryShared: number;
  /** Of the pool: the same for clones. */
  readonly bytesInUse: number;
  readonly slowness: string | undefined;
  /** Bytes sent to the serial port that the guest has not taken. */
  readonly serialPending: number;
  readonly keyboardHasData: boolean;
  readonly balloon: BalloonFacts | undefined;
  /** Drives whose media can be exchanged. */
  readonly cdrom: DriveFacts | undefined;
  readonly floppies: readonly DriveFacts[];
}

export interface DriveFacts {
  readonly loaded: boolean;
  /** The guest has locked it. */
  readonly locked: boolean;
}

export interface BalloonFacts {
  readonly target: number;
  readonly actual: number;
  readonly givesStatistics: boolean;
  readonly statistics: { readonly updates: number; readonly values: BalloonFigures };
}

/** An error's class does not survive a clone. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
}

/** A `MachineExit` without what is no plain data. */
export type PlainExit =
  | Exclude<MachineExit, { reason: 'error' | 'waiting' | 'breakpoint' }>
  | /** `settle` is answered when it can go on. */ { readonly reason: 'waiting'; readonly executed: number }
  | { readonly reason: 'error'; readonly executed: number; readonly error: PlainError }
  | { readonly reason: 'breakpoint'; readonly executed: number; readonly hit: BreakpointHit };

/** Questions about a machine, answered between runs: methods of `MachineView`. */
export const QUESTIONS = ['registers', 'translate', 'peek', 'peekPhysical', 'screen', 'stateHash'] as const;
export type Question = (typeof QUESTIONS)[number];

/** Who is meant, and what has come for it since the last request. */
export interface ToMachine {
  readonly machine: number;
  readonly inputs: readonly MachineInput[];
}

export interface NewMachine {
  readonly facts: MachineFacts;
  /** RAM, in bytes. */
  readonly memorySize: number;
  readonly hasDrives: boolean;
}

export interface SliceRequest extends ToMachine {
  /** 0: only what has come is taken in. */
  readonly instructions: number;
  /** As in `RunLimits`. */
  readonly time: number | undefined;
  /** Wall-clock ms after which it is cut short. */
  readonly milliseconds: number;
  readonly memoryLimit: number;
  /** One that stands there afterwards is hashed. */
  readonly hashAt: number;
}

export interface SliceReply {
  readonly exit: PlainExit;
  readonly facts: MachineFacts;
  /** Wall-clock ms, what had come included. */
  readonly took: number;
  readonly serial: readonly Uint8Array[];
  readonly debugConsole: readonly Uint8Array[];
  readonly stateHash: string | undefined;
  /** What its owner should know of its drives; and what was tried in vain to boot from. */
  readonly lines: readonly string[];
  readonly tried: readonly string[] | undefined;
}

/** For the pool's first machine: what other threads have compiled. */
export interface FirstMachine {
  readonly machine: number;
  readonly modules: FixedModules | undefined;
}

/** The same and more, for the next thread. */
export interface FirstMade extends NewMachine {
  readonly modules: FixedModules;
}

/** What a snapshot says of a guest besides its machine. */
export type SavedGuest = Pick<GuestHead, 'guest' | 'strokes' | 'output'>;

/** Each kind of request, and what is answered. */
export interface Exchanges {
  create: {
    request: FirstMachine & { readonly name: string; readonly options: CheckedGuestOptions };
    reply: FirstMade;
  };
  restore: {
    request: FirstMachine & { readonly source: ImageSource; readonly options: CheckedRestoreOptions };
    reply: FirstMade & SavedGuest & { readonly name: string };
  };
  /** Taken when what has come is taken in; the machine runs on while it is written. */
  snapshot: { request: ToMachine & SavedGuest & { readonly to: string | undefined }; reply: Snapshot };
  /** Another machine that is as `machine` is. */
  clone: {
    request: ToMachine & { readonly as: number; readonly name: string };
    reply: NewMachine & { readonly original: MachineFacts };
  };
  run: { request: SliceRequest; reply: SliceReply };
  ask: {
    request: ToMachine & { readonly question: Question; readonly parameters: readonly number[] };
    reply: { readonly answer: unknown; readonly facts: MachineFacts };
  };
  /** Answered when it is in; and when it is out, or the guest was asked for it. `drive`: the CD-ROM drive, or a floppy drive. */
  insert: {
    request: ToMachine & { readonly drive: 'cdrom' | number; readonly image: ImageRequest };
    reply: { readonly facts: MachineFacts };
  };
  eject: {
    request: ToMachine & { readonly drive: 'cdrom' | number; readonly force: boolean };
    reply: { readonly facts: MachineFacts };
  };
  settle: { request: { readonly machine: number }; reply: undefined };
  /** What goes wrong with images is answered, in lines. */
  flush: { request: { readonly machine: number }; reply: readonly string[] };
  /** Answered when its images are closed. */
  dispose: { request: { readonly machine: number }; reply: readonly string[] };
}

export type ExchangeKind = keyof Exchanges;

export type Request = {
  [Kind in ExchangeKind]: { readonly number: number; readonly kind: Kind } & Exchanges[Kind]['request'];
}[ExchangeKind];

export type Reply = { readonly number: number } & (
  | { readonly reply: Exchanges[ExchangeKind]['reply'] }
  | { readonly error: PlainError }
);
