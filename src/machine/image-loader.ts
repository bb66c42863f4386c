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
  #zeros: NonNullable<BootImage['zeros']>;
  #loaded = false;

  /** Copies the image: whoever gave it may do with the bytes what he likes. */
  constructor(memory: GuestMemory, { pieces, zeros = [] }: BootImage, images = new ImageStore()) {
    this.#memory = memory;
    this.#pieces = pieces.map(({ address, bytes }) => ({ address, bytes: images.keep(bytes) }));
    this.#zeros = zeros;
  }

  /** The image, as it is loaded. */
  get pieces(): BootImage['pieces'] {
    return this.#pieces;
  }

  /** Before the guest runs, or after a flush of all translations: through a writable one it could write unseen. */
  load(): void {
    const memory = this.#memory;
    for (const { address, bytes } of this.#pieces) {
      eachPage(address, bytes.length, (page, from, to) => {
        if (!this.#loaded || memory.isDirty(page)) memory.copyIn(address + from, bytes.subarray(from, to));
      });
    }
    // Memory is zero at power-on; not that of a clone, or of what was restored.
    this.#clear();
    // Not before all are there: pieces can share a page.
    const lengths = this.#pieces.map(({ address, bytes }) => ({ address, length: bytes.length }));
    for (const { address, length } of [...lengths, ...this.#zeros]) {
      const first = Math.floor(address / PAGE_SIZE);
      memory.clearDirty(first, Math.ceil((address + length) / PAGE_SIZE) - first);
    }
    this.#loaded = true;
  }

  #clear(): void {
    const zeros = new Uint8Array(PAGE_SIZE);
    for (const { address, length } of this.#zeros)
      eachPage(address, length, (page, from, to) => {
        if (this.#memory.isDirty(page)) this.#memory.copyIn(address + from, zeros.subarray(0, to - from));
      });
  }

  dispose(): void {
    this.#pieces = [];
    this.#zeros = [];
  }
}

/** For the parts of a range that lie in one page each: from where to where in the range they are. */
function eachPage(address: number, length: number, action: (page: number, from: number, to: number) => void): void {
  for (let from = 0, to = 0; from < length; from = to) {
    const page = Math.floor((address + from) / PAGE_SIZE);
    to = Math.min((page + 1) * PAGE_SIZE - address, length);
    action(page, from, to);
  }
}
