/**
 * Code that no frame backs: in memory-mapped space (video memory, a ROM behind a device), or where nothing answers.
 * Reading may have an effect, so that each byte is read once, in order, and no further than the instruction goes; and
 * what was read may be something else the next time, so that nothing of it is kept.
 */
import { type Decoder, isFailure, MAX_INSTRUCTION_LENGTH } from '../isa/decoder.ts';
import type { Mode } from '../isa/encoding.ts';

/** The bytes of one instruction: as many as tell what it is, at most `available`. */
export function fetchBytewise(
  decoder: Decoder,
  code: { readonly mode: Mode; readonly available: number; readonly byteAt: (index: number) => number },
): Uint8Array {
  const bytes = new Uint8Array(Math.min(code.available, MAX_INSTRUCTION_LENGTH));
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = code.byteAt(index);
    const read = bytes.subarray(0, index + 1);
    const decoded = decoder.decode(read, 0, code.mode);
    if (!isFailure(decoded) || decoded.failure !== 'incomplete') return read;
  }
  return bytes;
}
