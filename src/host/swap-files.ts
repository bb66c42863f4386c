/**
 * Where guests are swapped out to.
 * @see `hypervisor/shares/swap-files.ts`, whose interface this implements.
 */
import { UserError } from '../base/errors.ts';
import { openSwapFile, type SwapFile } from './node/swap-file.ts';
import { createSnapshotCodec, type SnapshotCodec } from './snapshot-codec.ts';

export interface HostSwapFiles {
  readonly codec: Pick<SnapshotCodec, 'deflate' | 'inflate'>;
  open(path: string | undefined): SwapFile;
}

export function createSwapFiles(): HostSwapFiles {
  return {
    codec: createSnapshotCodec(),
    open(path) {
      if (path === undefined) return new MemoryArea();
      const { process } = globalThis as { process?: { getBuiltinModule?: unknown } };
      if (typeof process?.getBuiltinModule !== 'function')
        throw new UserError('swap: path: there are no files here; leave it out, and it is kept in memory');
      return openSwapFile(path);
    },
  };
}

const PIECE = 2 ** 20;

/** Memory in pieces, made when they are first written. */
class MemoryArea implements SwapFile {
  #pieces: Uint8Array[] = [];

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    eachPiece(offset, length, (piece, at, from, to) =>
      bytes.set(this.#pieces[piece].subarray(at, at + to - from), from),
    );
    return bytes;
  }

  write(offset: number, bytes: Uint8Array): void {
    eachPiece(offset, bytes.length, (piece, at, from, to) => {
      this.#pieces[piece] ??= new Uint8Array(PIECE);
      this.#pieces[piece].set(bytes.subarray(from, to), at);
    });
  }

  close(): void {
    this.#pieces = [];
  }
}

/** For the parts of a range that lie in one piece each: where they are in it, and from where to where in the range. */
function eachPiece(
  offset: number,
  length: number,
  action: (piece: number, at: number, from: number, to: number) => void,
): void {
  for (let from = 0, to = 0; from < length; from = to) {
    const at = (offset + from) % PIECE;
    to = Math.min(from + PIECE - at, length);
    action(Math.floor((offset + from) / PIECE), at, from, to);
  }
}
