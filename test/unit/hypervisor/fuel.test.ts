/** Quotas of instructions: a guest stops behind exactly so many, with a receipt that anybody can check. */
import { describe, expect, it } from 'vitest';
import type { GuestExit } from '../../../src/hypervisor/guest-events.ts';
import { Host, StateError } from '../../../src/index.ts';
import { realModeBoot } from '../../support/test-pc.ts';

const ENGINES = ['interpreter', 'jit', 'auto', 'reference'] as const;
/** Counts, with interrupts of the timer coming between. */
const [{ bytes: image }] = realModeBoot(
  'mov word [0x20], tick\nmov word [0x22], 0\nsti\nnext: inc eax\nadd [0x6000], eax\njmp next\ntick: push ax\nmov al, 0x20\nout 0x20, al\npop ax\niret',
).pieces;
const QUOTA = 123_457;

async function runOn(engine: (typeof ENGINES)[number], fuel: number, sliceMilliseconds = 2) {
  const host = await Host.create({ sliceMilliseconds });
  const guest = await host.createGuest({ boot: { image }, memory: 1, engine, fuel });
  const exit = await guest.run();
  return { host, guest, exit };
}
const receiptOf = (exit: GuestExit) => (exit.reason === 'out-of-fuel' ? exit.receipt : undefined);

describe('fuel', () => {
  it('stops a guest exactly there, on each engine and in any slices, in the same state', async () => {
    const receipts = [];
    for (const engine of ENGINES) {
      for (const slice of [0.1, 2]) {
        const { host, guest, exit } = await runOn(engine, QUOTA, slice);
        expect([guest.instructions, guest.state, guest.fuelLeft]).toEqual([QUOTA, 'stopped', 0]);
        receipts.push(receiptOf(exit));
        host.dispose();
      }
    }
    expect(receipts[0]).toMatchObject({ instructions: QUOTA, stateHash: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(new Set(receipts.map((receipt) => JSON.stringify(receipt))).size).toBe(1);
  });

  it('has a receipt that whoever runs as far gets, too', async () => {
    const { host, exit } = await runOn('auto', QUOTA);
    const other = await host.createGuest({ boot: { image }, memory: 1 });
    await other.runTo(QUOTA);
    expect(receiptOf(exit)?.stateHash).toBe(other.machine.stateHash());
    await other.runTo(QUOTA + 1);
    expect(receiptOf(exit)?.stateHash).not.toBe(other.machine.stateHash());
    host.dispose();
  });

  it('can be none at all: then nothing is executed', async () => {
    const { host, guest, exit } = await runOn('auto', 0);
    expect([exit.reason, guest.instructions]).toEqual(['out-of-fuel', 0]);
    host.dispose();
  });

  it('ends before a runTo that wants more, and at a step', async () => {
    const host = await Host.create();
    const guest = await host.createGuest({ boot: { image }, memory: 1, fuel: 1000 });
    expect(await guest.runTo(999)).toBe('reached');
    guest.step();
    expect(() => guest.step()).toThrow(StateError);
    expect(await guest.runTo(2000)).toBe('stopped');
    expect(guest.exitReason?.reason).toBe('out-of-fuel');
    host.dispose();
  });

  it('can be added, before the end or, with a reset, behind it; it counts over resets', async () => {
    const host = await Host.create();
    const guest = await host.createGuest({ boot: { image }, memory: 1, fuel: 1000 });
    guest.addFuel(500);
    expect(guest.fuelLeft).toBe(1500);
    expect(receiptOf(await guest.run())?.instructions).toBe(1500);
    guest.reset();
    expect((await guest.run()).reason).toBe('out-of-fuel');
    guest.addFuel(300);
    guest.reset();
    expect(receiptOf(await guest.run())?.instructions).toBe(1800);
    expect(() => guest.addFuel(0.5)).toThrow('addFuel: instructions must be');
    host.dispose();
    expect([guest.instructions, guest.fuelLeft]).toEqual([1800, 0]);
  });

  it.each([{ fuel: -1 }, { fuel: 1.5 }, { fuel: '9' }, { cap: 0 }, { cap: 101 }, { latency: 'low' }])(
    'refuses %o',
    async (wrong) => {
      const host = await Host.create();
      const options = { boot: { image }, memory: 1, ...wrong } as never;
      const [name] = Object.keys(wrong);
      await expect(host.createGuest(options)).rejects.toThrow(`${name} must be`);
      host.dispose();
    },
  );
});
