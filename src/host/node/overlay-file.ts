/** A qcow2 file that keeps what is written to an image, which stays as it is. */
import { rmSync, statSync } from 'node:fs';
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import { UserError } from '../../base/errors.ts';
import type { BlockStore, ImageFormat } from '../../storage/block-store.ts';
import { type ImageFolder, openImage } from '../../storage/open-image.ts';
import { createQcow2 } from '../../storage/qcow2/create-qcow2.ts';
import { Qcow2Image } from '../../storage/qcow2/qcow2-image.ts';
import { FileStore } from './file-store.ts';

export interface OverlayFileOptions {
  readonly folder: ImageFolder;
  /** Paths. */
  readonly image: string;
  readonly overlay: string;
  /** Of the image. Default: what its content says. */
  readonly format: ImageFormat | undefined;
}

/**
 * Made if it is not there, with the image named as its backing file.
 * @returns `remove`, for one that was made: it goes again
 * @throws UserError, StorageError: if it is there and is no overlay of the image, too
 */
export async function openOverlayFile(
  options: OverlayFileOptions,
): Promise<{ store: BlockStore; remove?: () => void }> {
  const { folder, overlay } = options;
  if (statSync(overlay, { throwIfNoEntry: false }) === undefined) {
    await createOverlay(options);
    const remove = () => rmSync(overlay, { force: true });
    try {
      return { store: await openImage(folder, overlay, { format: 'qcow2', writable: true }), remove };
    } catch (error) {
      remove();
      throw error;
    }
  }
  await assertOverlayOf(options);
  return { store: await openImage(folder, overlay, { format: 'qcow2', writable: true }) };
}

async function createOverlay({ folder, image, overlay, format }: OverlayFileOptions): Promise<void> {
  const under = await openImage(folder, image, { format });
  const found = { size: under.size, backingFormat: under.format };
  await under.close();
  const store = FileStore.open(overlay, { writable: true, create: 'new' });
  try {
    await createQcow2(store, { ...found, backingFile: nameFrom(overlay, image) });
    store.close();
  } catch (error) {
    store.close();
    rmSync(overlay, { force: true });
    throw error;
  }
}

/** As the overlay calls it: both can be moved together if the image is in the overlay's folder, or below. */
function nameFrom(overlay: string, image: string): string {
  const path = relative(dirname(resolve(overlay)), resolve(image));
  // On Windows, what is on another drive has no relative path.
  return path.startsWith('..') || isAbsolute(path) ? resolve(image) : path;
}

async function assertOverlayOf({ folder, image, overlay }: OverlayFileOptions): Promise<void> {
  const [under, over] = [await folder.find(image), await folder.find(overlay)];
  if (under.identity === over.identity) throw new UserError(`${image} cannot be its own overlay`);
  const opened = await openImage(folder, overlay);
  const backing = opened instanceof Qcow2Image ? opened.header.backing : undefined;
  await opened.close();
  if (backing === undefined) throw new UserError(`${overlay} is there already, and is no overlay: give another name`);
  const { name, identity } = await folder.find(backing.name, over);
  if (identity !== under.identity) throw new UserError(`${overlay} is an overlay of ${name}, not of ${image}`);
}
