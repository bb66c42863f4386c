/** A disk image against a plain array of bytes: random reads and writes, whose results must agree. */
import { expect } from 'vitest';
import type { BlockStore } from '../../src/storage/block-store.ts';
import type { createRandom } from './random-transfers.ts';

export interface DiskModel {
  readonly bytes: Uint8Array;
  readonly counts: { reads: number; writes: number; overlapping: number };
}

export const createModel = (bytes: Uint8Array): DiskModel => ({
  bytes: new Uint8Array(bytes),
  counts: { reads: 0, writes: 0, overlapping: 0 },
});

/** Makes `operations` calls without waiting for each; then waits for all. */
export async function exercise(
  store: BlockStore,
  model: DiskModel,
  random: ReturnType<typeof createRandom>,
  { operations, longest }: { readonly operations: number; readonly longest: number },
): Promise<void> {
  const pending: Promise<unknown>[] = [];
  for (let index = 0; index < operations; index++) {
    const offset = random.below(model.bytes.length);
    const length = 1 + random.below(Math.min(longest, model.bytes.length - offset));
    let answer: unknown;
    if (random.chance(50)) {
      const bytes = new Uint8Array(length).fill(random.chance(10) ? 0 : random.below(256));
      bytes[0] = random.below(256);
      answer = store.write(offset, bytes);
      model.bytes.set(bytes, offset);
      model.counts.writes++;
    } else {
      const wanted = model.bytes.slice(offset, offset + length);
      const compare = (found: Uint8Array) => {
        if (Buffer.compare(found, wanted) === 0) return;
        const at = wanted.findIndex((byte, index) => byte !== found[index]);
        throw new Error(`read of ${length} bytes at ${offset}: byte ${at} is ${found[at]}, not ${wanted[at]}`);
      };
      const found = store.read(offset, length);
      answer = found instanceof Promise ? found.then(compare) : compare(found);
      model.counts.reads++;
    }
    if (answer instanceof Promise) {
      model.counts.overlapping++;
      pending.push(answer);
    }
    if (random.chance(3)) pending.push(Promise.resolve(store.flush()));
  }
  await Promise.all(pending);
}

export async function expectSame(store: BlockStore, model: DiskModel): Promise<void> {
  const found = await store.read(0, store.size);
  expect(Buffer.compare(found.subarray(0, model.bytes.length), model.bytes)).toBe(0);
}
