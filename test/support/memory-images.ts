/** Images in memory, by name. */
import { UserError } from '../../src/base/errors.ts';
import type { ByteStore } from '../../src/storage/block-store.ts';
import { BytesStore } from '../../src/storage/bytes-store.ts';
import type { ImageFolder } from '../../src/storage/open-image.ts';
import { type CreateQcow2Options, createQcow2 } from '../../src/storage/qcow2/create-qcow2.ts';

export const GROWABLE = { growTo: 2 ** 28 } as const;

/** A store without its `write`. */
export const readOnly = (store: ByteStore): ByteStore => ({
  size: store.size,
  read: (offset, length) => store.read(offset, length),
  close: () => store.close(),
});

/** @param wrap what is done to each store that is opened */
export function memoryImages(
  stores: Readonly<Record<string, ByteStore>>,
  wrap: (store: ByteStore) => ByteStore = (store) => store,
): ImageFolder {
  return {
    find(name) {
      if (!stores[name]) throw new UserError(`cannot open ${name}: no such file`);
      return { name, identity: name };
    },
    open: ({ name }, { writable }) => wrap(writable ? stores[name] : readOnly(stores[name])),
  };
}

export function emptyQcow2(options: CreateQcow2Options): BytesStore {
  const store = new BytesStore(new Uint8Array(0), GROWABLE);
  createQcow2(store, options);
  return store;
}
