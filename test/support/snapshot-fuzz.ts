/**
 * Snapshots that somebody has changed: bytes anywhere, or, with all checksums made good again, what is described in them.
 * Each is refused with a reason, or gives a guest that runs; nothing else.
 */
import { createImageOpener } from '../../src/host/image-opener.ts';
import { createPlatform } from '../../src/host/platform.ts';
import { createSnapshotCodec } from '../../src/host/snapshot-codec.ts';
import { createSnapshotFiles } from '../../src/host/snapshot-files.ts';
import { Host } from '../../src/hypervisor/host.ts';
import { FORMAT_VERSION, HEADER_BYTES, MAGIC, TRAILER } from '../../src/snapshot/layout.ts';
import { decodePlain, encodePlain } from '../../src/snapshot/plain-data.ts';
import { type ChangedGuestReport, fuzzChangedGuests } from './changed-guest-fuzz.ts';
import type { FuzzedSnapshot } from './fuzzed-snapshot.ts';

type Random = (below: number) => number;

export async function fuzzSnapshots(
  originals: readonly FuzzedSnapshot[],
  { rounds, random }: { readonly rounds: number; readonly random: Random },
): Promise<ChangedGuestReport> {
  const host = new Host({
    platform: createPlatform(),
    openImage: createImageOpener(),
    snapshots: createSnapshotFiles(),
    onListenerError: () => {},
  });
  const report = await fuzzChangedGuests(host, rounds, (round) => {
    const { bytes: original, options } = originals[round % originals.length];
    const { bytes, what } = round % 4 === 0 ? changeBytes(original, random) : changeDescription(original, random);
    return { what, begin: () => host.restore(bytes, { ...options, engine: 'interpreter' }) };
  });
  host.dispose();
  return report;
}

interface Changed {
  readonly bytes: Uint8Array;
  readonly what: string;
}

function changeBytes(original: Uint8Array, random: Random): Changed {
  const bytes = original.slice(0, random(8) === 0 ? random(original.length) : undefined);
  const changes = 1 + random(4);
  for (let change = 0; change < changes && bytes.length > 0; change++) {
    // As often at the end, which says where all the rest is.
    const at =
      random(2) === 0 ? random(bytes.length) : bytes.length - 1 - random(Math.min(bytes.length, TRAILER.BYTES));
    bytes[at] = random(256);
  }
  return { bytes, what: 'bytes changed' };
}

/** Changes something in the index, and writes it with the checksum that belongs to it. */
function changeDescription(original: Uint8Array, random: Random): Changed {
  const view = new DataView(original.buffer, original.byteOffset + original.length - TRAILER.BYTES);
  const at = Number(view.getBigUint64(TRAILER.INDEX_AT, true));
  const codec = createSnapshotCodec();
  const packed = original.subarray(at, at + view.getUint32(TRAILER.INDEX_PACKED, true));
  const index = decodePlain(codec.inflate(packed, view.getUint32(TRAILER.INDEX_LENGTH, true))) as {
    head: { machine: { devices: { state: object }[] } };
  };
  const changed = [];
  // Most of what can be changed is far from the root.
  const { devices } = index.head.machine;
  const roots = [index, index.head, index.head.machine, devices];
  const root = random(2) === 0 ? devices[random(devices.length)].state : roots[random(roots.length)];
  for (let change = random(3); change >= 0; change--) changed.push(changeSomething(root, random));
  const plain = encodePlain(index);
  return { bytes: signed(original.subarray(0, at), plain), what: changed.join(', ') };
}

/** Blocks, and an index with its checksum: a file as the writer makes them. */
export function signed(blocks: Uint8Array, plain: Uint8Array): Uint8Array {
  const codec = createSnapshotCodec();
  const packed = codec.deflate(plain);
  const bytes = new Uint8Array(blocks.length + packed.length + TRAILER.BYTES);
  bytes.set(blocks.length >= HEADER_BYTES ? blocks : MAGIC);
  bytes.set(packed, blocks.length);
  const trailer = bytes.subarray(blocks.length + packed.length);
  const view = new DataView(trailer.buffer, trailer.byteOffset);
  view.setBigUint64(TRAILER.INDEX_AT, BigInt(blocks.length), true);
  view.setUint32(TRAILER.INDEX_PACKED, packed.length, true);
  view.setUint32(TRAILER.INDEX_LENGTH, plain.length, true);
  trailer.set(codec.digest(packed), TRAILER.INDEX_DIGEST);
  view.setUint32(TRAILER.VERSION, FORMAT_VERSION, true);
  trailer.set(MAGIC, TRAILER.MAGIC);
  return bytes;
}

/** Goes down from the root by chance, and changes what it comes to. @returns where that was */
export function changeSomething(root: object, random: Random): string {
  let parent: Record<string, unknown> = root as Record<string, unknown>;
  let path = '';
  for (;;) {
    const keys = Object.keys(parent);
    if (keys.length === 0) return path;
    const key = keys[random(keys.length)];
    path += `.${key}`;
    const value = parent[key];
    const isInner = typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
    if (isInner && random(8) > 0) {
      parent = value as Record<string, unknown>;
      continue;
    }
    const kind = random(10);
    if (kind === 0) delete parent[key];
    else if (kind === 1) parent[`${key}x`] = value;
    else parent[key] = replacement(value, random);
    return path;
  }
}

const ODD: readonly unknown[] = [
  ...[null, undefined, 0, 1, -1, 0.5, 255, 65_535, 2 ** 31, 2 ** 32 - 1, 2 ** 53, 1e300, Number.NaN, Infinity],
  ...[0n, -1n, 2n ** 64n - 1n, true, false, '', 'x', 'working', [], [1, 2, 3], {}, { a: 1 }, new Uint8Array(0)],
];

function replacement(value: unknown, random: Random): unknown {
  if (value instanceof Uint8Array && value.length > 0 && random(4) > 0) {
    const bytes = value.slice(0, random(4) === 0 ? random(value.length) : undefined);
    if (bytes.length > 0) bytes[random(bytes.length)] = random(256);
    return bytes;
  }
  if (typeof value === 'number' && random(2) === 0)
    return [value + 1, value - 1, value ^ (1 << random(31)), value * 2][random(4)];
  if (typeof value === 'bigint' && random(2) === 0) return value ^ (1n << BigInt(random(64)));
  if (Array.isArray(value) && random(2) === 0) return [...value, ...value];
  return structuredClone(ODD[random(ODD.length)]);
}
