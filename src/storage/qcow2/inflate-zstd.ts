/**
 * Zstandard data in frames, RFC 8878. The library reads frames; here it is found out first where they end, and that none
 * asks for too much memory.
 */
import { Decompress } from 'fzstd';

const MAGIC = 0xfd2f_b528;
/** Skippable frames: any of 16 numbers, then a length. */
const SKIPPABLE = 0x184d_2a50;
const MOST_BLOCK = 2 ** 17;
/** QEMU's compressor needs 2 MiB at most; others may look back further. */
const MOST_WINDOW = 2 ** 23;
const BLOCK = { RLE: 1, RESERVED: 3 } as const;

/**
 * @returns the first `length` bytes of what comes out, or fewer
 * @throws some error for what is no Zstandard data
 */
export function inflateZstd(bytes: Uint8Array, length: number): Uint8Array {
  const result = new Uint8Array(length);
  let done = 0;
  for (let at = 0; done < length && at < bytes.length; ) {
    const rest = bytes.subarray(at);
    const view = new DataView(rest.buffer, rest.byteOffset, rest.byteLength);
    const magic = view.getUint32(0, true);
    if ((magic & ~0xf) >>> 0 === SKIPPABLE) {
      at += view.getUint32(4, true) + 8;
      continue;
    }
    if (magic !== MAGIC) throw new RangeError('no frame');
    const frame = rest.subarray(0, measureFrame(view));
    at += frame.length;
    const stream = new Decompress((chunk) => {
      if (done === length && chunk.length > 0) throw new RangeError('more than is wanted');
      const part = chunk.subarray(0, length - done);
      result.set(part, done);
      done += part.length;
    });
    try {
      stream.push(frame, true);
    } catch (error) {
      if (done < length) throw error;
    }
  }
  return result.subarray(0, done);
}

/** Bytes of the frame at the beginning. */
function measureFrame(view: DataView): number {
  const descriptor = view.getUint8(4);
  const single = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? (single ? 1 : 0) : 1 << sizeFlag;
  const sizeAt = 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3];
  const window = single ? contentSize(view, sizeAt, sizeBytes) : windowSize(view.getUint8(5));
  if (window > MOST_WINDOW) throw new RangeError('the window is too large');
  for (let at = sizeAt + sizeBytes; ; ) {
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    const [last, type, size] = [header & 1, (header >> 1) & 3, header >> 3];
    if (type === BLOCK.RESERVED || size > MOST_BLOCK) throw new RangeError('no block');
    at += 3 + (type === BLOCK.RLE ? 1 : size);
    if (last) return at + (descriptor & 4 ? 4 : 0);
    if (at >= view.byteLength) throw new RangeError('cut off');
  }
}

const windowSize = (byte: number): number => 2 ** (10 + (byte >> 3)) * (1 + (byte & 7) / 8);

function contentSize(view: DataView, at: number, bytes: number): number {
  switch (bytes) {
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true) + 256;
    case 4:
      return view.getUint32(at, true);
    default:
      return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
  }
}
