/**
 * The host's memory: its limit and those of pools, who may grow, and what is done when there is no more.
 *
 * Within the limits everyone has what it touches. A guest that needs more than there is has no slices while memory is got
 * for it, step by step: guests with a balloon are asked to give (`balloon-policy`); pages are searched for equal ones; what
 * has not been used lately goes to swap. If all that gives nothing, a guest that holds less than its share, by weight, goes
 * on all the same; another is paused, and its owner told. Nobody else comes to harm. When there is room again, what balloons
 * have given is handed back slowly, and not while it is asked for.
 */
import { PAGE_SIZE } from '../../base/address.ts';
import type { MemoryPool } from '../../machine/machine.ts';
import type { SwapSpace } from '../../memory/page-source.ts';
import type { CheckedReclaim } from '../options/pool-options.ts';
import { askDonors, type Donor, nextToRelieve, rankOf } from './balloon-policy.ts';
import type { Holder, MemoryGuest } from './memory-guest.ts';
import { furthestOverIn, type LimitedMemory, MemoryLimits, type MemoryLimitsOptions } from './memory-limits.ts';
import type { GuestMemoryStatistics, MemoryStatistics, PoolStatistics } from './memory-statistics.ts';
import { ScanBudget } from './page-sharing.ts';

export interface HostMemoryOptions<G extends MemoryGuest> extends MemoryLimitsOptions<G> {
  readonly reclaim: CheckedReclaim;
  /** Undefined: there is none. */
  readonly swap: SwapSpace | undefined;
  /** Host time in ms. */
  readonly now: () => number;
}

/** `out`: it is to be paused, for want of memory. A number: it gets no slice for so many ms. */
export type Admission = 'go' | 'out' | number;

type Step = 'balloon' | 'sharing' | 'swap';

/** A guest that needs more than there is. */
interface Shortage {
  step: Step;
  /** Looks left until a step is given up, if nothing comes of it, and in any case. */
  patience: number;
  looks: number;
  /** What balloons had given at the last look, in MiB. */
  given: number;
  /** Units that the search for equal pages has yet to spend; undefined before it begins. */
  units: number | undefined;
  /** Host time, in ms, that it has taken. */
  took: number;
}

const MIB = 2 ** 20;
/** Bytes that must be free for a guest that has waited, at the most. */
const ENOUGH = MIB;
/** Of a limit, and in MiB: so much is asked for at once. */
const WANTED = { part: 1 / 16, least: 4, most: 64 } as const;
/** Looks without anything new, and at all, and the time from one to the next, in ms. */
const PATIENCE = 60;
const MOST_LOOKS = 400;
const LOOK = 10;
/** A guest that has not given what it was asked for, so long, is asked for no more; then not at all for a while. In ms. */
const STALLED = 2_000;
const DISTRUST = { first: 10_000, most: 600_000 } as const;
/** Units of a search at one look: a few ms. Behind it there is so many times the rest that it took, whoever needs memory. */
const SEARCH = 60_000;
const REST = 4;
/** Bytes with which a search is over: more than a guest waits for, so that the next one is not soon. */
const FOUND = 4 * MIB;
/** Bytes that are swapped out at one look: a few ms. */
const SWAPPED = 2 ** 17;
/** ms from one look at how things stand to the next; without asking for anything, until something is handed back. */
const TICK = 200;
const CALM = 2_000;
/** Parts of a limit: with less free, balloons are asked before anybody waits; with more, something is handed back. */
const FREE = { low: 1 / 25, high: 4 / 25 } as const;
/** Of a limit: handed back at once. */
const RELIEF = 1 / 32;

export class HostMemory<G extends MemoryGuest> {
  readonly #options: HostMemoryOptions<G>;
  readonly #limits: MemoryLimits<G>;
  readonly #shortages = new WeakMap<G, Shortage>();
  readonly #budgets = new WeakMap<MemoryPool, ScanBudget>();
  /** When it last looked at how things stand, and what it knows of each guest since. */
  #looked = 0;
  readonly #records = new WeakMap<G, GuestRecord>();
  #askedAt = Number.NEGATIVE_INFINITY;
  readonly #balloon = { tried: 0, given: 0 };
  readonly #sharing = { tried: 0, given: 0 };
  readonly #swap = { tried: 0, given: 0 };
  /** When the next search for a guest in need may begin, in ms. */
  #searchAt = 0;
  #paused = 0;
  /** Nothing has a limit, and nothing is to be searched: then there is nothing to do between slices. */
  #idle: boolean;

  constructor(options: HostMemoryOptions<G>) {
    this.#options = options;
    this.#limits = new MemoryLimits(options);
    this.#idle = options.limit === Number.POSITIVE_INFINITY;
  }

  /** Guests of a pool with a name live in this one from now on. */
  name(pool: MemoryPool, name: string): void {
    this.#limits.setName(pool, name);
    this.#idle = false;
    this.#budgets.set(pool, new ScanBudget(this.#limits.optionsOf(pool).budget));
  }

  /** Before a slice of this guest: how much it may grow, or that it may not run now. */
  admit(guest: G): Admission {
    const { memoryPool: pool } = guest.machine;
    const hasFrames = pool.prepare();
    this.#limits.setFull(pool, !hasFrames);
    if (hasFrames && this.#limits.isUnlimited(pool)) return this.#go(guest, Number.POSITIVE_INFINITY);
    const free = this.#free(guest);
    const shortage = this.#shortages.get(guest);
    if (hasFrames && (shortage === undefined || free >= ENOUGH)) {
      this.#shortages.delete(guest);
      return this.#go(guest, Math.max(free, 0));
    }
    return this.#relieve(guest, shortage ?? this.#begin(guest));
  }

  /** Whether a machine that is being made, and is nobody's yet, has not exceeded what there is. */
  hasRoom(pool: MemoryPool): boolean {
    return this.#limits.holdWith(pool);
  }

  /** Whether there is so much for it, or it is within its share. */
  mayGrow(guest: G, bytes: number): boolean {
    return this.#free(guest) >= bytes || this.#limits.entitlement(guest) >= guest.machine.memoryInUse + bytes;
  }

  /** A slice of this guest has ended for want of memory: the next one waits until something was done about it. */
  needed(guest: G): void {
    this.#begin(guest);
  }

  /** Between slices. */
  turn(): void {
    if (this.#idle) return;
    const { now, holders } = this.#options;
    const time = now();
    for (const pool of this.#limits.pools) this.#budgets.get(pool)?.turn(pool.scanner, now);
    if (time - this.#looked < TICK) return;
    const passed = time - this.#looked;
    this.#looked = time;
    const all = holders();
    for (const { guest, run } of all) this.#observe(guest, { run, time, fairShare: passed / all.length });
    for (const memory of this.#limits.limited) {
      if (this.#options.reclaim.balloon) this.#balance(memory, time);
      // What guests within their share have come to need, those over theirs give back, a little at a time.
      const over = furthestOverIn(memory);
      if (over) this.#swapOut(over.guest, Math.min(over.bytes, SWAPPED));
    }
  }

  get statistics(): MemoryStatistics {
    const holders = this.#options.holders();
    const guests = holders.map(({ guest: { name, machine, balloon } }): GuestMemoryStatistics => {
      const { memoryInUse: inUse, memoryShared: shared, memorySwapped: swapped } = machine;
      const [ballooned, asked] = [balloon?.actual ?? 0, balloon?.target ?? 0];
      return { name, inUse, shared, swapped, ballooned: ballooned * MIB, asked: asked * MIB };
    });
    const pools = [...this.#limits.pools].map((pool): PoolStatistics => {
      const names = holders.filter(({ guest }) => guest.machine.memoryPool === pool).map(({ guest }) => guest.name);
      return {
        ...{ name: this.#limits.nameOf(pool), guests: names, limit: this.#limits.optionsOf(pool).limit },
        ...{ inUse: pool.bytesInUse, saved: pool.bytesSaved, sharing: pool.scanner.figures },
      };
    });
    const sum = (of: 'inUse' | 'saved'): number => pools.reduce((total, pool) => total + pool[of], 0);
    return {
      ...{ limit: this.#options.limit, inUse: sum('inUse'), saved: sum('saved'), guests, pools },
      ...{ balloon: { ...this.#balloon }, sharing: { ...this.#sharing } },
      ...{ swap: { ...this.#swap }, paused: this.#paused },
    };
  }

  #go(guest: G, growth: number): 'go' {
    const { machine } = guest;
    machine.memoryLimit = machine.memoryInUse + growth;
    // What it copies because it was shared is no more of its own, but more of the pool's.
    machine.memoryPool.limit = machine.memoryPool.bytesInUse + growth;
    return 'go';
  }

  #begin(guest: G): Shortage {
    const given = this.#givenBy(guest);
    const shortage: Shortage = {
      step: 'balloon',
      patience: PATIENCE,
      looks: MOST_LOOKS,
      given,
      units: undefined,
      took: 0,
    };
    this.#shortages.set(guest, shortage);
    if (!this.#ask(guest)) shortage.step = 'sharing';
    return shortage;
  }

  #relieve(guest: G, shortage: Shortage): Admission {
    if (shortage.step === 'balloon') {
      const given = this.#givenBy(guest);
      if (given > shortage.given) Object.assign(shortage, { given, patience: PATIENCE });
      if (shortage.patience-- > 0 && shortage.looks-- > 0 && this.#ask(guest)) return LOOK;
      shortage.step = 'sharing';
    }
    if (shortage.step === 'sharing') {
      const wait = this.#options.reclaim.sharing ? this.#search(guest, shortage) : undefined;
      if (wait !== undefined) return wait;
      shortage.step = 'swap';
    }
    if (this.#swapFor(guest) > 0) return 0;
    this.#shortages.delete(guest);
    const entitled = this.#limits.entitlement(guest) - guest.machine.memoryInUse;
    if (entitled > 0 && guest.machine.memoryPool.prepare()) return this.#go(guest, entitled);
    this.#paused++;
    // When it is run all the same, it comes as far as its next need.
    this.#go(guest, 0);
    return 'out';
  }

  /** @returns ms to wait until it is asked again; undefined once all has been searched, in vain */
  #search(guest: G, shortage: Shortage): number | undefined {
    const start = this.#options.now();
    const pools = [...this.#poolsAround(guest)];
    if (shortage.units === undefined) {
      if (start < this.#searchAt) return LOOK;
      this.#sharing.tried++;
      // What was seen at the beginning may have to be seen again at the end.
      shortage.units = pools.reduce((units, { scanner }) => units + 2 * scanner.roundUnits, 0);
    }
    for (const { scanner } of pools) {
      const before = scanner.figures;
      shortage.units -= Math.max(scanner.scan(SEARCH / pools.length), 1);
      const { merged, zeros } = scanner.figures;
      this.#sharing.given += (merged + zeros - before.merged - before.zeros) * PAGE_SIZE;
    }
    const now = this.#options.now();
    shortage.took += now - start;
    const found = this.#free(guest) >= FOUND;
    if (found || shortage.units <= 0) this.#searchAt = now + REST * shortage.took;
    return found || shortage.units > 0 ? 0 : undefined;
  }

  /** Swaps out what guests have not used lately: those over their share, the needy one too, idle ones first. @returns bytes */
  #swapFor(guest: G): number {
    const rank = ({ guest: { machine }, weight, guest: each }: Holder<G>): number =>
      rankOf({ weight, inUse: machine.memoryInUse / MIB, activity: this.#records.get(each)?.activity ?? 1 });
    for (const each of this.#limits.over(guest).sort((one, other) => rank(one) - rank(other))) {
      const given = this.#swapOut(each.guest, SWAPPED);
      if (given > 0) return given;
    }
    return 0;
  }

  #swapOut({ machine }: G, bytes: number): number {
    const { swap, reclaim } = this.#options;
    if (!swap || !reclaim.swap) return 0;
    const given = machine.swapOut(bytes, swap);
    this.#swap.tried++;
    this.#swap.given += given;
    return given;
  }

  /** Asks balloons of others for what a guest needs. @returns whether anything can be expected of that */
  #ask(guest: G): boolean {
    if (!this.#options.reclaim.balloon) return false;
    let asked = false;
    for (const { limit, guests } of this.#limits.around(guest)) {
      const others = guests.filter((each) => each.guest !== guest);
      asked = this.#askFor(wanted(limit), others) || asked;
    }
    return asked;
  }

  #askFor(mebibytes: number, holders: readonly Holder<G>[]): boolean {
    const donors = this.#donors(holders);
    const asks = askDonors(donors, mebibytes);
    for (const [{ guest }, amount] of asks) guest.balloon!.reclaim = amount;
    if (asks.size > 0) {
      this.#balloon.tried++;
      this.#askedAt = this.#options.now();
    }
    return asks.size > 0 || donors.some(({ asked, given, answered }) => asked > given || !answered);
  }

  /** Those that run and have a driver for their balloon, which has not failed lately. */
  #donors(holders: readonly Holder<G>[]): (Donor & { readonly guest: G })[] {
    return holders.flatMap(({ guest, weight, reserved }) => {
      const { balloon, machine } = guest;
      const { activity = 1, distrustedUntil = 0 } = this.#records.get(guest) ?? {};
      if (balloon === undefined || guest.state !== 'running' || this.#options.now() < distrustedUntil) return [];
      if (!balloon.refresh()) return [];
      const { availableMemory, freeMemory } = balloon.figures;
      const available = availableMemory ?? freeMemory;
      return {
        ...{ guest, weight, inUse: machine.memoryInUse / MIB, activity, answered: balloon.answered },
        ...{ asked: balloon.reclaim, given: balloon.actual },
        ...{ memory: machine.memorySize / MIB, reserved: reserved / MIB },
        available: available === undefined ? undefined : available / MIB,
      };
    });
  }

  /** Keeps a little free, and hands back what is not needed any longer. */
  #balance({ limit, inUse, guests: holders }: LimitedMemory<G>, time: number): void {
    const free = limit - inUse;
    if (free < FREE.low * limit) this.#askFor(wanted(limit), holders);
    else if (free > FREE.high * limit && time - this.#askedAt > CALM) {
      const asked = holders.filter(({ guest }) => (guest.balloon?.reclaim ?? 0) > 0);
      const relieved = nextToRelieve(this.#donors(asked));
      const { balloon } = relieved?.guest ?? {};
      if (balloon) balloon.reclaim = Math.max(0, balloon.reclaim - Math.ceil((RELIEF * limit) / MIB));
    }
  }

  #observe(guest: G, { run, time, fairShare }: { run: number; time: number; fairShare: number }): void {
    const { balloon } = guest;
    const given = balloon?.actual ?? 0;
    const record = this.#records.get(guest);
    if (record === undefined) {
      this.#records.set(guest, { run, given, activity: 1, gaveAt: time, distrustedUntil: 0, distrust: 0 });
      return;
    }
    const more = given - record.given;
    Object.assign(record, { run, given, activity: Math.min(1, (run - record.run) / fairShare) });
    if (!balloon) return;
    if (more > 0 && balloon.reclaim > 0) this.#balloon.given += more * MIB;
    if (more > 0 || balloon.reclaim <= given) record.gaveAt = time;
    else if (time - record.gaveAt > STALLED) {
      // Nobody is to wait for it again and again.
      balloon.reclaim = Math.ceil(given);
      record.distrust = Math.min(Math.max(2 * record.distrust, DISTRUST.first), DISTRUST.most);
      record.distrustedUntil = time + record.distrust;
    }
  }

  #givenBy(guest: G): number {
    let given = 0;
    for (const { guests } of this.#limits.around(guest)) {
      for (const each of guests) if (each.guest !== guest) given += each.guest.balloon?.actual ?? 0;
    }
    return given;
  }

  /** What is left for a guest; nothing, if its pool has hardly a frame left. */
  #free(guest: G): number {
    return guest.machine.memoryPool.prepare() ? this.#limits.free(guest) : 0;
  }

  /** Those in which something might be found for a guest: its own, or all if it is the host's memory that is short. */
  #poolsAround(guest: G): Set<MemoryPool> {
    const { pools, inUse } = this.#limits;
    return this.#options.limit - inUse < ENOUGH ? pools : new Set([guest.machine.memoryPool]);
  }
}

/** What is remembered of a guest. */
interface GuestRecord {
  /** At the last look: host time that it had been given, in ms, and MiB that it had given. */
  run: number;
  given: number;
  /** Of the time that it might have run, between the last looks. */
  activity: number;
  /** When it last gave something, or owed nothing. */
  gaveAt: number;
  distrustedUntil: number;
  /** For how long it was distrusted last, in ms. */
  distrust: number;
}

/** MiB to ask for at once. */
const wanted = (limit: number): number =>
  Math.ceil(Math.min(Math.max((WANTED.part * limit) / MIB, WANTED.least), WANTED.most));
