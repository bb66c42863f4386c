/**
 * Puts a boot image into memory, again after every reset. What the guest has not written to is there already and is
 * left alone, so that a reset costs what the guest has changed, not the size of its kernel.
 */
import { PAGE_SIZE } from '../base/address.ts';
import type { GuestMemory } from '../memory/guest-memory.ts';
import type { BootImage } from './boot.ts';
import { ImageStore } from './image-store.ts';

export class ImageLoader {
  readonly #memory: GuestMemory;
  #pieces: BootImage['pieces'];
  #loaded = false;

  /** Copies the image: whoever gave it may do with the bytes what he likes. */
  constructor(memory: GuestMemory, { pieces }: BootImage, images = new ImageStore()) {
    this.#memory = memory;
    this.#pieces = pieces.map(({ address, bytes }) => ({ address, bytes: images.keep(bytes) }));
  }

  /** What it puts there, and where. */
  get pieces(): BootImage['pieces'] {
    return this.#pieces;
  }

  /** Before the guest runs, or after a flush of all translations: through a writable one it could write unseen. */
  load(): void {
    const memory = this.#memory;
    for (const { address, bytes } of this.#pieces) {
      for (let from = 0, to = 0; from < bytes.length; from = to) {
        const page = Math.floor((address + from) / PAGE_SIZE);
        to = Math.min((page + 1) * PAGE_SIZE - address, bytes.length);
        if (!this.#loaded || memory.isDirty(page)) memory.copyIn(address + from, bytes.subarray(from, to));
      }
    }
    // Not before all are there: pieces can share a page.
    for (const { address, bytes } of this.#pieces) {
      const first = Math.floor(address / PAGE_SIZE);
      memory.clearDirty(first, Math.ceil((address + bytes.length) / PAGE_SIZE) - first);
    }
    this.#loaded = true;
  }

  dispose(): void {
    this.#pieces = [];
  }
}
