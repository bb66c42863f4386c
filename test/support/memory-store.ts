/** A folder of a store in memory, whose process can be killed before any change that it makes. */
import { UserError } from '../../src/base/errors.ts';
import type { StoreFolder, StoreRoom } from '../../src/snapshot/store/store-folder.ts';

export class Killed extends Error {}

type Files = Record<StoreRoom, Map<string, Uint8Array>>;

export class MemoryDisk {
  readonly files: Files = { snapshots: new Map(), packs: new Map() };
  /** Changes so far. */
  changes = 0;
  /** The change that is not made, nor any after it. */
  killBefore = Number.POSITIVE_INFINITY;
  locked = false;
  #stamps = 0;
  readonly #stampOf = new Map<Uint8Array, number>();
  #date = 0;

  copy(): MemoryDisk {
    const copy = new MemoryDisk();
    for (const room of ['snapshots', 'packs'] as const)
      for (const [name, bytes] of this.files[room]) copy.#put(room, name, bytes.slice());
    return copy;
  }

  /** What a process sees that has just begun: the lock of a dead one is none. */
  mount(): StoreFolder {
    this.locked = false;
    return {
      name: 'store',
      list: (room) =>
        [...this.files[room]]
          .map(([name, bytes]) => ({ name, size: bytes.length, stamp: `${this.#stampOf.get(bytes)}` }))
          .sort((one, other) => (one.name < other.name ? -1 : 1)),
      open: (room, name) => {
        const bytes = this.files[room].get(name);
        if (bytes === undefined) throw new UserError(`cannot open ${room}/${name}: no such file`);
        return {
          size: bytes.length,
          read(offset, length) {
            if (offset < 0 || length < 0 || offset + length > bytes.length) throw new Error('read beyond the end');
            return bytes.slice(offset, offset + length);
          },
          close() {},
        };
      },
      create: (room) => {
        this.#change();
        const parts: Uint8Array[] = [];
        return {
          write: (bytes) => {
            this.#change();
            parts.push(bytes.slice());
          },
          finish: (name) => {
            this.#change();
            this.#put(room, name, new Uint8Array(Buffer.concat(parts)));
          },
          abandon() {},
        };
      },
      remove: (room, name) => {
        this.#change();
        this.files[room].delete(name);
      },
      lock: async () => {
        if (this.locked) throw new UserError('store is in use');
        this.locked = true;
        return () => {
          this.locked = false;
        };
      },
      date: () => ++this.#date,
    };
  }

  #put(room: StoreRoom, name: string, bytes: Uint8Array): void {
    this.#stampOf.set(bytes, ++this.#stamps);
    this.files[room].set(name, bytes);
  }

  #change(): void {
    if (++this.changes >= this.killBefore) throw new Killed();
  }
}
