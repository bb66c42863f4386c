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
}

/** `forth`: from the source to the destination. */
export function createDuplex({ forth = {}, back = {} }: { forth?: WayOptions; back?: WayOptions } = {}): Ends {
  const [there, here] = [createWay(forth), createWay(back)];
  return {
    source: { readable: here.readable, writable: there.writable } as ByteDuplex,
    destination: { readable: there.readable, writable: here.writable } as ByteDuplex,
  };
}

function createWay({ chunk = 2 ** 30, wait, cutAt = Infinity, cutBy = 'end', onCut, pass }: WayOptions) {
  let passed = 0;
  return new TransformStream<Uint8Array, Uint8Array>(
    {
      async transform(given, controller) {
        const bytes = pass ? pass(given) : given;
        for (let at = 0; at < bytes.length; at += chunk) {
          if (passed >= cutAt) return;
          await wait?.();
          const piece = bytes.subarray(at, Math.min(at + chunk, at + cutAt - passed));
          if (piece.length > 0) controller.enqueue(piece);
          passed += piece.length;
          if (passed < cutAt) continue;
          onCut?.();
          if (cutBy === 'error') controller.error(new Error('the cable is cut'));
          else controller.terminate();
          return;
        }
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: 65_536 }),
    new ByteLengthQueuingStrategy({ highWaterMark: 65_536 }),
  );
}
