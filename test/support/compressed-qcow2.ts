/** A qcow2 image of compressed clusters of 4 KiB, side by side as QEMU puts them. */
import { deflateRawSync } from 'node:zlib';
import { FIELD, INCOMPATIBLE } from '../../src/storage/qcow2/header.ts';
import { getRefcount, setRefcount } from '../../src/storage/qcow2/refcount-block.ts';
import { emptyQcow2 } from './memory-images.ts';

const CLUSTER_BITS = 12;
const CLUSTER = 2 ** CLUSTER_BITS;

/** @returns the image, and where its compressed data is */
export function compressedQcow2(
  disk: Uint8Array,
  method: 'zlib' | 'zstd',
): { bytes: Uint8Array; data: readonly [number, number] } {
  const store = emptyQcow2({ size: disk.length, clusterBits: CLUSTER_BITS });
  const read = (at: number): number => Number(view().getBigUint64(at));
  const view = (): DataView => new DataView(store.bytes.buffer, 0, store.size);
  const counts = read(read(FIELD.refcountTableOffset));
  const count = (cluster: number): void => {
    const block = new DataView(store.bytes.buffer, counts, CLUSTER);
    setRefcount(block, 4, cluster, getRefcount(block, 4, cluster) + 1);
  };
  const l1 = read(FIELD.l1TableOffset);
  const clusters = Math.ceil(disk.length / CLUSTER);
  const perTable = CLUSTER / 8;
  for (let table = 0; table * perTable < clusters; table++) {
    const at = store.size;
    store.write(at, new Uint8Array(CLUSTER));
    count(at / CLUSTER);
    view().setBigUint64(l1 + table * 8, BigInt(at) | (1n << 63n));
  }
  const first = store.size;
  let at = first;
  for (let cluster = 0; cluster < clusters; cluster++) {
    const bytes = new Uint8Array(CLUSTER);
    bytes.set(disk.subarray(cluster * CLUSTER, (cluster + 1) * CLUSTER));
    const packed = method === 'zlib' ? deflateRawSync(bytes) : zstdFrame(bytes);
    store.write(at, packed);
    const sectors = Math.floor((at + packed.length - 1) / 512) - Math.floor(at / 512);
    const table = Number(view().getBigUint64(l1 + Math.floor(cluster / perTable) * 8) & 0xffff_fe00n);
    const entry = table + (cluster % perTable) * 8;
    view().setBigUint64(entry, (1n << 62n) | (BigInt(sectors) << BigInt(62 - (CLUSTER_BITS - 8))) | BigInt(at));
    const last = Math.floor((Math.floor(at / 512) * 512 + (sectors + 1) * 512 - 1) / CLUSTER);
    for (let host = Math.floor(at / CLUSTER); host <= last; host++) count(host);
    at += packed.length;
  }
  if (method === 'zstd') {
    view().setUint32(FIELD.incompatibleFeatures + 4, INCOMPATIBLE.COMPRESSION);
    view().setUint8(FIELD.compressionType, 1);
  }
  return { bytes: store.bytes.slice(), data: [first, at] };
}

/** A frame of blocks that are stored or repeat one byte: RFC 8878, 3.1.1. Node 20 has no compressor. */
function zstdFrame(bytes: Uint8Array): Uint8Array {
  // No checksum, no content size; a window of 4 KiB.
  const parts: number[] = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x10];
  const HALF = 2048;
  for (let at = 0; at < bytes.length; at += HALF) {
    const block = bytes.subarray(at, at + HALF);
    const same = block.every((byte) => byte === block[0]);
    const last = at + HALF >= bytes.length ? 1 : 0;
    const header = last | ((same ? 1 : 0) << 1) | (block.length << 3);
    parts.push(header & 0xff, (header >> 8) & 0xff, header >> 16);
    for (const byte of same ? block.subarray(0, 1) : block) parts.push(byte);
  }
  return Uint8Array.from(parts);
}
