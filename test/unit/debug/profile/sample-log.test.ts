import { describe, expect, it } from 'vitest';
import { SampleLog } from '../../../../src/debug/profile/sample-log.ts';

const stack = (...addresses: number[]) => ({ user: false, addresses });

describe('SampleLog', () => {
  it('keeps samples in order; equal stacks are one object', () => {
    const log = new SampleLog(10);
    for (const one of [stack(1, 2), stack(3), stack(1, 2)]) log.add(one);
    log.add({ user: true, addresses: [3] });
    expect(log.samples).toEqual([stack(1, 2), stack(3), stack(1, 2), { user: true, addresses: [3] }]);
    expect(log.samples[2]).toBe(log.samples[0]);
    expect(log.interval).toBe(10);
  });

  it('drops every other one when there are too many; each of the rest stands for twice as much', () => {
    const log = new SampleLog(10, 4);
    for (let count = 1; count <= 4; count++) log.add(stack(count));
    expect(log.samples.map(({ addresses }) => addresses[0])).toEqual([2, 4]);
    expect(log.interval).toBe(20);
    for (let count = 6; count <= 100; count++) log.add(stack(count));
    expect(log.samples.length).toBeLessThan(4);
  });
});
