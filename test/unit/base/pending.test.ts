import { describe, expect, it } from 'vitest';
import { Pending } from '../../../src/base/pending.ts';

const failed = new Error('planted');

describe('an answer that is awaited', () => {
  it('is there at once where the work is', () => {
    const pending = new Pending(() => 7);
    expect([pending.settled, pending.value]).toEqual([true, 7]);
    let told = 0;
    pending.whenSettled(() => told++);
    expect(told).toBe(1);
  });

  it('comes later where a promise does; who waits is told once', async () => {
    let resolve: (value: number) => void = () => {};
    const pending = new Pending(() => new Promise<number>((done) => (resolve = done)));
    let told = 0;
    pending.whenSettled(() => told++);
    expect(pending.settled).toBe(false);
    expect(() => pending.value).toThrow(TypeError);
    resolve(8);
    await Promise.resolve();
    expect([pending.settled, pending.value, told]).toEqual([true, 8, 1]);
  });

  it.each([
    [
      'thrown',
      () => {
        throw failed;
      },
    ],
    ['rejected', () => Promise.reject(failed)],
  ])('that was %s throws where it is asked for', async (_, work) => {
    const pending = new Pending<number>(work);
    let told = 0;
    pending.whenSettled(() => told++);
    await Promise.resolve();
    await Promise.resolve();
    expect([pending.settled, told]).toEqual([true, 1]);
    expect(() => pending.value).toThrow(failed);
  });
});
