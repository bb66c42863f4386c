/** Images of a guest that has checkpoints. */
import type { CheckedMedia } from '../options/check-media-options.ts';
import type { ImageRequest } from './image-opener.ts';

/** What they write into files can be undone; what was meant to be there is not looked at: it is brought back. */
export function withUndo({ disks, cdrom, floppies }: CheckedMedia, undo: ImageRequest['undo']): CheckedMedia {
  if (undo === undefined) return { disks, cdrom, floppies };
  const request = (image: ImageRequest): ImageRequest => {
    const { expected } = image;
    if (image.write !== 'through' && typeof image.write !== 'object') return image;
    const undone = undo.backTo !== undefined && expected;
    return { ...image, undo, expected: undone ? { ...expected, stamp: null } : expected };
  };
  return {
    disks: disks.map(request),
    cdrom,
    floppies: floppies.map(({ image }) => ({ image: image && request(image) })),
  };
}
