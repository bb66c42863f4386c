/**
 * Images for a guest's drives, wherever they are.
 * @see `hypervisor/media/image-opener.ts`, whose interface this implements.
 */
import { UserError } from '../base/errors.ts';
import type { BlockStore, ByteStore, ImageFormat } from '../storage/block-store.ts';
import { BytesStore } from '../storage/bytes-store.ts';
import { contentOf } from '../storage/content-of.ts';
import { MemoryOverlay } from '../storage/memory-overlay.ts';
import { type ImageFile, type ImageFolder, openImage } from '../storage/open-image.ts';
import { sniffImage } from '../storage/sniff-image.ts';
import { StorageError } from '../storage/storage-error.ts';
import { type BlobLike, blobStore } from './blob-store.ts';
import { assertDriveTakes, fitToDrive } from './drive-content.ts';
import { type Fetch, openHttpStore } from './http-store.ts';
import { imageFiles, type UndoImages } from './node/image-files.ts';
import { openOverlayFile } from './node/overlay-file.ts';
import type { UndoFile } from './node/undo-file.ts';

/** What was written to 4 KiB of an image, by number. */
interface KeptPage {
  readonly page: number;
  readonly bytes: Uint8Array;
}

interface ExpectedImage {
  readonly name: string;
  readonly size: number;
  readonly stamp: string | null;
  readonly kept: { readonly count: number; pages(): AsyncIterable<KeptPage> };
}

interface SavedImage {
  readonly where: string | null;
  readonly format: ImageFormat | null;
  readonly write: 'discard' | 'through' | 'never' | 'overlay';
  readonly overlay: string | null;
  readonly stamp: string | null;
  readonly kept?: Iterable<KeptPage & { readonly version: number }> | undefined;
}

export interface ImageRequest {
  readonly option: string;
  readonly drive: 'disk' | 'cdrom' | 'floppy';
  readonly image: string | { readonly href: string } | BlobLike | Uint8Array;
  readonly format: ImageFormat | undefined;
  readonly write: 'discard' | 'through' | 'never' | { readonly overlay: string };
  readonly expected?: ExpectedImage | undefined;
  readonly undo?: { readonly backTo: number | undefined } | undefined;
}

interface UndoControl {
  begin(epoch: number): void;
  sync(): void;
  drop(before: number): void;
}

export interface OpenImage extends Pick<BlockStore, 'size' | 'readOnly' | 'read' | 'write' | 'flush'> {
  readonly name: string;
  saved(): SavedImage;
  readonly undo?: UndoControl | undefined;
  close(): void | Promise<void>;
  abandon(): void | Promise<void>;
}

/** Where an image is found, and under what name. */
interface Place {
  readonly folder: ImageFolder;
  readonly name: string;
  readonly kind: 'file' | 'server' | 'blob' | 'bytes';
}

/** A store, and what removes the file that was made for it. */
interface Opened {
  readonly store: BlockStore;
  readonly remove?: (() => void) | undefined;
}

export const createImageOpener =
  () =>
  async (request: ImageRequest): Promise<OpenImage> => {
    // What is under an overlay is looked at before that is made.
    if (typeof request.write === 'object')
      await (await openOne({ ...request, write: 'never', expected: undefined })).close();
    return await openOne(request);
  };

/** The bytes of a file that is no image. @throws UserError */
export async function openBytes(source: ImageRequest['image'], option: string): Promise<ByteStore> {
  const { folder, name } = placeOf({ image: source, option });
  return await clearly(async () => await folder.open(await folder.find(name), { writable: false }));
}

async function openOne(request: ImageRequest): Promise<OpenImage> {
  const undo = request.undo && { ...request.undo, opened: [] as UndoFile[] };
  const place = placeOf(request, undo);
  const { folder, sizes, stamp } = measuring(place.folder);
  const { name } = place;
  const { store, remove } = await clearly(() => openStore(request, { ...place, folder }));
  const { format, write } = request;
  const atOpening = stamp();
  const saved = (): SavedImage => ({
    where: place.kind === 'file' || place.kind === 'server' ? name : null,
    format: format ?? null,
    ...(typeof write === 'object' ? { write: 'overlay', overlay: write.overlay } : { write, overlay: null }),
    // What is only read is meant as it was; what is written, as it is.
    stamp: stampOfBlob(request.image) ?? (store.readOnly || write === 'discard' ? atOpening : stamp()),
    kept: store instanceof MemoryOverlay ? store.written() : undefined,
  });
  const open = new OpenStore(name, store, { saved, remove, undo: undo && controlOf(undo.opened) });
  const bytes = store.format === 'raw' ? sizes[0] : store.size;
  try {
    await clearly(async () => {
      // A last sector that is not whole is padded: what is told by content is the file's.
      const identity = await sniffImage({ ...contentOf(store), size: bytes });
      await assertDriveTakes(request.drive, { name, store, bytes, identity, asked: request.format });
    });
    if (request.expected) await clearly(() => putBack(name, store, saved().stamp, request.expected!));
    return open;
  } catch (error) {
    await open.abandon();
    throw error;
  }
}

async function openStore(
  { option, drive, write, format }: ImageRequest,
  { folder, name, kind }: Place,
): Promise<Opened> {
  if (typeof write === 'object') {
    if (kind !== 'file') throw new UserError(`${option}: only over a file there can be an overlay in a file`);
    const { store, remove } = await openOverlayFile({ folder, image: name, format, overlay: write.overlay });
    return { store: fitToDrive(drive, store), remove };
  }
  if (write === 'through' && (kind === 'server' || kind === 'blob'))
    throw new UserError(`${option}: ${name} cannot be written; discard what the guest writes (write: 'discard')`);
  const store = fitToDrive(drive, await openImage(folder, name, { format, writable: write === 'through' }));
  // A drive without a word on writing reads what nobody writes.
  return { store: write === 'discard' && drive !== 'cdrom' ? new MemoryOverlay(store) : store };
}

/** Of a guest that is restored: it must be the image that was saved; what was written over it is kept again. */
async function putBack(
  name: string,
  store: BlockStore,
  stamp: string | null,
  { name: savedName, size, stamp: savedStamp, kept }: ExpectedImage,
): Promise<void> {
  if (store.size !== size)
    throw new UserError(`${name} has ${store.size} bytes; ${savedName}, when the guest was saved, had ${size}`);
  if (stamp !== null && savedStamp !== null && stamp !== savedStamp)
    throw new UserError(`${name} is not as it was when the guest was saved: it has been changed since`);
  if (kept.count === 0) return;
  if (!(store instanceof MemoryOverlay))
    throw new UserError(`${name}: what was written to it cannot be kept in memory`);
  for await (const { page, bytes } of kept.pages()) store.keep(page, bytes);
}

/** Of a File alone it is known. */
function stampOfBlob(image: ImageRequest['image']): string | null {
  const { size, lastModified } = image as { readonly size?: unknown; readonly lastModified?: unknown };
  return typeof lastModified === 'number' ? `${size}:${lastModified}` : null;
}

class OpenStore implements OpenImage {
  readonly name: string;
  readonly saved: () => SavedImage;
  readonly undo: UndoControl | undefined;
  readonly #store: BlockStore;
  readonly #remove: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    name: string,
    store: BlockStore,
    { saved, remove, undo }: Pick<OpenImage, 'saved' | 'undo'> & { readonly remove: (() => void) | undefined },
  ) {
    this.name = name;
    this.#store = store;
    this.saved = saved;
    this.undo = undo;
    this.#remove = remove;
  }

  get size(): number {
    return this.#store.size;
  }

  get readOnly(): boolean {
    return this.#store.readOnly;
  }

  read(offset: number, length: number): Uint8Array | Promise<Uint8Array> {
    return this.#store.read(offset, length);
  }

  write(offset: number, bytes: Uint8Array): void | Promise<void> {
    return this.#store.write(offset, bytes);
  }

  flush(): void | Promise<void> {
    return this.#store.flush();
  }

  close(): Promise<void> {
    this.#closed ??= (async () => await this.#store.close())();
    return this.#closed;
  }

  async abandon(): Promise<void> {
    await this.close().catch(() => {});
    this.#remove?.();
  }
}

const controlOf = (files: readonly UndoFile[]): UndoControl => ({
  begin(epoch) {
    for (const file of files) file.begin(epoch);
  },
  sync() {
    for (const file of files) file.sync();
  },
  drop(before) {
    for (const file of files) file.drop(before);
  },
});

/** What is wrong with an image is the user's to know. */
async function clearly<Result>(action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    throw error instanceof StorageError ? new UserError(error.message) : error;
  }
}

function placeOf({ image, option }: Pick<ImageRequest, 'image' | 'option'>, undo?: UndoImages): Place {
  if (typeof image === 'string') return /^https?:/i.test(image) ? onServer(image) : inFiles(image, option, undo);
  if ('href' in image) return /^https?:/i.test(image.href) ? onServer(image.href) : inFiles(image, option, undo);
  if (image instanceof Uint8Array || ArrayBuffer.isView(image))
    return { folder: only(option, () => new BytesStore(image as Uint8Array)), name: option, kind: 'bytes' };
  const { name } = image as { readonly name?: unknown };
  const called = typeof name === 'string' && name !== '' ? name : option;
  return { folder: only(called, () => blobStore(image)), name: called, kind: 'blob' };
}

function inFiles(image: string | { readonly href: string }, option: string, undo?: UndoImages): Place {
  const { process } = globalThis as { process?: { getBuiltinModule?: unknown } };
  if (typeof process?.getBuiltinModule !== 'function')
    throw new UserError(`${option}: there are no files here; give a URL (http, https), a Blob or a Uint8Array`);
  return {
    folder: imageFiles({ undo }),
    name: typeof image === 'string' ? image : pathOf(image.href, option),
    kind: 'file',
  };
}

function pathOf(href: string, option: string): string {
  const { protocol, pathname } = new URL(href);
  if (protocol !== 'file:') throw new UserError(`${option}: URLs can be http, https and file, not ${protocol}`);
  return decodeURIComponent(pathname);
}

/** Relative names of backing files begin where the image is. */
function onServer(url: string): Place {
  const fetch = globalThis.fetch as unknown as Fetch;
  const folder: ImageFolder = {
    find(name, from) {
      const found = from ? new URL(name, from.name).href : name;
      return { name: found, identity: found };
    },
    open: ({ name }) => openHttpStore(name, { fetch }),
  };
  return { folder, name: url, kind: 'server' };
}

/** Notes how many bytes those have that are opened. `stamp`: of all of them, as they are now; null: nobody knows. */
function measuring(folder: ImageFolder): { folder: ImageFolder; sizes: number[]; stamp(): string | null } {
  const sizes: number[] = [];
  /** By identity: how often each is opened, and in which order, depends on what was there. */
  const files = new Map<string, ImageFile>();
  const open: ImageFolder['open'] = async (file, options) => {
    const store = await folder.open(file, options);
    sizes.push(store.size);
    files.set(file.identity, file);
    return store;
  };
  const stamp = () =>
    folder.stamp
      ? [...files.values()]
          .map((file) => folder.stamp!(file))
          .sort()
          .join(' ')
      : null;
  return { folder: { ...folder, open }, sizes, stamp };
}

/** A folder with one image. */
const only = (name: string, open: () => ByteStore): ImageFolder => ({
  find(wanted, from) {
    if (from) throw new UserError(`cannot open ${wanted}: there are no files beside ${name}`);
    return { name, identity: name };
  },
  open,
});
