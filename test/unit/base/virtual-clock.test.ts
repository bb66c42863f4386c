import { describe, expect, it } from 'vitest';
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
});
