/** Images as they can be sent to another thread. */
import type { ImageRequest } from '../media/image-opener.ts';
import type { CheckedDrive, CheckedMedia } from '../options/check-media-options.ts';
import type { ImageSource } from '../options/media-options.ts';

/** A URL does not survive a clone; and of bytes, all that is beside them would go along. */
export function imageForThread(source: ImageSource): ImageSource {
  if (source instanceof Uint8Array) return new Uint8Array(source);
  return typeof source === 'object' && 'href' in source ? { href: source.href } : source;
}

export const requestForThread = (request: ImageRequest): ImageRequest => ({
  ...request,
  image: imageForThread(request.image),
});

export function mediaForThread({ disks, cdrom, floppies }: Partial<CheckedMedia>): Partial<CheckedMedia> {
  const drive = ({ image }: CheckedDrive): CheckedDrive => ({ image: image && requestForThread(image) });
  return { disks: disks?.map(requestForThread), cdrom: cdrom && drive(cdrom), floppies: floppies?.map(drive) };
}
