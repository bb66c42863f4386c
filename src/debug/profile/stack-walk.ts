/**
 * Who called whom, by the chain of frames that EBP begins: each holds the EBP of the caller and, above it, the address to
 * return to. Nothing here has an effect that the guest could see.
 *
 * Code need not keep such a chain: where EBP holds something else, the walk should notice. A frame counts if it lies
 * above the one before, and if a call stands before the address that it returns to.
 */
import type { Cpu } from '../../cpu/cpu.ts';
import { MODE } from '../../cpu/mode-key.ts';
import { CS, SS } from '../../cpu/segmentation.ts';
import { probeBytes } from '../../machine/probe-memory.ts';

/** Frames at most. */
export const MOST_FRAMES = 32;
const EBP = 5;
const LIMIT = 2 ** 32;

export interface Stack {
  /** CPL 3. */
  readonly user: boolean;
  /** Linear addresses, the innermost first: the next instruction, then of each caller one within its call. */
  readonly addresses: readonly number[];
}

/** The stack of a stopped processor. Only of 32-bit code more than the innermost frame is known. */
export function walkStack(cpu: Cpu): Stack {
  const { state } = cpu;
  const user = state.cpl === 3;
  const wide = (state.modeKey & MODE.CODE64) !== 0;
  const codeBase = state.segments[CS].base;
  const addresses = [wide ? state.ip : (codeBase + state.ip) % LIMIT];
  if ((state.modeKey & (MODE.CODE64 | MODE.CODE32)) !== MODE.CODE32) return { user, addresses };
  const stackBase = state.segments[SS].base;
  let frame = state.reg32(EBP);
  for (let below = -1; frame > below && frame % 4 === 0 && addresses.length < MOST_FRAMES; ) {
    const bytes = probeBytes(cpu, (stackBase + frame) % LIMIT, 8);
    if (bytes.length < 8) break;
    const [caller, returnsTo] = new Uint32Array(bytes.buffer, bytes.byteOffset, 2);
    const linear = (codeBase + returnsTo) % LIMIT;
    if (linear < LONGEST_CALL || !followsCall(probeBytes(cpu, linear - LONGEST_CALL, LONGEST_CALL))) break;
    addresses.push(linear - 1);
    below = frame;
    frame = caller;
  }
  return { user, addresses };
}

const LONGEST_CALL = 7;

/** Whether bytes may end with a near call: E8 with a displacement, or FF /2 with any operand. SDM Vol. 2A, "CALL". */
function followsCall(bytes: Uint8Array): boolean {
  const { length } = bytes;
  if (length < LONGEST_CALL) return false;
  if (bytes[length - 5] === 0xe8) return true;
  return [2, 3, 4, 6, 7].some((size) => bytes[length - size] === 0xff && ((bytes[length - size + 1] >> 3) & 7) === 2);
}
