/**
 * How much of a host's memory a guest may hold: its share of the limit, by weight, in any case; and whatever the others
 * leave. So one that is over its share stops growing when there is no more, and none is kept from its share.
 *
 * Not yet: taking back from those that are over their share what one that is not comes to need.
 */
export interface MemoryHolder {
  readonly weight: number;
  /** Bytes, those that it shares with others included. */
  readonly memoryInUse: number;
  /** What holds its memory, and that of its clones; bytes in use there, each counted once. */
  readonly pool: { readonly bytesInUse: number };
}

/** Bytes that `guest`, one of `guests`, may hold now. */
export function memoryAllowance(limit: number, guests: readonly MemoryHolder[], guest: MemoryHolder): number {
  const weights = guests.reduce((sum, { weight }) => sum + weight, 0);
  let inUse = 0;
  for (const { bytesInUse } of new Set(guests.map(({ pool }) => pool))) inUse += bytesInUse;
  const share = (limit * guest.weight) / weights;
  return Math.max(share, guest.memoryInUse + limit - inUse);
}
