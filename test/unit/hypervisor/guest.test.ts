import { describe, expect, it } from 'vitest';
import { StateError, UserError } from '../../../src/base/errors.ts';
import { Pending } from '../../../src/base/pending.ts';
import { Host } from '../../../src/hypervisor/host.ts';
import type { GuestSettings } from '../../../src/hypervisor/options/guest-options.ts';
import { FakeMachine } from '../../support/fake-machine.ts';
import { FakePlatform } from '../../support/fake-platform.ts';

const settle = async () => {
  for (let turn = 0; turn < 200; turn++) await Promise.resolve();
};

function createGuest(script?: ConstructorParameters<typeof FakeMachine>[0], settings?: Partial<GuestSettings>) {
  const machine = new FakeMachine(script);
  const errors: string[] = [];
  const host = new Host({
    platform: new FakePlatform(),
    onListenerError: (error, { guest, event }) => errors.push(`${guest} ${event}: ${error}`),
  });
  const guest = host.adopt(machine, { name: 'guest', ...settings });
  return { machine, host, guest, errors };
}

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error) => error,
  );

describe('runTo says why it came back', () => {
  it('reached: there, exactly, and paused; or at once, if it is there', async () => {
    const { guest } = createGuest();
    expect(await guest.runTo(5011)).toBe('reached');
    expect([guest.instructions, guest.state]).toEqual([5011, 'paused']);
    expect(await guest.runTo(5011)).toBe('reached');
    expect(await guest.runTo(0)).toBe('reached');
  });

  it('paused, stopped, by whom it may be', async () => {
    const { guest } = createGuest([{ at: 1e9, event: 'halted' }]);
    const paused = guest.runTo(1e12);
    guest.pause();
    expect(await paused).toBe('paused');
    const stopped = guest.runTo(1e12);
    guest.stop();
    expect(await stopped).toBe('stopped');
    guest.reset();
    expect(await guest.runTo(1e12)).toBe('stopped');
    expect(guest.exitReason).toEqual({ reason: 'halted' });
    guest.reset();
    const disposed = guest.runTo(1e12);
    guest.dispose();
    expect(await disposed).toBe('stopped');
  });

  it('not idle, when a listener of its output has answered meanwhile', async () => {
    const { machine, guest } = createGuest([
      { at: 100, event: 'idle' },
      { at: 200, event: 'halted' },
    ]);
    machine.output = '?';
    guest.serial.on('data', () => guest.serial.write('!'));
    expect(await guest.runTo(300)).toBe('stopped');
    expect(guest.instructions).toBe(200);
  });

  it('idle: it waits for input, and is paused; again, and it looks again', async () => {
    const { guest, machine } = createGuest([
      { at: 100, event: 'idle' },
      { at: 100, event: 'idle' },
      { at: 300, event: 'halted' },
    ]);
    expect(await guest.runTo(200)).toBe('idle');
    expect([guest.instructions, guest.state]).toEqual([100, 'paused']);
    expect(await guest.runTo(200)).toBe('idle');
    guest.serial.write('a');
    expect(await guest.runTo(200)).toBe('reached');
    expect(machine.serial.sent).toEqual([0x61]);
  });

  it('an old target does not stop a later run', async () => {
    const { guest } = createGuest([{ at: 50_000, event: 'halted' }]);
    const first = guest.runTo(20_000);
    guest.pause();
    const end = guest.run();
    expect(await first).toBe('paused');
    expect(await end).toEqual({ reason: 'halted' });
    expect(guest.instructions).toBe(50_000);
  });
});

describe('what run, runTo and step refuse', () => {
  it.each([
    [Number.NaN, 'NaN'],
    [5011.5, '5011.5'],
    [-1, '-1'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
    [2 ** 53, '9007199254740992'],
    ['5', '"5"'],
    [undefined, 'undefined'],
    [null, 'null'],
    [5n, 'a bigint'],
    [[5], 'an array'],
  ])('L1, L2: runTo(%s) rejects, and nothing runs', async (value, shown) => {
    const { guest } = createGuest();
    expect(await failure(guest.runTo(value as number))).toEqual(
      new UserError(`runTo: instructions must be a whole number from 0 to 9007199254740991, not ${shown}`),
    );
    await settle();
    expect([guest.instructions, guest.state]).toEqual([0, 'created']);
  });

  it('L7: run and runTo never throw, also with options that are none', async () => {
    const { guest } = createGuest();
    for (const options of [null, 5, 'x', [], { sginal: 1 }, { signal: 5 }, { signal: null }, { signal: {} }]) {
      expect(await failure(guest.run(options as never))).toBeInstanceOf(UserError);
      expect(await failure(guest.runTo(1, options as never))).toBeInstanceOf(UserError);
    }
    expect(guest.state).toBe('created');
    guest.dispose();
    expect(await failure(guest.run())).toEqual(new StateError('guest is disposed'));
    expect(await failure(guest.runTo(1))).toEqual(new StateError('guest is disposed'));
  });

  it('L7: two runs that overlap are an error, which does not hurt the first', async () => {
    const { guest } = createGuest([{ at: 50_000, event: 'halted' }]);
    const end = guest.run();
    expect(() => guest.step()).toThrow(new StateError('guest is running: pause it first'));
    expect(await failure(guest.run())).toEqual(new StateError('guest is running already'));
    expect(await failure(guest.runTo(10))).toBeInstanceOf(StateError);
    expect(await end).toEqual({ reason: 'halted' });
  });

  it('L5: step on a guest that has stopped, or is disposed', () => {
    const { guest } = createGuest();
    guest.stop();
    expect(() => guest.step()).toThrow(new StateError('guest has stopped: reset it first'));
    guest.dispose();
    expect(() => guest.step()).toThrow(new StateError('guest is disposed'));
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-300, 1e300, '1', undefined, null])(
    'L3: setWeight(%s)',
    (weight) => {
      const { guest } = createGuest();
      expect(() => guest.setWeight(weight as number)).toThrow(UserError);
      guest.setWeight(2.5);
      guest.dispose();
      expect(() => guest.setWeight(1)).toThrow(StateError);
    },
  );
});

describe('a signal', () => {
  it('pauses the guest and rejects run with its reason; another run goes on', async () => {
    const { guest } = createGuest();
    const controller = new AbortController();
    const aborted = failure(guest.run({ signal: controller.signal }));
    await settle();
    controller.abort('enough');
    expect(guest.state).toBe('paused');
    expect(await aborted).toBe('enough');
    const end = guest.run();
    await settle();
    expect(guest.state).toBe('running');
    guest.stop();
    expect(await end).toEqual({ reason: 'stopped', by: 'stop' });
  });

  it('the same for runTo, which is not "paused" then', async () => {
    const { guest } = createGuest();
    const controller = new AbortController();
    const aborted = failure(guest.runTo(1e12, { signal: controller.signal }));
    controller.abort('enough');
    expect(await aborted).toBe('enough');
    expect(guest.state).toBe('paused');
    expect(await guest.runTo(10)).toBe('reached');
  });

  it('aborted before, nothing runs', async () => {
    const { guest } = createGuest();
    const signal = AbortSignal.abort('before');
    expect(await failure(guest.run({ signal }))).toBe('before');
    expect(await failure(guest.runTo(5, { signal }))).toBe('before');
    await settle();
    expect([guest.instructions, guest.state]).toEqual([0, 'created']);
  });

  it('without a reason gives an AbortError; when all is over nobody listens to it', async () => {
    const listeners = new Set<() => void>();
    const signal = {
      aborted: false,
      addEventListener: (_: 'abort', listener: () => void) => void listeners.add(listener),
      removeEventListener: (_: 'abort', listener: () => void) => void listeners.delete(listener),
    };
    const { guest } = createGuest([{ at: 10, event: 'halted' }]);
    await guest.run({ signal });
    expect(listeners.size).toBe(0);
    guest.reset();
    const aborted = failure(guest.run({ signal }));
    for (const listener of listeners) listener();
    expect(await aborted).toMatchObject({ name: 'AbortError' });
    expect(listeners.size).toBe(0);
  });
});

describe('an exit says who asked for it', () => {
  it.each([
    ['stop', 'stop'],
    ['dispose', 'dispose'],
  ] as const)('%s()', async (method, by) => {
    const { guest } = createGuest();
    const exits: unknown[] = [];
    guest.on('exit', (exit) => exits.push(exit));
    const end = guest.run();
    guest[method]();
    expect(await end).toEqual({ reason: 'stopped', by });
    expect(exits).toEqual([{ reason: 'stopped', by }]);
    expect(guest.exitReason).toEqual({ reason: 'stopped', by });
  });

  it('the guest, by a reset, with onReset: stop; a triple fault says which fault', async () => {
    const { guest } = createGuest([{ at: 10, event: 'reset' }], { onReset: 'stop' });
    expect(await guest.run()).toEqual({ reason: 'stopped', by: 'guest' });
    const shut = createGuest([{ at: 10, event: 'triple-fault' }], { onTripleFault: 'stop' });
    expect(await shut.guest.run()).toEqual({ reason: 'triple-fault', cause: '#GP(0): scripted' });
    const resets: unknown[] = [];
    const again = createGuest([
      { at: 10, event: 'triple-fault' },
      { at: 20, event: 'reset' },
      { at: 30, event: 'halted' },
    ]);
    again.guest.on('reset', (...args) => resets.push(args));
    await again.guest.run();
    expect(resets).toEqual([['triple-fault', '#GP(0): scripted'], ['guest']]);
  });

  it('dispose after the end changes nothing of it', async () => {
    const { guest } = createGuest([{ at: 10, event: 'halted' }]);
    await guest.run();
    guest.dispose();
    guest.dispose();
    guest.stop();
    guest.pause();
    expect([guest.state, guest.exitReason, guest.instructions]).toEqual(['disposed', { reason: 'halted' }, 10]);
    expect(() => guest.machine).toThrow(StateError);
    expect(() => guest.reset()).toThrow(StateError);
    expect(() => guest.on('exit', () => {})).toThrow(StateError);
  });

  it('Symbol.dispose and Symbol.asyncDispose dispose', async () => {
    const { guest, host, machine } = createGuest();
    guest[Symbol.dispose]();
    expect(machine.disposed).toBe(true);
    const other = host.adopt(new FakeMachine(), { name: 'other' });
    await host[Symbol.asyncDispose]();
    expect(other.state).toBe('disposed');
    host[Symbol.dispose]();
    await other[Symbol.asyncDispose]();
  });
});

describe('listeners', () => {
  const EVENTS = ['exit', 'idle', 'reset', 'warning', 'data'] as const;
  /** What a listener may do to its guest, also in the middle of a run. */
  const ACTIONS = {
    dispose: (guest) => guest.dispose(),
    stop: (guest) => guest.stop(),
    pause: (guest) => guest.pause(),
    reset: (guest) => guest.reset(),
    run: (guest) => void guest.run().catch(() => {}),
    step: (guest) => guest.step(),
    'pause and run': (guest) => {
      guest.pause();
      void guest.run().catch(() => {});
    },
    'pause and step': (guest) => {
      guest.pause();
      guest.step();
    },
    throw: () => {
      throw new Error('planted');
    },
  } as const satisfies Record<string, (guest: ReturnType<typeof createGuest>['guest']) => void>;

  for (const event of EVENTS) {
    it.each(Object.keys(ACTIONS) as (keyof typeof ACTIONS)[])(`L7: on ${event} one may %s`, async (action) => {
      const { guest, machine, errors, host } = createGuest([
        { at: 100, event: 'idle' },
        { at: 200, event: 'reset' },
        { at: 300, event: 'idle' },
        { at: 400, event: 'halted' },
      ]);
      const neighbour = host.adopt(new FakeMachine([{ at: 1_000_000, event: 'halted' }]), { name: 'neighbour' });
      machine.output = 'x';
      let calls = 0;
      const listener = () => {
        if (calls++ < 5) ACTIONS[action](guest);
      };
      if (event === 'data') guest.serial.on('data', listener);
      else guest.on(event, listener);
      const seen: string[] = [];
      guest.on('idle', () => guest.serial.write('x'));
      guest.on('exit', () => seen.push('exit'));
      const neighbourEnd = neighbour.run();
      const end = guest.run();
      if (event === 'warning') guest.warn('planted');
      await settle();
      expect(calls).toBeGreaterThan(0);
      if (guest.state === 'paused') void guest.run().catch(() => {});
      await settle();
      guest.stop();
      expect((await end).reason).toMatch(/halted|stopped/);
      expect(await neighbourEnd).toEqual({ reason: 'halted' });
      expect(errors.every((error) => /planted|StateError/.test(error))).toBe(true);
      if (action === 'throw') expect(errors[0]).toContain('planted');
      host.dispose();
      expect(host.guests).toEqual([]);
    });
  }

  it('L7: what was to come of a run is forgotten if a listener of its output resets the guest', async () => {
    const { guest, machine } = createGuest([{ at: 100, event: 'triple-fault' }], { onTripleFault: 'stop' });
    machine.output = 'x';
    guest.serial.on('data', () => {
      if (machine.resets === 0) guest.reset();
    });
    void guest.run();
    await settle();
    expect([guest.state, machine.resets]).toEqual(['running', 1]);
    guest.stop();
  });

  it('L7: a guest created by a listener runs', async () => {
    const { guest, host } = createGuest([{ at: 100, event: 'halted' }]);
    const heir = new Promise((resolve) => {
      guest.on('exit', () =>
        resolve(host.adopt(new FakeMachine([{ at: 50, event: 'halted' }]), { name: 'heir' }).run()),
      );
    });
    await guest.run();
    expect(await heir).toEqual({ reason: 'halted' });
  });

  it('L7: without onListenerError a line with the stack goes to console.error, and nothing is rejected', async () => {
    const lines: unknown[][] = [];
    const { error } = console;
    console.error = (...args) => lines.push(args);
    try {
      const host = new Host({ platform: new FakePlatform() });
      const guest = host.adopt(new FakeMachine([{ at: 10, event: 'halted' }]), { name: 'guest' });
      guest.on('exit', () => {
        throw new Error('planted');
      });
      guest.on('exit', async () => {
        throw Object.assign(Object.create(null), { toString: undefined });
      });
      expect(await guest.run()).toEqual({ reason: 'halted' });
      await settle();
    } finally {
      console.error = error;
    }
    expect(lines).toHaveLength(1);
    expect(lines[0][0]).toMatch(/^vetro: a listener of guest \(exit\) threw: Error: planted\n {4}at /);
  });

  it('L7: an onListenerError that throws is silent', async () => {
    const host = new Host({
      platform: new FakePlatform(),
      onListenerError: () => {
        throw new Error('worse');
      },
    });
    const guest = host.adopt(new FakeMachine([{ at: 10, event: 'halted' }]), { name: 'guest' });
    guest.on('exit', () => {
      throw new Error('planted');
    });
    expect(await guest.run()).toEqual({ reason: 'halted' });
  });
});

describe('a guest whose time stands still until the host has answered', () => {
  const waiting = (script: ConstructorParameters<typeof FakeMachine>[0] = []) => {
    const created = createGuest([{ at: 100, event: 'waiting' }, ...script]);
    let answer: () => void = () => {};
    created.machine.answer = new Pending<unknown>(() => new Promise<void>((resolve) => (answer = resolve)));
    return { ...created, answer: () => answer() };
  };

  it('gets no slices meanwhile, and goes on by itself', async () => {
    const { guest, answer } = waiting([{ at: 300, event: 'halted' }]);
    const end = guest.run();
    await settle();
    expect([guest.instructions, guest.state, guest.runnable]).toEqual([100, 'running', false]);
    answer();
    expect(await end).toEqual({ reason: 'halted' });
    expect(guest.instructions).toBe(300);
  });

  it('leaves the host to others', async () => {
    const { guest, host } = waiting();
    const other = host.adopt(new FakeMachine([{ at: 1000, event: 'halted' }]), { name: 'other' });
    void guest.run();
    expect(await other.run()).toEqual({ reason: 'halted' });
    expect(guest.instructions).toBe(100);
  });

  it('is not stepped, but may be reset: then it does not wait any longer', async () => {
    const { guest, answer } = waiting([{ at: 300, event: 'halted' }]);
    const end = guest.run();
    await settle();
    guest.pause();
    expect(() => guest.step()).toThrow(StateError);
    guest.reset();
    answer();
    guest.step();
    expect(guest.instructions).toBe(101);
    void guest.run();
    expect(await end).toEqual({ reason: 'halted' });
  });

  it('may be disposed', async () => {
    const { guest, answer } = waiting();
    const end = guest.run();
    await settle();
    guest.dispose();
    answer();
    expect(await end).toMatchObject({ reason: 'stopped' });
    await settle();
    expect(guest.state).toBe('disposed');
  });
});

describe('a machine that throws where it must not', () => {
  it('in its own reset: the guest ends with an error, and others go on', async () => {
    const { host, guest, machine } = createGuest([{ at: 100, event: 'reset' }]);
    machine.reset = () => {
      throw new RangeError('the memory pool is full');
    };
    const other = host.adopt(new FakeMachine([{ at: 5_000_000, event: 'halted' }]), { name: 'other' });
    const ended = other.run();
    expect(await guest.run()).toMatchObject({ reason: 'error', error: { message: 'guest: the memory pool is full' } });
    expect(await ended).toEqual({ reason: 'halted' });
  });

  it('in a run: the same', async () => {
    const { host, guest, machine } = createGuest();
    machine.run = () => {
      throw new TypeError('planted');
    };
    const other = host.adopt(new FakeMachine([{ at: 5_000_000, event: 'halted' }]), { name: 'other' });
    const ended = other.run();
    expect(await guest.run()).toMatchObject({ reason: 'error', error: { message: 'guest: planted' } });
    expect(await ended).toEqual({ reason: 'halted' });
  });
});
