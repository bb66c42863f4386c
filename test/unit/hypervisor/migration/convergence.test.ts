import { describe, expect, it } from 'vitest';
import { Convergence } from '../../../../src/hypervisor/migration/convergence.ts';

const FEW = { downtime: 100, rounds: 30 };

describe('when a guest has been copied well enough', () => {
  it('is when what it has written takes less than half of the time that it may stand still', () => {
    // 1 ms for ten pages.
    const round = { sent: 10_000, took: 1000 };
    expect(new Convergence(FEW).again({ ...round, written: 501 })).toBe(true);
    expect(new Convergence(FEW).again({ ...round, written: 500 })).toBe(false);
    expect(new Convergence({ ...FEW, downtime: 0 }).again({ ...round, written: 1 })).toBe(true);
    expect(new Convergence({ ...FEW, downtime: 0 }).again({ ...round, written: 0 })).toBe(false);
  });

  it('is after so many rounds at the latest', () => {
    const convergence = new Convergence({ downtime: 0, rounds: 3 });
    const round = { sent: 100, took: 100, written: 10 };
    expect([1, 2, 3].map(() => convergence.again(round))).toEqual([true, true, false]);
    expect(convergence.rounds).toBe(3);
  });

  it('is hastened by 20 per cent when more than half was written again twice, and by 10 more each time after that', () => {
    const convergence = new Convergence(FEW);
    const slow = { sent: 1000, took: 1000 };
    const throttles = [501, 500, 501, 501, 501, 501, 501].map((written) => {
      convergence.again({ ...slow, written });
      return convergence.throttle;
    });
    expect(throttles).toEqual([0, 0, 20, 20, 30, 30, 40]);
    for (let round = 0; round < 20; round++) convergence.again({ ...slow, written: 900 });
    expect(convergence.throttle).toBe(99);
  });
});
