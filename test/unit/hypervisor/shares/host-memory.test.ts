/** A host's memory, with guests that are not there: who may grow, who is asked, who waits, who is paused. */
import { describe, expect, it } from 'vitest';
import { HostMemory } from '../../../../src/hypervisor/shares/host-memory.ts';
import type { MemoryGuest } from '../../../../src/hypervisor/shares/memory-guest.ts';
import type { MemoryPool } from '../../../../src/machine/machine.ts';
import type { SwapSpace } from '../../../../src/memory/page-source.ts';

const MIB = 2 ** 20;
const NONE = Number.POSITIVE_INFINITY;

interface FakePool extends MemoryPool {
  bytesInUse: number;
  /** MiB of equal pages. */
  equal: number;
  prepared: boolean;
}

function createPool(): FakePool {
  let merged = 0;
  const pool: FakePool = {
    ...{ bytesInUse: 0, bytesSaved: 0, limit: NONE, equal: 0, prepared: true, prepare: () => pool.prepared },
    scanner: {
      roundUnits: 100_000,
      get figures() {
        return { scanned: 0, rounds: 0, merged, zeros: 0, parted: 0, saved: 0 };
      },
      scan(units) {
        merged += pool.equal * 256;
        pool.bytesInUse -= pool.equal * MIB;
        pool.equal = 0;
        return units;
      },
    },
  };
  return pool;
}

type Fake = ReturnType<typeof createGuest>;

/** One that holds so many MiB. */
function createGuest(name: string, pool: FakePool, inUse: number) {
  pool.bytesInUse += inUse * MIB;
  const asks: number[] = [];
  let reclaim = 0;
  const guest = {
    ...{ name, state: 'running', run: 0, reserved: 0, hasDriver: true, asks },
    machine: {
      ...{ memorySize: 256 * MIB, memoryInUse: inUse * MIB, memoryShared: 0, memorySwapped: 0, memoryPool: pool },
      /** MiB that it has not used lately. */
      cold: 0,
      swapOut: (bytes: number): number => {
        const given = Math.min(bytes, guest.machine.cold * MIB);
        guest.machine.cold -= given / MIB;
        guest.machine.memorySwapped += given;
        guest.grow(-given / MIB);
        return given;
      },
      memoryLimit: NONE,
    },
    balloon: {
      ...{ actual: 0, answered: true, figures: { availableMemory: 64 * MIB }, refresh: () => guest.hasDriver },
      get reclaim() {
        return reclaim;
      },
      set reclaim(value: number) {
        reclaim = value;
        asks.push(value);
      },
      get target() {
        return reclaim;
      },
    },
    /** Gives so many MiB of what it was asked for; grows by so many. */
    give: (mebibytes: number) => {
      guest.balloon.actual += mebibytes;
      guest.grow(-mebibytes);
    },
    grow: (mebibytes: number) => {
      guest.machine.memoryInUse += mebibytes * MIB;
      pool.bytesInUse += mebibytes * MIB;
    },
  };
  return guest satisfies MemoryGuest;
}

function createHost(limit: number, pools = new Map<string, { limit: number; budget: number }>()) {
  const world = { time: 0, guests: [] as Fake[] };
  const reclaim = { balloon: true, sharing: true, swap: true };
  const memory = new HostMemory<Fake>({
    ...{ limit: limit * MIB, pools, reclaim, swap: {} as SwapSpace, now: () => world.time },
    holders: () => world.guests.map((guest) => ({ guest, weight: 1, reserved: guest.reserved * MIB, run: guest.run })),
  });
  const create = (name: string, inUse: number, pool = createPool()): Fake => {
    const guest = createGuest(name, pool, inUse);
    world.guests.push(guest);
    return guest;
  };
  /** Its slice has ended for want of memory; looks until there is an answer. */
  const need = (guest: Fake, onLook: (look: number) => void = () => {}) => {
    memory.needed(guest);
    for (let look = 0; look < 2000; look++) {
      const answer = memory.admit(guest);
      if (typeof answer !== 'number') return { answer, look };
      world.time += Math.max(answer, 1);
      memory.turn();
      onLook(look);
    }
    throw new Error('it waits for ever');
  };
  return { world, memory, reclaim, create, need };
}

describe('a guest', () => {
  it('may grow by what is left, in the pool as by itself', () => {
    const { memory, create } = createHost(100);
    const [one] = [create('one', 30), create('two', 50)];
    expect(memory.admit(one)).toBe('go');
    expect(one.machine.memoryLimit).toBe(50 * MIB);
    expect(one.machine.memoryPool.limit).toBe(50 * MIB);
  });

  it('without any limit is never stopped', () => {
    const { memory, create } = createHost(NONE);
    const one = create('one', 30);
    expect(memory.admit(one)).toBe('go');
    expect([one.machine.memoryLimit, one.machine.memoryPool.limit]).toEqual([NONE, NONE]);
  });

  it('gets what others give: those that can are asked, and it waits for them, not longer than need be', () => {
    const { create, need } = createHost(100);
    const [needy, idle] = [create('needy', 60), create('idle', 40)];
    const { answer, look } = need(needy, (look) => look === 3 && idle.give(4));
    expect([answer, look, idle.asks]).toEqual(['go', 4, [7]]);
    expect(needy.machine.memoryLimit).toBe(64 * MIB);
  });

  it('does not wait for those that have no driver, are paused, or have none to give: pages are searched next', () => {
    const { create, need, memory } = createHost(100);
    const [needy, without, paused, poor] = [create('needy', 60), create('a', 10), create('b', 10), create('c', 20)];
    without.hasDriver = false;
    paused.state = 'paused';
    poor.balloon.figures.availableMemory = 0;
    (poor.machine.memoryPool as FakePool).equal = 5;
    expect(need(needy)).toMatchObject({ answer: 'go' });
    expect([without.asks, paused.asks, poor.asks]).toEqual([[], [], []]);
    expect(memory.statistics).toMatchObject({
      balloon: { tried: 0 },
      sharing: { tried: 1, given: 5 * MIB },
      paused: 0,
    });
  });

  it('that is over its share is paused when nothing helps; one that is not goes on', () => {
    const { create, need, memory } = createHost(100);
    const [large, small] = [create('large', 60), create('small', 40)];
    for (const guest of [large, small]) guest.hasDriver = false;
    expect(need(large).answer).toBe('out');
    expect(need(small).answer).toBe('go');
    expect(small.machine.memoryLimit).toBe(50 * MIB);
    expect(memory.statistics.paused).toBe(1);
    // Run again, it comes as far as its next need.
    expect(memory.admit(large)).toBe('go');
    expect(large.machine.memoryLimit).toBe(60 * MIB);
  });

  it('has what is reserved for it: it is not taken for others, and it grows up to that', () => {
    const { create, need } = createHost(120);
    const [needy, reserved, other] = [create('needy', 60), create('reserved', 50), create('other', 10)];
    for (const guest of [needy, reserved, other]) guest.hasDriver = false;
    Object.assign(reserved, { reserved: 50 }).machine.cold = 3;
    expect(need(needy).answer).toBe('out');
    expect(reserved.machine.memorySwapped).toBe(0);
    reserved.reserved = 55;
    reserved.machine.cold = 0;
    expect(need(reserved).answer).toBe('go');
    expect(reserved.machine.memoryLimit).toBe(55 * MIB);
  });

  it('in a pool that has hardly a frame left does not run at all', () => {
    const { create, need, memory } = createHost(NONE);
    const guest = create('full', 60);
    const pool = guest.machine.memoryPool as FakePool;
    pool.prepared = false;
    expect([need(guest).answer, need(guest).answer]).toEqual(['out', 'out']);
    pool.prepared = true;
    expect(memory.admit(guest)).toBe('go');
  });

  it('gets what is swapped out of those over their share, idle ones first; it gives of its own, too', () => {
    const { create, need, memory } = createHost(120);
    const [needy, large, small] = [create('needy', 45), create('large', 60), create('small', 15)];
    for (const guest of [needy, large, small]) Object.assign(guest, { hasDriver: false }).machine.cold = 3;
    expect(need(needy).answer).toBe('go');
    expect([large, needy, small].map(({ machine }) => machine.memorySwapped / MIB)).toEqual([1, 0, 0]);
    expect(memory.statistics.swap).toEqual({ tried: 8, given: MIB });
    large.machine.cold = 0;
    needy.grow(1);
    expect(need(needy).answer).toBe('go');
    expect([needy, small].map(({ machine }) => machine.memorySwapped / MIB)).toEqual([1, 0]);
  });

  it.each([
    ['balloon', { balloon: { tried: 0 }, sharing: { tried: 1 } }],
    ['sharing', { balloon: { tried: 1 }, sharing: { tried: 0 } }],
    ['swap', { balloon: { tried: 1 }, sharing: { tried: 1 }, swap: { tried: 0 } }],
  ] as const)('goes without %s where that is switched off', (step, expected) => {
    const { create, need, memory, reclaim } = createHost(100);
    reclaim[step] = false;
    const [needy, other] = [create('needy', 60), create('other', 40)];
    if (step === 'balloon') (other.machine.memoryPool as FakePool).equal = 5;
    other.machine.cold = 5;
    expect(need(needy, (look) => look === 80 && step === 'balloon' && other.give(5)).answer).toBe(
      step === 'balloon' ? 'go' : 'out',
    );
    expect(memory.statistics).toMatchObject(expected);
  });
});

describe('a pool with a limit', () => {
  it('is short by itself: only those that live there are asked, and searched', () => {
    const { create, need, memory } = createHost(NONE, new Map([['small', { limit: 100 * MIB, budget: 0 }]]));
    const pool = createPool();
    memory.name(pool, 'small');
    const [needy, neighbour, stranger] = [create('needy', 60, pool), create('a', 40, pool), create('b', 500)];
    expect(need(needy, () => neighbour.balloon.actual < 7 && neighbour.give(1)).answer).toBe('go');
    expect([neighbour.asks.length > 0, stranger.asks]).toEqual([true, []]);
    expect(memory.statistics.pools).toMatchObject([
      { name: 'small', guests: ['needy', 'a'], limit: 100 * MIB },
      { name: undefined, guests: ['b'], limit: NONE },
    ]);
    expect(memory.admit(stranger)).toBe('go');
    expect(stranger.machine.memoryLimit).toBe(NONE);
  });
});

describe('balloons', () => {
  /** Time passes, and everybody who was asked gives so much at each look. */
  function pass({ world, memory }: ReturnType<typeof createHost>, ms: number, given = NONE): void {
    for (const end = world.time + ms; world.time < end; world.time += 100) {
      for (const guest of world.guests) {
        const owed = guest.balloon.reclaim - guest.balloon.actual;
        if (owed !== 0) guest.give(owed > 0 ? Math.min(owed, given) : owed);
      }
      memory.turn();
    }
  }

  it('are asked before anybody waits, when little is left, idle guests first', () => {
    const host = createHost(100);
    const [busy, idle] = [host.create('busy', 48), host.create('idle', 40)];
    for (let look = 0; look < 5; look++) {
      busy.run += 200;
      pass(host, 200);
    }
    expect([busy.asks, idle.asks]).toEqual([[], []]);
    busy.grow(10);
    busy.run += 200;
    pass(host, 200);
    expect([busy.asks, idle.asks]).toEqual([[], [7]]);
  });

  it('do not go up and down where what is left is neither little nor much', () => {
    const host = createHost(100);
    const [one, two] = [host.create('one', 49), host.create('two', 49)];
    pass(host, 5_000);
    const asks = [one.asks.length, two.asks.length];
    pass(host, 60_000);
    expect([one.asks.length, two.asks.length]).toEqual(asks);
  });

  it('are let off slowly when there is room, and not soon after they were asked', () => {
    const host = createHost(100);
    const [one, two] = [host.create('one', 49), host.create('two', 49)];
    pass(host, 1_000);
    const given = one.balloon.actual + two.balloon.actual;
    expect(given).toBeGreaterThan(0);
    host.world.guests.splice(1, 1);
    const before = one.balloon.reclaim;
    pass(host, 1_000);
    expect(one.balloon.reclaim).toBe(before);
    pass(host, 10_000);
    expect([one.balloon.reclaim, one.balloon.actual]).toEqual([0, 0]);
  });

  it('of guests that do not give are asked no more, and nobody waits for them again and again', () => {
    const host = createHost(100);
    const [needy, liar] = [host.create('needy', 60), host.create('liar', 40)];
    expect(host.need(needy)).toMatchObject({ answer: 'out' });
    pass(host, 3_000, 0);
    expect(liar.balloon.reclaim).toBe(0);
    expect(host.need(needy).look).toBeLessThan(10);
    // One that says that it gives, and does not, is found out, too.
    const asked = liar.asks.length;
    pass(host, 20_000, 0);
    expect(host.need(needy, () => liar.balloon.actual++)).toMatchObject({ answer: 'out' });
    expect(liar.asks.length).toBeGreaterThan(asked);
  });
});
