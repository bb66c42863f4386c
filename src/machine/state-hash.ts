/** A 64-bit FNV-1a hash over plain data and bytes: equal states give equal hashes, on every platform. */

/** The prime is 2^40 + 1B3h; the 64 bits are kept in two halves, for speed: 32 KiB of video memory are hashed each time. */
const PRIME_LOW = 0x1b3;
const PRIME_SHIFT = 40 - 32;
const BASIS = { high: 0xcbf2_9ce4, low: 0x8422_2325 } as const;

/** Plain data as JSON; objects with their properties in order. */
export const stateText = (data: unknown): string =>
  JSON.stringify(data, (_, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`;
    if (ArrayBuffer.isView(value)) return Array.from(value as Uint8Array);
    if (value instanceof Map || value instanceof Set) return [...value];
    return value;
  });

/** `parts` are hashed in order, by their text. */
export function hashState(parts: readonly unknown[]): string {
  let { high, low }: { high: number; low: number } = BASIS;
  for (const byte of new TextEncoder().encode(stateText(parts))) {
    const mixed = (low ^ byte) >>> 0;
    const product = mixed * PRIME_LOW;
    low = product >>> 0;
    high = (high * PRIME_LOW + Math.floor(product / 2 ** 32) + (mixed << PRIME_SHIFT)) >>> 0;
  }
  return [high, low].map((half) => half.toString(16).padStart(8, '0')).join('');
}
