/**
 * Pages of guests that are still in the snapshot that they were restored from. The file is closed when none is.
 * @see `memory/page-source.ts`, whose interface this implements.
 */
import type { PageSource } from '../../memory/page-source.ts';
import type { SnapshotFile } from '../../snapshot/snapshot-file.ts';

export class SnapshotPages implements PageSource {
  readonly kind = 'snapshot';
  readonly #file: SnapshotFile;
  readonly #close: () => void;
  /** Pages of guests that are in it; and one while it is being restored. */
  #holders = 1;

  /** `file` answers at once. `close` is called once. */
  constructor(file: SnapshotFile, close: () => void) {
    this.#file = file;
    this.#close = close;
  }

  /** In which slot each of the pages is that belong to `name`. */
  slotsOf(name: string): Uint32Array {
    return this.#file.storedAt(name);
  }

  read(stored: number): Uint8Array {
    return this.#file.readStored(stored);
  }

  share(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) this.#close();
  }
}
