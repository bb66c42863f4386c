/** The file and the header of a qcow2 image. */
import type { ByteStore } from '../block-store.ts';
import { type Task, wait } from '../task.ts';
import { CLUSTER_BITS, FIELD, HEADER_BYTES, parseHeader } from './header.ts';
import { Qcow2File } from './qcow2-file.ts';

/** @throws StorageError if it is none, or one that is not supported */
export function* openQcow2(store: ByteStore): Task<Qcow2File> {
  const start = yield* wait(store.read(0, Math.min(HEADER_BYTES[3], store.size)));
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const bits = start.length >= HEADER_BYTES[2] ? view.getUint32(FIELD.clusterBits) : 0;
  const head = yield* wait(store.read(0, Math.min(2 ** Math.min(bits, CLUSTER_BITS.most), store.size)));
  return new Qcow2File(store, parseHeader(bits < CLUSTER_BITS.least ? start : head, store.size));
}
