/** Two ends of a stream of bytes, in memory, that can be slow, cut into small pieces, listened to, and broken. */
import type { ByteDuplex } from '../../src/index.ts';

export interface WayOptions {
  /** Bytes that are handed on at once, at most. */
  readonly chunk?: number;
  /** Called before each piece is handed on. */
  readonly wait?: () => Promise<void>;
  /** So many bytes pass; then the stream has ended: cleanly, or with an error. */
  readonly cutAt?: number | undefined;
  readonly cutBy?: 'end' | 'error';
  /** Called when it is cut. */
  readonly onCut?: () => void;
  /** Hears, and may change, all that passes. */
  readonly pass?: (bytes: Uint8Array) => Uint8Array;
}

export interface Ends {
  readonly source: ByteDuplex;
  readonly destination: ByteDuplex;
  /** Nothing passes any more, either way. */
  cut(): void;
}

/** `forth`: from the source to the destination. */
export function createDuplex({ forth = {}, back = {} }: { forth?: WayOptions; back?: WayOptions } = {}): Ends {
  const [there, here] = [createWay(forth), createWay(back)];
  return {
    source: { readable: here.stream.readable, writable: there.stream.writable } as ByteDuplex,
    destination: { readable: there.stream.readable, writable: here.stream.writable } as ByteDuplex,
    cut() {
      there.cut();
      here.cut();
    },
  };
}

function createWay({ chunk = 2 ** 30, wait, cutAt = Infinity, cutBy = 'end', onCut, pass }: WayOptions) {
  let passed = 0;
  let isCut = false;
  let controller: TransformStreamDefaultController<Uint8Array> | undefined;
  const cut = (): void => {
    if (isCut) return;
    isCut = true;
    if (cutBy === 'error') controller!.error(new Error('the cable is cut'));
    else controller!.terminate();
    onCut?.();
  };
  const stream = new TransformStream<Uint8Array, Uint8Array>(
    {
      start(given) {
        controller = given;
        if (cutAt === 0) cut();
      },
      async transform(given) {
        const bytes = pass ? pass(given) : given;
        for (let at = 0; at < bytes.length && !isCut; at += chunk) {
          await wait?.();
          if (isCut) return;
          const piece = bytes.subarray(at, Math.min(at + chunk, bytes.length, at + cutAt - passed));
          if (piece.length > 0) controller!.enqueue(piece);
          passed += piece.length;
          if (passed >= cutAt) cut();
        }
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: 65_536 }),
    new ByteLengthQueuingStrategy({ highWaterMark: 65_536 }),
  );
  return { stream, cut };
}
