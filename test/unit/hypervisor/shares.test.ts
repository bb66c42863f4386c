/** Shares are processor time: what a guest does to its host's clock is charged to it. */
import { describe, expect, it } from 'vitest';
import type { Guest } from '../../../src/hypervisor/guest.ts';
import { Host } from '../../../src/hypervisor/host.ts';
import type { GuestSettings } from '../../../src/hypervisor/options/guest-options.ts';
import { FakeMachine } from '../../support/fake-machine.ts';
import { FakePlatform } from '../../support/fake-platform.ts';

/** What a guest's work takes, in ms of the host. */
interface Price {
  readonly instruction: number;
  readonly reset?: number;
}

const CHEAP: Price = { instruction: 2e-6 };
const DEAR: Price = { instruction: 5e-3 };

function createHost(...members: { machine?: FakeMachine; price: Price; settings?: Partial<GuestSettings> }[]) {
  const platform = new FakePlatform();
  platform.step = 0;
  platform.turn = 0.01;
  const host = new Host({ platform });
  const guests = members.map(({ machine = new FakeMachine(), price, settings }, index) => {
    machine.onWork = ({ instructions, resets }) => {
      platform.time += instructions * price.instruction + resets * (price.reset ?? 0);
    };
    return host.adopt(machine, { name: `guest ${index}`, ...settings });
  });
  /** Lets all run for so much of the host's time, timers included. */
  const runFor = async (milliseconds: number): Promise<void> => {
    for (const guest of guests) void guest.run();
    const end = platform.time + milliseconds;
    while (platform.time < end) {
      const before = platform.time;
      for (let turn = 0; turn < 20 && platform.time === before; turn++) await Promise.resolve();
      // Nobody runs: the next thing to happen is that a timer fires.
      if (platform.time === before) platform.time = Math.min(end, ...platform.timers.map(({ at }) => at));
      for (const due of platform.timers.filter(({ at }) => at <= platform.time)) {
        platform.timers = platform.timers.filter((timer) => timer !== due);
        due.action();
      }
    }
    for (const guest of guests) guest.stop();
  };
  return { platform, host, guests, runFor };
}

const share = ([first, second]: readonly Guest[]): number => first!.processorTime / second!.processorTime;

/** A machine that does nothing but reset, every third instruction. */
const resetting = (event: 'reset' | 'triple-fault'): FakeMachine =>
  new FakeMachine(Array.from({ length: 100_000 }, (_, index) => ({ at: 3 * (index + 1), event })));

describe('shares', () => {
  it('follow the weights within 2 % while both are busy', async () => {
    const { guests, runFor } = createHost(
      { price: CHEAP, settings: { weight: 1 } },
      { price: CHEAP, settings: { weight: 3 } },
    );
    await runFor(5000);
    expect(Math.abs(share(guests) * 3 - 1)).toBeLessThan(0.02);
    expect(guests[1].instructions / guests[0].instructions).toBeCloseTo(3, 1);
  });

  it('S2: are time, not instructions: a dear guest gets no more of it than its neighbour', async () => {
    const { guests, runFor } = createHost({ price: CHEAP }, { price: DEAR });
    await runFor(5000);
    expect(Math.abs(share(guests) - 1)).toBeLessThan(0.02);
  });

  it('S2: a slice that turns out dear is cut short, and those after it are shorter', async () => {
    const machine = new FakeMachine();
    const { platform, guests, runFor } = createHost({ machine, price: CHEAP });
    await runFor(100);
    const dear: number[] = [];
    machine.onWork = ({ instructions }) => {
      platform.time += instructions * DEAR.instruction;
    };
    const run = machine.run.bind(machine);
    machine.run = (limits) => {
      const start = platform.time;
      const exit = run(limits);
      dear.push(platform.time - start);
      return exit;
    };
    guests[0].reset();
    await runFor(500);
    // One look at the clock (10,000 instructions, 50 ms) is the least a slice takes here; the rest fit.
    expect(dear[0]).toBeCloseTo(50, 0);
    expect(Math.max(...dear.slice(1))).toBeLessThan(10);
  });

  it.each(['reset', 'triple-fault'] as const)('S1: a guest in a %s loop pays for its resets', async (event) => {
    const { guests, runFor } = createHost(
      { price: CHEAP },
      { machine: resetting(event), price: { ...CHEAP, reset: 1 } },
    );
    await runFor(950);
    expect(share(guests)).toBeGreaterThan(0.9);
  });

  it('S1: a guest that resets more than 100 times a second is told so once, and waits', async () => {
    const machine = resetting('triple-fault');
    const { guests, runFor } = createHost({ price: CHEAP }, { machine, price: { ...CHEAP, reset: 0.1 } });
    const lines: string[] = [];
    guests[1].on('warning', (line) => lines.push(line));
    await runFor(10_000);
    expect(machine.resets).toBeGreaterThan(900);
    expect(machine.resets).toBeLessThan(1100);
    expect(lines).toEqual(['guest 1 resets more than 100 times a second: it has to wait in between']);
    expect(share(guests)).toBeGreaterThan(50);
  });

  it('S1: input does not let a guest out of its wait', async () => {
    const machine = resetting('reset');
    const { guests, runFor } = createHost({ machine, price: { ...CHEAP, reset: 0.1 } }, { price: CHEAP });
    const typing = guests[0].on('reset', () => guests[0].serial.write('x'));
    const nagging = guests[1].on('idle', () => {});
    await runFor(3000);
    for (const off of [typing, nagging]) off();
    expect(machine.resets).toBeLessThan(400);
  });

  it('a slice in which the host stood still is not paid for by standing still', async () => {
    const machine = new FakeMachine();
    const { platform, guests, runFor } = createHost({ machine, price: CHEAP }, { price: CHEAP });
    await runFor(100);
    const work = machine.onWork!;
    machine.onWork = (done) => {
      platform.time += 4000;
      machine.onWork = work;
      work(done);
    };
    for (const guest of guests) guest.reset();
    const before = machine.instructions;
    await runFor(4500);
    // 500 ms are left behind the pause, of which it waits 100.
    expect((machine.instructions - before) * CHEAP.instruction).toBeGreaterThan(150);
  });

  it('a guest that resets now and then does not wait', async () => {
    const machine = new FakeMachine(
      Array.from({ length: 50 }, (_, index) => ({ at: 1e6 * (index + 1), event: 'reset' as const })),
    );
    const { guests, runFor } = createHost({ machine, price: CHEAP });
    const lines: string[] = [];
    guests[0].on('warning', (line) => lines.push(line));
    await runFor(150);
    expect([machine.resets, lines]).toEqual([50, []]);
  });
});

describe('caps', () => {
  it.each([10, 25, 50, 90])('of %i %% hold within 2 % of it where nobody else wants the processor', async (cap) => {
    const { platform, guests, runFor } = createHost({ price: CHEAP, settings: { cap } });
    const start = platform.time;
    await runFor(5000);
    expect(guests[0].processorTime / (platform.time - start)).toBeCloseTo(cap / 100, 2);
    const { run, ready, held } = guests[0].processorTimes;
    expect(run + ready + held).toBeCloseTo(platform.time - start, -1);
    expect(held).toBeGreaterThan(ready);
  });

  it('hold beside others, who share the rest by their weights', async () => {
    const { platform, guests, runFor } = createHost(
      { price: CHEAP, settings: { weight: 1 } },
      { price: CHEAP, settings: { weight: 2 } },
      { price: CHEAP, settings: { weight: 4, cap: 25 } },
    );
    const start = platform.time;
    await runFor(10_000);
    const shares = guests.map(({ processorTime }) => processorTime / (platform.time - start));
    expect(Math.abs(shares[2] / 0.25 - 1)).toBeLessThan(0.02);
    expect(Math.abs(shares[1] / 0.5 - 1)).toBeLessThan(0.02);
    expect(Math.abs(shares[0] / 0.25 - 1)).toBeLessThan(0.02);
  });

  it('can be set and lifted while it runs', async () => {
    const { guests, runFor } = createHost({ price: CHEAP }, { price: CHEAP });
    guests[0].setCap(10);
    await runFor(2000);
    const capped = guests[0].processorTime;
    expect(Math.abs(capped / 200 - 1)).toBeLessThan(0.05);
    for (const guest of guests) guest.reset();
    guests[0].setCap(undefined);
    await runFor(2000);
    expect(guests[0].processorTime - capped).toBeGreaterThan(900);
  });
});

describe('a capped guest in whose slice the host stood still', () => {
  it('does not pay for that, and a cap that is lifted holds it no longer', async () => {
    const machine = new FakeMachine();
    const { platform, guests, runFor } = createHost({ machine, price: CHEAP, settings: { cap: 10 } });
    await runFor(100);
    const work = machine.onWork!;
    machine.onWork = (done) => {
      platform.time += 3_600_000;
      machine.onWork = work;
      work(done);
    };
    guests[0].reset();
    const before = machine.instructions;
    await runFor(3_602_000);
    // 2 s are left behind the pause, of which it waits one.
    expect((machine.instructions - before) * CHEAP.instruction).toBeGreaterThan(50);
    guests[0].reset();
    guests[0].setCap(0.1);
    await runFor(50);
    guests[0].reset();
    const capped = machine.instructions;
    guests[0].setCap(undefined);
    await runFor(100);
    expect((machine.instructions - capped) * CHEAP.instruction).toBeGreaterThan(80);
  });
});

describe('a guest that joins late', () => {
  it('gets its share from then on, and nothing for the time before', async () => {
    const { platform, host, guests, runFor } = createHost(
      { price: CHEAP, settings: { weight: 1 } },
      { price: CHEAP, settings: { weight: 2 } },
    );
    await runFor(3000);
    const machine = new FakeMachine();
    machine.onWork = ({ instructions }) => {
      platform.time += instructions * CHEAP.instruction;
    };
    guests.push(host.adopt(machine, { name: 'late', weight: 4 }));
    for (const guest of guests.slice(0, 2)) guest.reset();
    const before = guests.map(({ processorTime }) => processorTime);
    await runFor(7000);
    const got = guests.map(({ processorTime }, index) => processorTime - before[index]);
    for (const [index, weight] of [1, 2, 4].entries())
      expect(Math.abs(got[index] / (1000 * weight) - 1)).toBeLessThan(0.05);
  });
});

describe('an interactive guest', () => {
  /** One that sleeps until a key comes, then works for `work` ms; and ten that are always busy. */
  async function latencies(
    latency: 'normal' | 'interactive',
    work: number,
  ): Promise<{ waits: number[]; share: number }> {
    const machine = new FakeMachine();
    const busy = { price: CHEAP } as const;
    const typing = { machine, price: CHEAP, settings: { latency } };
    const { platform, guests, runFor } = createHost(...Array.from({ length: 10 }, () => busy), typing);
    const typed = guests[10];
    const waits: number[] = [];
    let pressed: number | undefined;
    let left = 0;
    const run = machine.run.bind(machine);
    machine.run = (limits) => {
      if (pressed !== undefined) {
        waits.push(platform.time - pressed);
        pressed = undefined;
        left = work / CHEAP.instruction;
      }
      if (left <= 0) return { reason: 'idle', executed: 0 };
      const exit = run({ ...limits, instructions: Math.min(limits.instructions, left) });
      left -= exit.executed;
      return exit;
    };
    // So that keys come anywhere in a slice; they are heard of when the world has its turn.
    const press = (at: number) => {
      pressed ??= at;
      typed.serial.write('x');
      platform.timers.push({ at: at + 9.3, action: () => press(at + 9.3) });
    };
    platform.timers.push({ at: 50, action: () => press(50) });
    const start = platform.time;
    await runFor(20_000);
    return { waits, share: typed.processorTime / (platform.time - start) };
  }

  it('comes to its turn at once beside ten busy ones; others wait for theirs', async () => {
    const { waits } = await latencies('interactive', 0.5);
    expect(waits.length).toBeGreaterThan(1500);
    expect(Math.max(...waits)).toBeLessThan(5);
    expect(Math.max(...(await latencies('normal', 0.5)).waits)).toBeGreaterThan(10);
  });

  it('gets no more than its share for it', async () => {
    expect((await latencies('interactive', 1e9)).share).toBeCloseTo(1 / 11, 2);
  });
});
