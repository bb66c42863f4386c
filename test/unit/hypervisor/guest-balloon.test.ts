/** What the library says of a guest's balloon, over a machine that does as scripted. */
import { describe, expect, it } from 'vitest';
import { StateError, TimeoutError, UserError } from '../../../src/base/errors.ts';
import { Host } from '../../../src/hypervisor/host.ts';
import { checkGuestOptions } from '../../../src/hypervisor/options/check-guest-options.ts';
import { FakeMachine } from '../../support/fake-machine.ts';
import { FakePlatform } from '../../support/fake-platform.ts';

function create(events: ConstructorParameters<typeof FakeMachine>[0] = []) {
  const platform = new FakePlatform();
  const host = new Host({ platform });
  const machine = new FakeMachine(events);
  const guest = host.adopt(machine, { name: 'vm' });
  return { host, platform, machine, guest, balloon: guest.balloon! };
}

describe('a guest’s balloon', () => {
  it('is asked for MiB, and says how many it has given', () => {
    const { machine, balloon } = create();
    balloon.setTarget(12);
    machine.balloon.actual = 640;
    expect([balloon.target, balloon.actual, machine.balloon.target]).toEqual([12, 2.5, 3072]);
  });

  it.each([-1, 0.5, 65, Number.NaN, '3', undefined])('is not asked for %s MiB', (mebibytes) => {
    const { balloon } = create();
    expect(() => balloon.setTarget(mebibytes as number)).toThrow(UserError);
    expect(balloon.target).toBe(0);
  });

  it('gives figures when the guest has run and answered', async () => {
    const { machine, guest, balloon } = create([{ at: 100_000, event: 'halted' }]);
    const figures = balloon.statistics();
    expect(machine.balloon.asked).toBe(1);
    machine.onWork = () => {
      machine.balloon.statistics = { updates: 1, values: { freeMemory: 123 } };
    };
    void guest.run();
    expect(await figures).toEqual({ freeMemory: 123 });
    expect(balloon.figures).toEqual({ freeMemory: 123 });
  });

  it('gives none without a driver, after a reset, the end, a timeout or an abort; nor for wrong arguments', async () => {
    const { platform, machine, guest, balloon } = create();
    machine.balloon.hasDriver = false;
    await expect(balloon.statistics()).rejects.toThrow(/^vm has no driver of its balloon/);
    machine.balloon.hasDriver = true;
    const reset = balloon.statistics();
    guest.reset();
    await expect(reset).rejects.toThrow('vm was reset');
    const aborted = new AbortController();
    const waiting = balloon.statistics({ signal: aborted.signal });
    aborted.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(balloon.statistics({ signal: aborted.signal })).rejects.toThrow('enough');
    await expect(balloon.statistics({ timeout: -1 })).rejects.toThrow(UserError);
    await expect(balloon.statistics({ timeuot: 1 } as object)).rejects.toThrow(UserError);
    const late = balloon.statistics({ timeout: 5 });
    platform.fire();
    await expect(late).rejects.toThrow(TimeoutError);
    const stopped = balloon.statistics();
    guest.stop();
    await expect(stopped).rejects.toThrow(StateError);
  });

  it('is nobody’s once the guest is disposed', async () => {
    const { guest, balloon } = create();
    const waiting = balloon.statistics();
    guest.dispose();
    await expect(waiting).rejects.toThrow('vm is disposed');
    for (const use of [() => balloon.target, () => balloon.actual, () => balloon.figures, () => balloon.setTarget(1)])
      expect(use).toThrow(StateError);
    await expect(balloon.statistics()).rejects.toThrow(StateError);
  });
});

describe('the option balloon', () => {
  const check = (balloon: unknown) => checkGuestOptions({ boot: { image: Uint8Array.of(0xf4) }, balloon }).balloon;

  it('is true, false, or says whether it deflates when memory runs out', () => {
    expect([undefined, false, true, {}, { deflateOnOutOfMemory: false }].map(check)).toEqual([
      undefined,
      undefined,
      { deflateOnOutOfMemory: true },
      { deflateOnOutOfMemory: true },
      { deflateOnOutOfMemory: false },
    ]);
  });

  it.each([1, 'yes', null, { deflate: true }, { deflateOnOutOfMemory: 1 }])('%j is refused', (balloon) => {
    expect(() => check(balloon)).toThrow(UserError);
  });
});
