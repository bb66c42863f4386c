/** Guests that live in one pool, by its name: what they share, what they may hold together, and what is none of others' business. */
import { afterEach, describe, expect, it } from 'vitest';
import { type Guest, Host, type HostOptions, UserError } from '../../../src/index.ts';
import { flatBoot } from '../../support/flat-boot.ts';

const MIB = 2 ** 20;

/** Writes its number, `value`, into each page of `mebibytes` MiB from 1 MiB on; then the same again, `again` times or for ever. */
const filling = (mebibytes: number, { value = 1, ever = false } = {}): Uint8Array =>
  flatBoot(`
    again: mov edi, 0x100000
    next: mov dword [edi], edi
    mov dword [edi + 8], ${value}
    add edi, 4096
    cmp edi, ${(1 + mebibytes) * MIB}
    jb next
    ${ever ? 'jmp again' : 'idle: jmp idle'}`);

let host: Host;
afterEach(() => host?.dispose());
const start = async (options: HostOptions): Promise<void> => {
  host = await Host.create(options);
};
const create = (name: string, image: Uint8Array, pool?: string): Promise<Guest> =>
  host.createGuest({ name, boot: { image }, memory: 64, engine: 'interpreter', pool });

describe('guests of one pool', () => {
  it('share pages that are equal, and go on as they would have alone', async () => {
    await start({ pools: { crowd: { sharing: { budget: 100 } } } });
    const image = filling(8);
    const [one, two, alone] = [
      await create('a', image, 'crowd'),
      await create('b', image, 'crowd'),
      await create('c', image),
    ];
    const target = 3_000_000;
    await Promise.all([one, two, alone].map((guest) => guest.runTo(target)));
    for (let more = target; host.memoryStatistics.saved < 7 * MIB; more += 1_000_000) {
      expect(more).toBeLessThan(200_000_000);
      await Promise.all([one, two].map((guest) => guest.runTo(more)));
    }
    await alone.runTo(one.instructions);
    expect([one, two].map((guest) => guest.machine.stateHash())).toEqual(Array(2).fill(alone.machine.stateHash()));
    const [pool, own] = host.memoryStatistics.pools;
    expect(pool).toMatchObject({ name: 'crowd', guests: ['a', 'b'], limit: Number.POSITIVE_INFINITY });
    expect(pool.sharing.merged).toBeGreaterThan(7 * 256);
    expect(own).toMatchObject({ name: undefined, guests: ['c'], saved: 0, sharing: { scanned: 0 } });
    expect(one.machine.memoryShared).toBeGreaterThan(7 * MIB);
  });

  it('have its limit together, and those of other pools nothing to do with it', async () => {
    await start({ pools: { small: { limit: 32 } }, reclaim: { sharing: false } });
    const greedy = await create('greedy', filling(40), 'small');
    const modest = await create('modest', filling(12, { value: 2 }), 'small');
    const other = await create('other', filling(40), 'large');
    const events: string[] = [];
    for (const guest of [greedy, modest, other]) guest.on('memory', () => events.push(guest.name));
    const done = 100_000;
    expect(await Promise.all([greedy, modest, other].map((guest) => guest.runTo(done)))).toEqual([
      ...['paused', 'reached', 'reached'],
    ]);
    expect(events).toEqual(['greedy']);
    expect(host.memoryStatistics).toMatchObject({ paused: 1, balloon: { tried: 0 }, sharing: { tried: 0 } });
    expect(host.memoryStatistics.pools[0].inUse).toBeLessThan(33 * MIB);
    modest.dispose();
    expect(await greedy.runTo(done)).toBe('paused');
    expect(greedy.machine.memoryInUse).toBeGreaterThan(31 * MIB);
  });

  it('get what a search for equal pages gives, before any of them is paused', async () => {
    await start({ pools: { small: { limit: 32, sharing: false } } });
    const image = filling(20);
    const guests = [await create('a', image, 'small'), await create('b', image, 'small')];
    expect(await Promise.all(guests.map((guest) => guest.runTo(200_000)))).toEqual(['reached', 'reached']);
    const { sharing, paused, pools } = host.memoryStatistics;
    expect([sharing.tried > 0, sharing.given > 7 * MIB, paused]).toEqual([true, true, 0]);
    expect(pools[0].inUse).toBeLessThan(33 * MIB);
  });

  it('one that writes pages as soon as they are shared is paused if need be; another has its turns', async () => {
    await start({ pools: { small: { limit: 24, sharing: { budget: 50 } } } });
    const hostile = await create('hostile', filling(10, { ever: true }), 'small');
    const twin = await create('twin', filling(10, { ever: true }), 'small');
    const other = await create('other', filling(2, { value: 3 }), 'small');
    for (const guest of [hostile, twin]) {
      guest.on('memory', () => setTimeout(() => guest.state === 'paused' && void guest.run(), 1));
      void guest.run();
    }
    expect(await other.runTo(20_000_000)).toBe('reached');
    expect([hostile.state, twin.state].includes('stopped')).toBe(false);
    const { processorTimes: times } = other;
    expect(times.slices).toBeGreaterThan(1);
  });

  it('clones and guests that are restored are in the pool that they are to be in', async () => {
    await start({});
    const guest = await create('first', filling(4), 'crowd');
    await guest.runTo(50_000);
    const { bytes } = await guest.snapshot();
    const [clone] = await guest.clone();
    const restored = await host.restore(bytes!, { name: 'restored', pool: 'crowd' });
    const elsewhere = await host.restore(bytes!, { name: 'elsewhere' });
    expect(host.memoryStatistics.pools.map(({ name, guests }) => [name, guests])).toEqual([
      ['crowd', ['first', clone.name, 'restored']],
      [undefined, ['elsewhere']],
    ]);
    expect(restored.machine.stateHash()).toBe(elsewhere.machine.stateHash());
  });

  it('leave nothing when they cannot be made, or are disposed; then the name is free for a new pool', async () => {
    await start({});
    const first = await create('first', filling(4), 'crowd');
    const { inUse } = host.memoryStatistics;
    await expect(host.createGuest({ boot: { image: filling(1) }, pool: 'crowd', cpu: 'none' })).rejects.toThrow(
      UserError,
    );
    expect(host.memoryStatistics.inUse).toBe(inUse);
    first.dispose();
    expect(host.memoryStatistics.pools).toEqual([]);
    const second = await create('second', filling(4), 'crowd');
    await second.runTo(10_000);
    expect(host.memoryStatistics.pools).toMatchObject([{ name: 'crowd', guests: ['second'] }]);
  });
});

it.each([
  [{ pools: [] }, 'pools must be an object, by name, not an array'],
  [{ pools: { a: { limit: 0 } } }, 'pools.a.limit must be a whole number of MiB from 1 to 4096, not 0'],
  [{ pools: { a: { sharing: 3 } } }, 'pools.a.sharing must be an object, not 3'],
  [
    { pools: { a: { sharing: { budget: 0 } } } },
    'pools.a.sharing.budget must be a number of per cent from 0.01 to 100, not 0',
  ],
  [{ pools: { '': {} } }, 'a name in pools must be 1 to 100 characters'],
  [{ reclaim: { balloon: 1 } }, 'reclaim.balloon must be true or false, not 1'],
  [{ reclaim: { baloon: true } }, 'reclaim: there is no option "baloon"'],
])('%j is refused', async (options, message) => {
  await expect(Host.create(options as never)).rejects.toThrow(message);
});

it('a pool without a name is refused', async () => {
  await start({});
  await expect(create('a', filling(1), '')).rejects.toThrow('pool must be 1 to 100 characters');
});
