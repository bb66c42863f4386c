import { describe, expect, it } from 'vitest';
import { Pending } from '../../../src/base/pending.ts';
import { VirtualClock } from '../../../src/base/virtual-clock.ts';

describe('the virtual clock', () => {
  it('fires alarms in order of time and, at equal times, in order of setting', () => {
    const clock = new VirtualClock();
    const fired: string[] = [];
    for (const [name, at] of [
      ['late', 30],
      ['first', 10],
      ['second', 10],
      ['third', 10],
      ['earliest', 5],
    ] as const) {
      clock.setAlarm(at, () => fired.push(`${name} at ${clock.now}`));
    }
    expect(clock.nextAlarm).toBe(5);
    clock.advanceTo(20);
    expect(fired).toEqual(['earliest at 5', 'first at 10', 'second at 10', 'third at 10']);
    expect([clock.now, clock.nextAlarm]).toEqual([20, 30]);
  });

  it('fires what is due when it is asked to, also alarms that firing sets', () => {
    const clock = new VirtualClock();
    let now = 0;
    clock.setSource(() => now);
    const fired: number[] = [];
    clock.setAlarm(10, () => {
      fired.push(10);
      clock.setAlarm(20, () => fired.push(20));
      clock.setAlarm(40, () => fired.push(40));
    });
    clock.fireDue();
    expect(fired).toEqual([]);
    now = 25;
    clock.fireDue();
    expect(fired).toEqual([10, 20]);
    expect(clock.nextAlarm).toBe(40);
  });

  it('forgets a cancelled alarm', () => {
    const clock = new VirtualClock();
    const alarm = clock.setAlarm(10, () => expect.unreachable());
    alarm.cancel();
    alarm.cancel();
    clock.advance(100);
    expect(clock.nextAlarm).toBe(Number.POSITIVE_INFINITY);
    expect(clock.now).toBe(100);
  });

  describe('and an alarm that needs an answer', () => {
    const later = () => {
      let answer: (value: number) => void = () => {};
      const pending = new Pending(() => new Promise<number>((resolve) => (answer = resolve)));
      return {
        pending,
        answer: async (value: number) => {
          answer(value);
          await pending;
          await Promise.resolve();
        },
      };
    };

    it('fires it when both are there, and nothing behind it before', async () => {
      const clock = new VirtualClock();
      let now = 0;
      clock.setSource(() => now);
      const { pending, answer } = later();
      const fired: string[] = [];
      clock.setAlarm(5, () => fired.push('before'));
      clock.setAlarm(10, () => fired.push(`answer ${pending.value}`), { after: pending });
      clock.setAlarm(10, () => fired.push('behind'));
      now = 9;
      clock.fireDue();
      expect([fired, clock.waitsFor]).toEqual([['before'], undefined]);
      now = 10;
      clock.fireDue();
      expect(fired).toEqual(['before']);
      expect(clock.waitsFor).toBe(pending);
      await answer(7);
      expect(clock.waitsFor).toBeUndefined();
      clock.fireDue();
      expect(fired).toEqual(['before', 'answer 7', 'behind']);
    });

    it('does not wait for what was cancelled', () => {
      const clock = new VirtualClock();
      const { pending } = later();
      const alarm = clock.setAlarm(10, () => {}, { after: pending });
      clock.advanceTo(20);
      expect([clock.now, clock.waitsFor]).toEqual([10, pending]);
      alarm.cancel();
      clock.advanceTo(20);
      expect([clock.now, clock.waitsFor]).toEqual([20, undefined]);
    });
  });
});
