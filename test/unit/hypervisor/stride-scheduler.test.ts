import { describe, expect, it } from 'vitest';
import { StrideScheduler } from '../../../src/hypervisor/shares/stride-scheduler.ts';

/** Runs `slices` slices; a member takes `lengths[name]` of each slice it gets. */
function run(scheduler: StrideScheduler<string>, slices: number, lengths: Record<string, number>) {
  const executed: Record<string, number> = Object.fromEntries(Object.keys(lengths).map((name) => [name, 0]));
  for (let slice = 0; slice < slices; slice++) {
    const name = scheduler.next()!;
    executed[name] += lengths[name];
    scheduler.charge(name, lengths[name]);
  }
  return executed;
}

const createScheduler = (weights: Record<string, number>) => {
  const scheduler = new StrideScheduler<string>();
  for (const [name, weight] of Object.entries(weights)) {
    scheduler.add(name, weight);
    scheduler.wake(name);
  }
  return scheduler;
};

describe('stride scheduler', () => {
  it('shares by weight: 1 to 3', () => {
    const { a, b } = run(createScheduler({ a: 1, b: 3 }), 1000, { a: 1000, b: 1000 });
    expect(b! / a!).toBeCloseTo(3, 1);
    expect(Math.abs(b! / a! - 3) / 3).toBeLessThan(0.02);
  });

  it('counts time, not turns: short slices do not cost a share', () => {
    const { a, b } = run(createScheduler({ a: 1, b: 1 }), 10_000, { a: 100, b: 1000 });
    expect(Math.abs(b! / a! - 1)).toBeLessThan(0.02);
  });

  it('a new weight holds at once: what was run at the old one is not paid for at the new', () => {
    const scheduler = createScheduler({ a: 0.001, b: 1 });
    run(scheduler, 10, { a: 2, b: 2 });
    scheduler.setWeight('a', 1);
    const { a, b } = run(scheduler, 20, { a: 2, b: 2 });
    expect(Math.abs(a! - b!)).toBeLessThanOrEqual(2);
  });

  it('any stretch is fair, not only the whole', () => {
    const scheduler = createScheduler({ a: 2, b: 3, c: 5 });
    for (let stretch = 0; stretch < 10; stretch++) {
      const { a, b, c } = run(scheduler, 100, { a: 1000, b: 1000, c: 1000 });
      expect([a, b, c].map((share) => Math.round(share! / 10_000))).toEqual([2, 3, 5]);
    }
  });

  it('gives no credit for sleep', () => {
    const scheduler = createScheduler({ a: 1, b: 1 });
    scheduler.sleep('b');
    run(scheduler, 1000, { a: 1000 });
    scheduler.wake('b');
    const { a, b } = run(scheduler, 100, { a: 1000, b: 1000 });
    expect(Math.abs(a! - b!)).toBeLessThanOrEqual(1000);
  });

  it('gives no credit for waking again and again', () => {
    const scheduler = createScheduler({ a: 1, b: 1 });
    let [a, b] = [0, 0];
    for (let slice = 0; slice < 1000; slice++) {
      scheduler.wake('b');
      const name = scheduler.next()!;
      if (name === 'a') a += 1000;
      else b += 1000;
      scheduler.charge(name, 1000);
      scheduler.sleep('b');
    }
    expect(b).toBeLessThanOrEqual(a + 1000);
  });

  it('a newcomer starts level with the others', () => {
    const scheduler = createScheduler({ a: 1 });
    run(scheduler, 1000, { a: 1000 });
    scheduler.add('b', 1);
    scheduler.wake('b');
    const { a, b } = run(scheduler, 100, { a: 1000, b: 1000 });
    expect(Math.abs(a! - b!)).toBeLessThanOrEqual(1000);
  });

  it('has nobody to run when all sleep', () => {
    const scheduler = createScheduler({ a: 1 });
    scheduler.sleep('a');
    expect(scheduler.next()).toBeUndefined();
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('refuses the weight %d', (weight) => {
    expect(() => new StrideScheduler<string>().add('a', weight)).toThrow(RangeError);
  });
});
