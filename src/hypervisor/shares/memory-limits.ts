/** The limits of a host's memory, its own and those of its pools, and where its guests stand. Bytes. */
import type { MemoryPool } from '../../machine/machine.ts';
import { type CheckedPool, DEFAULT_POOL } from '../options/pool-options.ts';
import type { Holder, MemoryGuest } from './memory-guest.ts';
import { furthestOver, memoryAllowance } from './memory-shares.ts';

/** What has a limit: the host with all of its guests, or a pool with its own. */
export interface LimitedMemory<G extends MemoryGuest> {
  readonly limit: number;
  readonly inUse: number;
  readonly guests: readonly Holder<G>[];
}

export interface MemoryLimitsOptions<G extends MemoryGuest> {
  /** Infinity if there is none. */
  readonly limit: number;
  /** Of pools by name. */
  readonly pools: ReadonlyMap<string, CheckedPool>;
  /** All guests that are not disposed. */
  readonly holders: () => readonly Holder<G>[];
}

/** Of a pool that belongs to one guest and its clones. */
const OWN_POOL: CheckedPool = { ...DEFAULT_POOL, budget: 0 };

export class MemoryLimits<G extends MemoryGuest> {
  readonly #options: MemoryLimitsOptions<G>;
  readonly #names = new WeakMap<MemoryPool, string>();
  /** Those that have no frames left to give. */
  readonly #full = new WeakSet<MemoryPool>();

  constructor(options: MemoryLimitsOptions<G>) {
    this.#options = options;
  }

  /** From now on, this is the pool of a name. */
  setName(pool: MemoryPool, name: string): void {
    this.#names.set(pool, name);
  }

  nameOf(pool: MemoryPool): string | undefined {
    return this.#names.get(pool);
  }

  optionsOf(pool: MemoryPool): CheckedPool {
    const name = this.#names.get(pool);
    return name === undefined ? OWN_POOL : (this.#options.pools.get(name) ?? DEFAULT_POOL);
  }

  /** Neither it nor the host has a limit. */
  isUnlimited(pool: MemoryPool): boolean {
    return Math.min(this.#options.limit, this.optionsOf(pool).limit) === Number.POSITIVE_INFINITY;
  }

  /** All pools in which guests live. */
  get pools(): Set<MemoryPool> {
    return new Set(this.#options.holders().map(({ guest }) => guest.machine.memoryPool));
  }

  /** Of all pools together. */
  get inUse(): number {
    return [...this.pools].reduce((sum, pool) => sum + pool.bytesInUse, 0);
  }

  /** Whether a pool has frames to give. */
  setFull(pool: MemoryPool, full: boolean): void {
    if (full) this.#full.add(pool);
    else this.#full.delete(pool);
  }

  /** Whether no limit is exceeded, counting this pool in, which may be nobody's yet. */
  holdWith(pool: MemoryPool): boolean {
    const inUse = [...new Set([...this.pools, pool])].reduce((sum, each) => sum + each.bytesInUse, 0);
    return inUse <= this.#options.limit && pool.bytesInUse <= this.optionsOf(pool).limit;
  }

  /** All that has a limit. */
  get limited(): LimitedMemory<G>[] {
    const holders = this.#options.holders();
    const pools = [...this.pools].map((pool) => ({
      // One that can grow no further has its limit there.
      limit: this.#full.has(pool) ? pool.bytesInUse : this.optionsOf(pool).limit,
      inUse: pool.bytesInUse,
      guests: holders.filter(({ guest }) => guest.machine.memoryPool === pool),
    }));
    const host = { limit: this.#options.limit, inUse: this.inUse, guests: holders };
    return [host, ...pools].filter(({ limit }) => limit < Number.POSITIVE_INFINITY);
  }

  /** What of that a guest has part in. */
  around(guest: G): LimitedMemory<G>[] {
    return this.limited.filter(({ guests }) => guests.some((each) => each.guest === guest));
  }

  /** What is left for a guest within all limits; less than 0 if they are exceeded. */
  free(guest: G): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.around(guest).map(({ limit, inUse }) => limit - inUse));
  }

  /** What a guest may hold in any case: what is reserved for it, or its share, by weight, within all limits. */
  entitlement(guest: G): number {
    const around = this.around(guest);
    const shares = around.map(({ limit, guests }) => {
      const holders = guests.map(sharing);
      return memoryAllowance(limit, holders, holders.find((each) => each.guest === guest)!);
    });
    const reserved = around[0]?.guests.find((each) => each.guest === guest)?.reserved ?? 0;
    return Math.max(Math.min(Number.POSITIVE_INFINITY, ...shares), reserved);
  }

  /** Those that may be made to give, for a guest: itself, and who holds more than its share, by weight. */
  over(guest: G): Holder<G>[] {
    return this.around(guest).flatMap(({ limit, guests }) => {
      const weights = guests.reduce((sum, { weight }) => sum + weight, 0);
      const mayHold = ({ weight, reserved }: Holder<G>): number => Math.max((limit * weight) / weights, reserved);
      return guests.filter((each) => each.guest === guest || each.guest.machine.memoryInUse > mayHold(each));
    });
  }
}

/** The guest that is furthest over its share, where a limit is exceeded, and by how many bytes. */
export function furthestOverIn<G extends MemoryGuest>({ limit, guests }: LimitedMemory<G>) {
  const over = furthestOver(limit, guests.map(sharing));
  return over && { guest: over.guest.guest, bytes: over.bytes };
}

const sharing = <G extends MemoryGuest>({ guest, weight }: Holder<G>) => {
  const { memoryInUse, memoryPool: pool } = guest.machine;
  return { guest, weight, memoryInUse, pool };
};
