import { describe, expect, it } from 'vitest';
import type { Translation } from '../../../../../src/engine/jit/cache/translation.ts';
import { TranslationStore } from '../../../../../src/engine/jit/cache/translation-store.ts';

const translation = (offset: number, ...bytes: number[]): Translation => ({
  compiled: () => {},
  size: 'full',
  instructions: 1,
  pages: [0],
  traces: [{ offset, length: bytes.length, bytes: Uint8Array.from(bytes) }],
  entries: [0],
  jumps: [],
  calls: new Set(),
  exits: [],
});
const at = (store: TranslationStore, offset: number, first: number) => [...store.beginningAt(offset, first)];

describe('translations that are kept', () => {
  it('are found by where they begin, and their first byte', () => {
    const store = new TranslationStore();
    const [one, other, elsewhere] = [translation(5, 0x40, 1), translation(5, 0x40, 2), translation(6, 0x40, 1)];
    for (const each of [one, other, elsewhere]) store.add(each, () => true);
    expect(at(store, 5, 0x40)).toEqual([one, other]);
    expect(at(store, 6, 0x40)).toEqual([elsewhere]);
    expect(at(store, 5, 0x41)).toEqual([]);
    expect(at(store, 4, 0x40)).toEqual([]);
  });

  it('are a bounded number: those at work stay', () => {
    const store = new TranslationStore();
    const working = new Set([translation(1, 1), translation(2, 2)]);
    const atWork = (one: Translation) => working.has(one);
    for (const one of working) store.add(one, atWork);
    const count = () => {
      let sum = 0;
      for (let offset = 0; offset < 4096; offset++) sum += at(store, offset, 0x90).length;
      return sum;
    };
    const counts = new Set<number>();
    for (let number = 0; number < 20_000; number++) {
      store.add(translation(number % 4096, 0x90), atWork);
      if (number % 500 === 0) counts.add(count());
    }
    expect(Math.max(...counts)).toBeLessThanOrEqual(3000);
    expect(Math.max(...counts)).toBeGreaterThan(1500);
    expect([at(store, 1, 1).length, at(store, 2, 2).length]).toEqual([1, 1]);
  });
});
