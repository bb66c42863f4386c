/**
 * How much of a host's memory a guest may hold: its share of the limit, by weight, in any case; and whatever the others
 * leave. So one that is over its share stops growing when there is no more, and none is kept from its share. What one that
 * is not over its share comes to need is taken back from those that are, where there is a way to (`host-memory.ts`).
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
  return Math.max(shareOf(limit, guests, guest), guest.memoryInUse + limit - bytesInUse(guests));
}

/** The one of `guests` that is furthest over its share, where all together hold more than they may; and by how many bytes. */
export function furthestOver<Holder extends MemoryHolder>(
  limit: number,
  guests: readonly Holder[],
): { readonly guest: Holder; readonly bytes: number } | undefined {
  const excess = bytesInUse(guests) - limit;
  if (excess <= 0) return undefined;
  let found: { readonly guest: Holder; readonly bytes: number } | undefined;
  for (const guest of guests) {
    const bytes = Math.min(guest.memoryInUse - shareOf(limit, guests, guest), excess);
    if (bytes > (found?.bytes ?? 0)) found = { guest, bytes };
  }
  return found;
}

function shareOf(limit: number, guests: readonly MemoryHolder[], { weight }: MemoryHolder): number {
  return (limit * weight) / guests.reduce((sum, each) => sum + each.weight, 0);
}

function bytesInUse(guests: readonly MemoryHolder[]): number {
  let sum = 0;
  for (const { bytesInUse } of new Set(guests.map(({ pool }) => pool))) sum += bytesInUse;
  return sum;
}
