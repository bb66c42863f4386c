/**
 * A copy of plain data that shares nothing with it: null, booleans, numbers, bigints, strings, arrays, typed arrays, maps,
 * sets, and objects made by a literal. As `structuredClone`, many times faster, and without cycles.
 */
export function copyPlain<Data>(data: Data): Data {
  return copyOf(data) as Data;
}

function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  // Not `slice()`: that of a Buffer still is the same memory.
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return (value as Uint32Array).slice();
  if (value instanceof Map) return new Map([...value].map(([key, one]) => [copyOf(key), copyOf(one)]));
  if (value instanceof Set) return new Set([...value].map(copyOf));
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) copy[key] = copyOf((value as Record<string, unknown>)[key]);
  return copy;
}
