/** A 64-bit FNV-1a hash over plain data and bytes: equal states give equal hashes, on every platform. */
const PRIME = 0x0000_0100_0000_01b3n;
const BASIS = 0xcbf2_9ce4_8422_2325n;
const MASK = (1n << 64n) - 1n;

/** `parts` are hashed in order; objects by their JSON text, in the order of their properties. */
export function hashState(parts: readonly unknown[]): string {
  const text = JSON.stringify(parts, (_, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`;
    if (ArrayBuffer.isView(value)) return Array.from(value as Uint8Array);
    if (value instanceof Map || value instanceof Set) return [...value];
    return value;
  });
  let hash = BASIS;
  for (const byte of new TextEncoder().encode(text)) hash = ((hash ^ BigInt(byte)) * PRIME) & MASK;
  return hash.toString(16).padStart(16, '0');
}
