import { describe, expect, it } from 'vitest';
import { StateError } from '../../../src/base/errors.ts';
import { Host } from '../../../src/hypervisor/host.ts';
import type { GuestSettings } from '../../../src/hypervisor/options/guest-options.ts';
import { FakeMachine } from '../../support/fake-machine.ts';
import { FakePlatform } from '../../support/fake-platform.ts';

function createHost(...members: [FakeMachine, Partial<GuestSettings>?][]) {
  const platform = new FakePlatform();
  const host = new Host({ platform });
  const guests = members.map(([machine, settings], index) =>
    host.adopt(machine, { name: `guest ${index}`, ...settings }),
  );
  return { host, platform, guests };
}

const settle = async () => {
  for (let turn = 0; turn < 200; turn++) await Promise.resolve();
};

describe('the life of a guest', () => {
  it('runs until it halts for good', async () => {
    const machine = new FakeMachine([{ at: 50_000, event: 'halted' }]);
    const { guests } = createHost([machine]);
    expect(guests[0].state).toBe('created');
    expect(await guests[0].run()).toEqual({ reason: 'halted' });
    expect(guests[0].state).toBe('stopped');
    expect(guests[0].instructions).toBe(50_000);
  });

  it('pauses and goes on', async () => {
    const { guests } = createHost([new FakeMachine([{ at: 1e12, event: 'halted' }])]);
    const ended = guests[0].run();
    await settle();
    guests[0].pause();
    await settle();
    const { instructions } = guests[0];
    await settle();
    expect(guests[0].instructions).toBe(instructions);
    expect(guests[0].state).toBe('paused');
    void guests[0].run();
    expect(await ended).toEqual({ reason: 'halted' });
  });

  it('runs to an exact instruction and pauses there', async () => {
    const { guests } = createHost([new FakeMachine()]);
    await guests[0].runTo(123_457);
    expect(guests[0].instructions).toBe(123_457);
    expect(guests[0].state).toBe('paused');
    guests[0].step();
    expect(guests[0].instructions).toBe(123_458);
  });

  it('says once why it is slow, when it has become so', async () => {
    const machine = new FakeMachine();
    const { guests } = createHost([machine]);
    const warnings: string[] = [];
    guests[0].on('warning', (line) => warnings.push(line));
    await guests[0].runTo(100_000);
    expect(warnings).toEqual([]);
    machine.slowness = 'guest 0 is slow';
    await guests[0].runTo(500_000);
    guests[0].reset();
    await guests[0].runTo(900_000);
    expect(warnings).toEqual(['guest 0 is slow']);
  });

  it('is stopped from outside', async () => {
    const { guests } = createHost([new FakeMachine()]);
    const ended = guests[0].run();
    await settle();
    guests[0].stop();
    expect(await ended).toEqual({ reason: 'stopped', by: 'stop' });
    await expect(guests[0].run()).rejects.toThrow('guest 0 has stopped: reset it first');
    guests[0].reset();
    expect(guests[0].state).toBe('created');
  });

  it('gives its memory back when it is disposed', async () => {
    const machine = new FakeMachine();
    const { host, guests } = createHost([machine]);
    void guests[0].run();
    await settle();
    guests[0].dispose();
    await settle();
    expect(machine.disposed).toBe(true);
    expect(host.guests).toEqual([]);
    await expect(guests[0].run()).rejects.toThrow('guest 0 is disposed');
  });

  it('may be disposed by a listener in the middle of a slice', async () => {
    const machine = new FakeMachine([{ at: 100, event: 'reset' }]);
    machine.output = 'x';
    const { guests } = createHost([machine]);
    guests[0].serial.on('data', () => guests[0].dispose());
    expect(await guests[0].run()).toEqual({ reason: 'stopped', by: 'dispose' });
    await settle();
    expect(machine.resets).toBe(0);
  });

  it('resets on a triple fault, or stops if told so', async () => {
    const script = () => [
      { at: 100, event: 'triple-fault' as const },
      { at: 200, event: 'debug-exit' as const },
    ];
    const [resetting, stopping] = [new FakeMachine(script()), new FakeMachine(script())];
    const { guests } = createHost([resetting], [stopping, { onTripleFault: 'stop' }]);
    const exits = await Promise.all(guests.map((guest) => guest.run()));
    expect(exits).toEqual([
      { reason: 'debug-exit', status: 42 },
      { reason: 'triple-fault', cause: '#GP(0): scripted' },
    ]);
    expect([resetting.resets, stopping.resets]).toEqual([1, 0]);
  });

  it('ends when it powers off; the power button wakes it from its sleep', async () => {
    const machine = new FakeMachine([
      { at: 100, event: 'idle' },
      { at: 300, event: 'power-off' },
    ]);
    const { guests } = createHost([machine]);
    const ended = guests[0].run();
    await settle();
    expect([machine.instructions, machine.powerButton]).toEqual([100, 0]);
    guests[0].pressPowerButton();
    expect(await ended).toEqual({ reason: 'power-off' });
    expect(machine.powerButton).toBe(1);
    guests[0].dispose();
    expect(() => guests[0].pressPowerButton()).toThrow(StateError);
  });

  it('sleeps when only input can wake it, and wakes on input', async () => {
    const machine = new FakeMachine([
      { at: 100, event: 'idle' },
      { at: 300, event: 'halted' },
    ]);
    const { guests } = createHost([machine]);
    const ended = guests[0].run();
    await settle();
    expect(machine.instructions).toBe(100);
    guests[0].serial.write('a');
    expect(await ended).toEqual({ reason: 'halted' });
    expect(machine.serial.sent).toEqual([0x61]);
  });
});

describe('several guests', () => {
  it('are not touched by an internal error of another', async () => {
    const failing = new FakeMachine([{ at: 5000, event: 'error' }]);
    const healthy = new FakeMachine([{ at: 10_000_000, event: 'halted' }]);
    const { guests } = createHost([failing], [healthy]);
    const [first, second] = await Promise.all(guests.map((guest) => guest.run()));
    expect(first).toMatchObject({ reason: 'error', error: { message: 'planted' } });
    expect(second).toEqual({ reason: 'halted' });
  });

  it('let the world have its turn', async () => {
    const { platform, guests } = createHost([new FakeMachine([{ at: 20_000_000, event: 'halted' }])]);
    await guests[0].run();
    expect(platform.yields).toBeGreaterThan(0);
  });
});

describe('clock host', () => {
  it('never runs ahead of the wall clock, and sleeps to the next alarm when halted', async () => {
    const machine = new FakeMachine();
    machine.halted = true;
    machine.nextAlarm = 10_000_000;
    const { platform, guests } = createHost([machine, { clock: 'host' }]);
    platform.step = 0; // the wall clock stands still
    const ended = guests[0].run();
    await settle();
    expect(machine.time).toBe(0);
    expect(platform.timers.map(({ at }) => at)).toEqual([10]);
    let woken = 0;
    machine.onAlarm = () => {
      woken = machine.time;
      machine.nextAlarm = 20_000_000;
    };
    machine.onWork = () => {
      machine.halted = machine.instructions > 0;
    };
    platform.fire();
    await settle();
    expect(woken).toBe(10_000_000);
    expect(platform.timers.map(({ at }) => at)).toEqual([20]);
    guests[0].stop();
    expect(await ended).toEqual({ reason: 'stopped', by: 'stop' });
    expect(platform.timers).toEqual([]);
  });

  it('an idle guest takes one slice per alarm, though the wall clock moves on meanwhile', async () => {
    const machine = new FakeMachine();
    machine.halted = true;
    machine.nextAlarm = 10_000_000;
    const { platform, guests } = createHost([machine, { clock: 'host' }]);
    platform.step = 0.001;
    let slices = 0;
    const run = machine.run.bind(machine);
    machine.run = (limits) => {
      slices++;
      return run(limits);
    };
    void guests[0].run();
    await settle();
    expect(slices).toBe(1);
    expect(platform.timers).toHaveLength(1);
    guests[0].stop();
  });

  it('input wakes it before the alarm', async () => {
    const machine = new FakeMachine();
    machine.halted = true;
    machine.nextAlarm = 1e15;
    const { platform, guests } = createHost([machine, { clock: 'host' }]);
    platform.step = 0;
    void guests[0].run();
    await settle();
    platform.time = 3;
    guests[0].serial.write('a');
    await settle();
    expect(machine.time).toBe(3_000_000);
    guests[0].stop();
  });
});
