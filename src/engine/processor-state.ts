/** A processor between two runs as plain data: what a snapshot keeps of it. No translations: it begins with an empty TLB. */
import { GuestFault } from '../cpu/fault.ts';
import type { SavedRegisters } from '../cpu/saved-registers.ts';

/** Raised whenever the shape or the meaning of `ProcessorState` changes. */
export const PROCESSOR_STATE_VERSION = 1;

export interface ProcessorState {
  readonly version: number;
  /** Name of the CPU model. */
  readonly model: string;
  /** Instructions retired since power-on. */
  readonly instructions: number;
  /** Guest time as `GuestTime` has it. */
  readonly time: SavedTime;
  readonly registers: SavedRegisters;
  /** What the instruction before this boundary holds off. */
  readonly shadow: 'none' | 'interrupts' | 'all';
  /** How many kinds of events have had their turn at this boundary. */
  readonly eventsDone: number;
  /** INTR, and NMI with the edge that has not been taken. */
  readonly intr: 0 | 1;
  readonly nmi: 0 | 1;
  readonly nmiPending: boolean;
  /** The next instruction must run by itself. */
  readonly alone: boolean;
  /** A trap that is due, and an exception that was met while another event was delivered. */
  readonly trap: SavedFault | null;
  readonly followUp: SavedFault | null;
  /** It has shut down after a triple fault. */
  readonly shutdown: boolean;
}

/** A piece of `GuestTime`: with `instructions` retired it was `time` (ns), and rises by `slope` per instruction. */
export interface SavedTime {
  readonly instructions: number;
  readonly time: number;
  /** In units of 2^-16 ns. */
  readonly slope: number;
}

export interface SavedFault {
  readonly vector: number;
  readonly errorCode: number | null;
  readonly address: number | null;
  readonly kind: GuestFault['kind'];
  /** For people: the check that failed. */
  readonly check: string;
}

export const saveFault = (fault: GuestFault | undefined): SavedFault | null =>
  fault
    ? {
        vector: fault.vector,
        errorCode: fault.errorCode ?? null,
        address: fault.address ?? null,
        kind: fault.kind,
        check: fault.cause.check,
      }
    : null;

export function restoreFault(saved: SavedFault | null): GuestFault | undefined {
  if (saved === null) return undefined;
  const { vector, errorCode, address, kind, check } = saved;
  return new GuestFault({
    vector,
    kind,
    cause: { check },
    ...(errorCode === null ? {} : { errorCode }),
    ...(address === null ? {} : { address }),
  });
}
