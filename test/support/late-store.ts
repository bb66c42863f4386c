/** A store that answers later what another answers, after a number of turns that differs from call to call. */
import type { ByteStore } from '../../src/storage/block-store.ts';
import { createRandom } from './random-transfers.ts';

export function lateStore(store: ByteStore, seed = 1): ByteStore {
  const random = createRandom(seed);
  const late = async <Value>(action: () => Value | Promise<Value>): Promise<Value> => {
    for (let turns = random.below(4); turns >= 0; turns--) await undefined;
    return action();
  };
  return {
    get size() {
      return store.size;
    },
    read: (offset, length) => late(() => store.read(offset, length)),
    ...(store.write && { write: (offset: number, bytes: Uint8Array) => late(() => store.write!(offset, bytes)) }),
    flush: () => late(() => store.flush?.()),
    close: () => late(() => store.close()),
  };
}
