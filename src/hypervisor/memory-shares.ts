/**
 * How much of a host's memory a guest may hold: its share of the limit, by weight, in any case; and whatever the others
 * leave. So one that is over its share stops growing when there is no more, and none is kept from its share.
 *
 * Not yet: taking back from those that are over their share what one that is not comes to need.
 */
export interface MemoryHolder {
  readonly weight: number;
  /** Bytes. */
  readonly memoryInUse: number;
}

/** Bytes that `guest`, one of `guests`, may hold now. */
export function memoryAllowance(limit: number, guests: readonly MemoryHolder[], guest: MemoryHolder): number {
  let weights = 0;
  let inUse = 0;
  for (const { weight, memoryInUse } of guests) {
    weights += weight;
    inUse += memoryInUse;
  }
  const share = (limit * guest.weight) / weights;
  return Math.max(share, limit - (inUse - guest.memoryInUse));
}
