/** Where a processor stands in its code. */
import { MODE } from '../../cpu/mode-key.ts';
import { CS } from '../../cpu/segmentation.ts';
import type { LockstepMachine } from './lockstep-machine.ts';

export interface CodePlace {
  readonly selector: number;
  readonly ip: number;
  readonly linear: number;
  /** Of the code segment. */
  readonly width: 16 | 32 | 64;
  /** From there on, as far as they are mapped: enough for a short block. */
  readonly bytes: Uint8Array;
}

const BYTES = 48;

/** Of the instruction that comes next (an exception or interrupt may come before it). */
export function codePlaceOf(machine: LockstepMachine): CodePlace {
  const { state } = machine.processor;
  const { selector, base } = state.segments[CS];
  const width = state.modeKey & MODE.CODE64 ? 64 : state.modeKey & MODE.CODE32 ? 32 : 16;
  const linear = width === 64 ? state.ip : (base + state.ip) >>> 0;
  return { selector, ip: state.ip, linear, width, bytes: machine.peek(linear, BYTES) };
}
