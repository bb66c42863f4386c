/** The guest's view of a disk, as bytes: what is in it, whatever the format around it. */
import type { BlockStore, ByteStore } from './block-store.ts';

/** Closing it closes nothing. */
export const contentOf = (image: BlockStore): ByteStore => ({
  size: image.size,
  read: (offset, length) => image.read(offset, length),
  close: () => {},
});
