/** Takes a snapshot of a qcow2 image in memory, whose first- and second-level tables are shared from then on. */
import type { BytesStore } from '../../src/storage/bytes-store.ts';
import { FIELD } from '../../src/storage/qcow2/header.ts';
import { getRefcount, refcountsPerBlock, setRefcount } from '../../src/storage/qcow2/refcount-block.ts';

/** Every cluster to which the active tables refer is counted twice then, and not marked as used once. Needs one refcount block. */
export function snapshotQcow2(store: BytesStore): void {
  const clusterBytes = 2 ** view(store).getUint32(FIELD.clusterBits);
  const order = view(store).getUint32(FIELD.refcountOrder);
  const read = (at: number): number => Number(view(store).getBigUint64(at) & 0x00ff_ffff_ffff_fe00n);
  const blocks = read(FIELD.refcountTableOffset);
  const perBlock = refcountsPerBlock(clusterBytes, order);
  const count = (offset: number, more: number): void => {
    const cluster = offset / clusterBytes;
    const block = read(blocks + Math.floor(cluster / perBlock) * 8);
    if (block === 0) throw new Error('the snapshot needs another refcount block');
    const counts = new DataView(store.bytes.buffer, block, clusterBytes);
    setRefcount(counts, order, cluster % perBlock, getRefcount(counts, order, cluster % perBlock) + more);
  };
  const l1 = read(FIELD.l1TableOffset);
  const l1Bytes = view(store).getUint32(FIELD.l1Size) * 8;
  for (let at = l1; at < l1 + l1Bytes; at += 8) {
    const l2 = read(at);
    if (l2 === 0) continue;
    for (let entry = l2; entry < l2 + clusterBytes; entry += 8) {
      const host = read(entry);
      if (host === 0) continue;
      count(host, 1);
      view(store).setUint8(entry, 0);
    }
    count(l2, 1);
    view(store).setUint8(at, 0);
  }
  const end = Math.ceil(store.size / clusterBytes) * clusterBytes;
  const l1Clusters = Math.ceil(l1Bytes / clusterBytes);
  store.write(end, store.read(l1, l1Bytes));
  const table = end + l1Clusters * clusterBytes;
  const entry = new Uint8Array(clusterBytes);
  const fields = new DataView(entry.buffer);
  fields.setBigUint64(0, BigInt(end));
  fields.setUint32(8, l1Bytes / 8);
  fields.setUint16(12, 1);
  fields.setUint16(14, 1);
  fields.setUint32(36, 16);
  fields.setBigUint64(48, view(store).getBigUint64(FIELD.size));
  entry.set(new TextEncoder().encode('1s'), 56);
  store.write(table, entry);
  for (let at = end; at <= table; at += clusterBytes) count(at, 1);
  view(store).setUint32(FIELD.snapshots, 1);
  view(store).setBigUint64(FIELD.snapshotsOffset, BigInt(table));
}

const view = (store: BytesStore): DataView => new DataView(store.bytes.buffer, 0, store.size);
