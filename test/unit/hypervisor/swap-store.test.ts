import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createSwapFiles } from '../../../src/host/swap-files.ts';
import { SwapStore } from '../../../src/hypervisor/shares/swap-store.ts';
import { randomCounts } from '../../support/save-restore.ts';

const PAGE = 4096;
const { codec, open } = createSwapFiles();
const random = randomCounts(5);

const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');

/** A page of which about so many bytes cannot be deflated. */
function page(noise: number): Uint8Array {
  const bytes = new Uint8Array(PAGE).fill(1 + random(255));
  let state = random(2 ** 32) | 1;
  for (let index = 0; index < noise; index++) {
    state = Math.imul(state, 1_664_525) + 1_013_904_223;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

describe('a swap store', () => {
  it('gives back what it was given, in as much room as it may have, whatever comes and goes', () => {
    const limit = 256 * 1024;
    const store = new SwapStore(open(undefined), codec, limit);
    const kept = new Map<number, Uint8Array>();
    let refused = 0;
    for (let step = 0; step < 3_000; step++) {
      const slots = [...kept.keys()];
      const slot = slots[random(Math.max(slots.length, 1))];
      if (slot !== undefined && random(2) === 0) {
        expect(digest(store.read(slot))).toBe(digest(kept.get(slot)!));
        if (random(3) === 0) continue;
        store.release(slot);
        kept.delete(slot);
        expect(() => store.read(slot)).toThrow('nothing is swapped out');
        continue;
      }
      const bytes = page(random(2) * random(PAGE));
      const added = store.write(bytes);
      if (added === undefined) refused++;
      else {
        expect(kept.has(added)).toBe(false);
        kept.set(added, bytes);
      }
      expect(store.bytesInUse).toBeLessThanOrEqual(limit);
    }
    for (const [slot, bytes] of kept) expect(digest(store.read(slot))).toBe(digest(bytes));
    for (const slot of kept.keys()) store.release(slot);
    expect(store.bytesInUse).toBe(0);
    // But for little, it is whole again.
    let pages = 0;
    while (store.write(page(PAGE)) !== undefined) pages++;
    expect(pages).toBeGreaterThanOrEqual((limit / PAGE) * (15 / 16));
    expect(refused).toBeLessThan(1_000);
  });

  it('holds zeros in no room, and pages for as long as somebody has them', () => {
    const store = new SwapStore(open(undefined), codec, PAGE);
    const zeros = store.write(new Uint8Array(PAGE))!;
    expect([store.bytesInUse, store.read(zeros)]).toEqual([0, new Uint8Array(PAGE)]);
    store.share(zeros);
    for (let count = 0; count < 3; count++) store.release(zeros);
    const bytes = page(PAGE);
    const slot = store.write(bytes)!;
    expect(store.bytesInUse).toBe(PAGE);
    expect(store.write(page(0))).toBeUndefined();
    store.share(slot);
    store.release(slot);
    expect(store.read(slot)).toEqual(bytes);
    store.release(slot);
    expect([store.bytesInUse, store.write(page(0)) !== undefined]).toEqual([0, true]);
  });

  it('says so where what it wrote has changed, and takes no more where it cannot write', () => {
    const area = open(undefined);
    const store = new SwapStore(area, codec, 2 ** 20);
    const [raw, deflated] = [store.write(page(PAGE))!, store.write(page(500))!];
    area.write(100, Uint8Array.of(1, 2, 3, 4, 5));
    area.write(PAGE + 20, new Uint8Array(200));
    for (const slot of [raw, deflated]) expect(() => store.read(slot)).toThrow();
    const full = {
      ...{ read: () => new Uint8Array(0), close() {} },
      write(): void {
        throw new Error('no space left on the device');
      },
    };
    const other = new SwapStore(full, codec, 2 ** 20);
    expect([other.write(page(9)), other.bytesInUse, other.failure]).toEqual([
      ...[undefined, 0, 'no space left on the device'],
    ]);
    expect(other.write(new Uint8Array(PAGE))).toBeUndefined();
  });
});
