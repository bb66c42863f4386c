/** What moves a paused guest from the monitor: some instructions, over a call, up to a breakpoint. It is paused again afterwards. */

import { codeSize } from '../cpu/mode-key.ts';
import { instructionAddress } from '../debug/address-expression.ts';
import type { PcGuest } from '../hypervisor/create-guest.ts';
import { createDecoder, isFailure } from '../isa/decoder.ts';
import { INSTRUCTIONS } from '../isa/table.ts';
import type { BreakpointHit } from '../machine/machine.ts';
import { probeBytes } from '../machine/probe-memory.ts';

/** How a command that takes long deals with the user. */
export interface Patience {
  /** Aborted when the user has enough. */
  readonly signal: AbortSignal;
  /** Told now and then how far it is. */
  readonly onProgress?: ((step: string, percent?: number) => void) | undefined;
}

/** So many are done at once, without giving others a turn. */
const FEW = 100;
/** Milliseconds between two words on how far it is. */
const PROGRESS_INTERVAL = 200;
const LONGEST_INSTRUCTION = 15;
const ESP = 4;
const NEVER = Number.MAX_SAFE_INTEGER;

/** @returns whether it was interrupted. @throws StateError if the guest has stopped */
export async function stepMany(guest: PcGuest, count: number, patience: Patience): Promise<boolean> {
  if (count > FEW) return runTo(guest, guest.instructions + Math.min(count, NEVER - guest.instructions), patience);
  let hit = false;
  const off = guest.on('breakpoint', () => {
    hit = true;
  });
  guest.step();
  for (let done = 1; done < count && !hit && guest.state !== 'stopped'; done++) guest.step();
  off();
  return false;
}

/** Until a breakpoint, or until the instruction at an address is next. Otherwise as above. */
export async function goOn(guest: PcGuest, address: number | undefined, patience: Patience): Promise<boolean> {
  if (address === undefined) return runTo(guest, NEVER, patience);
  const target = guest.breakpoints.add({ address });
  try {
    return await runTo(guest, NEVER, patience);
  } finally {
    if (guest.state !== 'disposed') guest.breakpoints.remove(target);
  }
}

/** One instruction; of a call, an interrupt or a repeated instruction all that it leads to. Otherwise as above. */
export async function stepOver(guest: PcGuest, patience: Patience): Promise<boolean> {
  const { processor } = guest.machine;
  const from = instructionAddress(processor);
  const length = lengthIfSteppedOver(guest, from);
  if (length === undefined) return stepMany(guest, 1, patience);
  const stack = processor.state.reg32(ESP);
  for (;;) {
    let met: BreakpointHit | undefined;
    const behind = (from + length) % 2 ** 32;
    const off = guest.on('breakpoint', (hit) => {
      met = hit;
    });
    const interrupted = await goOn(guest, behind, patience);
    off();
    // Deeper in the stack, it is a call of the same code from within.
    const deeper = processor.state.reg32(ESP) < stack;
    if (interrupted || guest.state !== 'paused' || met?.address !== behind || !deeper) return interrupted;
  }
}

/** Undefined: the instruction is to be stepped into. */
function lengthIfSteppedOver({ machine: { processor } }: PcGuest, address: number): number | undefined {
  const bytes = probeBytes(processor, address, LONGEST_INSTRUCTION);
  const decoded = createDecoder(INSTRUCTIONS).decode(bytes, 0, codeSize(processor.state.modeKey));
  if (isFailure(decoded)) return undefined;
  const { row, repeat, length } = decoded;
  return /^(call|int)/.test(row.mnemonic) || repeat !== 'none' ? length : undefined;
}

async function runTo(guest: PcGuest, instructions: number, { signal, onProgress }: Patience): Promise<boolean> {
  const start = guest.instructions;
  const show = (): void => {
    const done = guest.instructions - start;
    const percent = instructions === NEVER ? undefined : (100 * done) / (instructions - start);
    onProgress?.(`${done.toLocaleString('en')} instructions; Ctrl-C interrupts`, percent);
  };
  const timer = setInterval(show, PROGRESS_INTERVAL);
  try {
    await guest.runTo(instructions, { signal });
    return false;
  } catch (error) {
    if (!signal.aborted) throw error;
    return true;
  } finally {
    clearInterval(timer);
  }
}
