/** What `vetro image` does. */
import { rmSync, statSync } from 'node:fs';
import { UserError } from '../base/errors.ts';
import { FileStore } from '../host/node/file-store.ts';
import { imageFiles } from '../host/node/image-files.ts';
import type { BlockStore, ByteStore, ImageFormat } from '../storage/block-store.ts';
import { contentOf } from '../storage/content-of.ts';
import { type ImageFolder, openImage } from '../storage/open-image.ts';
import { checkQcow2 } from '../storage/qcow2/check-qcow2.ts';
import { createQcow2 } from '../storage/qcow2/create-qcow2.ts';
import { Qcow2Image } from '../storage/qcow2/qcow2-image.ts';
import { sniffImage } from '../storage/sniff-image.ts';
import { StorageError } from '../storage/storage-error.ts';
import { parseByteSize, showByteSize } from './byte-size.ts';
import { createProgress } from './progress.ts';

export const WRITTEN_FORMATS = ['raw', 'qcow2'] as const;
export type WrittenFormat = (typeof WRITTEN_FORMATS)[number];

interface FromOptions {
  readonly from?: ImageFormat | undefined;
}

/** @returns lines @throws UserError, StorageError */
export async function showImage(path: string, { from }: FromOptions): Promise<string> {
  const files = imageFiles({ shareWithWriter: true });
  const image = await openImage(files, path, { format: from });
  try {
    const header = image instanceof Qcow2Image ? image.header : undefined;
    const { what } = await sniffImage(contentOf(image));
    const rows: [string, string | undefined][] = [
      ['image', path],
      ['format', header ? `qcow2, version ${header.version}` : image.format],
      ['disk', showByteSize(image.size)],
      ['file', showByteSize(statSync(path).size)],
      ['clusters', header && showByteSize(2 ** header.clusterBits)],
      ['snapshots', header && header.snapshots > 0 ? String(header.snapshots) : undefined],
      ['backing', header?.backing && `${header.backing.name} (${header.backing.format ?? 'format by content'})`],
      ['state', header?.corrupt ? 'marked as corrupt' : header?.dirty ? 'refcounts not up to date' : undefined],
      ['holds', what],
    ];
    const shown = rows.filter(([, value]) => value !== undefined);
    return shown.map(([name, value]) => `${name.padEnd(10)}${value}`).join('\n');
  } finally {
    await image.close();
  }
}

export interface CreateImageOptions {
  readonly size?: string | undefined;
  readonly format?: WrittenFormat | undefined;
  readonly backing?: string | undefined;
  readonly 'backing-format'?: ImageFormat | undefined;
  readonly overwrite: boolean;
}

/** @throws UserError, StorageError */
export async function createImage(path: string, options: CreateImageOptions): Promise<void> {
  const format = options.format ?? formatByName(path);
  const { backing } = options;
  if (backing !== undefined && format === 'raw') throw new UserError('--backing needs the format qcow2');
  if (backing === undefined && options['backing-format'] !== undefined)
    throw new UserError('--backing-format needs --backing');
  if (backing === undefined && options.size === undefined) throw new UserError('give the size of the disk: --size 10G');
  const asked = options.size === undefined ? undefined : parseByteSize('--size', options.size);
  const under = backing === undefined ? undefined : await inspectBacking(path, backing, options['backing-format']);
  const size = asked ?? under!.size;
  await makeFile(path, options, (store) =>
    format === 'raw'
      ? // The rest of it takes no room.
        store.write!(size - 1, new Uint8Array(1))
      : createQcow2(store, { size, ...(under && { backingFile: backing!, backingFormat: under.format }) }),
  );
}

/** Opened as it will be found from the new image; so what is missing or no image is said now. */
async function inspectBacking(image: string, backing: string, format: ImageFormat | undefined) {
  const files = imageFiles();
  const above = { name: image, identity: '' };
  const file = await files.find(backing, above);
  if (file.identity === identityOf(image)) throw new UserError(`${image} cannot be its own backing file`);
  const under = await openImage(files, file.name, { format });
  const found = { size: under.size, format: under.format };
  await under.close();
  return found;
}

export interface ConvertImageOptions extends FromOptions {
  readonly format?: WrittenFormat | undefined;
  readonly overwrite: boolean;
  readonly stop: AbortSignal;
}

/** What is read at once, and what of it is left out if it is zeroes. */
const CHUNK = 2 ** 20;
const PIECE = 2 ** 16;
const ZEROES = new Uint8Array(PIECE);

/** @throws UserError, StorageError */
export async function convertImage(path: string, target: string, options: ConvertImageOptions): Promise<void> {
  const { folder, identities } = recording(imageFiles());
  const source = await openImage(folder, path, { format: options.from });
  try {
    if (identities.includes(identityOf(target) ?? ''))
      throw new UserError(`${target} is what is read: give the new image another name`);
    const format = options.format ?? formatByName(target);
    await makeFile(target, options, async (store) => {
      if (format === 'raw') {
        await store.write!(source.size - 1, new Uint8Array(1));
        await copyDisk(source, (offset, bytes) => store.write!(offset, bytes), options.stop);
      } else {
        await createQcow2(store, { size: source.size });
        const { image } = await openInPlace(store, target);
        await copyDisk(source, (offset, bytes) => image.write(offset, bytes), options.stop);
        await image.flush();
      }
    });
  } finally {
    await source.close();
  }
}

/** A new qcow2 image, by the store that is open already; the store is closed by its owner. */
async function openInPlace(store: ByteStore, name: string): Promise<{ image: BlockStore }> {
  const kept: ByteStore = {
    get size() {
      return store.size;
    },
    read: (offset, length) => store.read(offset, length),
    write: (offset, bytes) => store.write!(offset, bytes),
    flush: () => store.flush?.(),
    close: () => {},
  };
  const folder: ImageFolder = { find: () => ({ name, identity: name }), open: () => kept };
  return { image: await openImage(folder, name, { format: 'qcow2', writable: true }) };
}

async function copyDisk(
  source: BlockStore,
  write: (offset: number, bytes: Uint8Array) => unknown,
  stop: AbortSignal,
): Promise<void> {
  const progress = createProgress();
  try {
    for (let offset = 0; offset < source.size; offset += CHUNK) {
      const bytes = await source.read(offset, Math.min(CHUNK, source.size - offset));
      for (let at = 0; at < bytes.length; at += PIECE) {
        const piece = bytes.subarray(at, at + PIECE);
        if (Buffer.compare(piece, ZEROES.subarray(0, piece.length)) !== 0) await write(offset + at, piece);
      }
      if ((offset / CHUNK) % 16 === 0) {
        // For signals, which are only noticed in between.
        await new Promise((resolve) => setImmediate(resolve));
        stop.throwIfAborted();
        progress.show('converting', (100 * offset) / source.size);
      }
    }
  } finally {
    progress.end();
  }
}

/** A new file, filled and flushed; if that fails, it is gone again. */
async function makeFile(
  path: string,
  { overwrite }: { readonly overwrite: boolean },
  fill: (store: ByteStore) => unknown,
): Promise<void> {
  if (!overwrite && identityOf(path) !== undefined)
    throw new UserError(`${path} is there already: give another name, or --overwrite`);
  const store = FileStore.open(path, { writable: true, create: overwrite ? 'replace' : 'new' });
  try {
    await fill(store);
    await store.flush();
    store.close();
  } catch (error) {
    store.close();
    rmSync(path, { force: true });
    throw error;
  }
}

/** @returns lines, and whether no fault was found @throws UserError, StorageError */
export async function checkImage(path: string, { from }: FromOptions): Promise<{ lines: string[]; sound: boolean }> {
  const image = await openImage(imageFiles(), path, { format: from });
  await image.close();
  if (image.format !== 'qcow2')
    throw new UserError(`${path}: only qcow2 images can be checked; this one is ${image.format}, and could be opened`);
  const store = FileStore.open(path);
  try {
    const { corruptions, leaks, problems, allocated, clusters } = await checkQcow2(store);
    const sound = corruptions + leaks === 0;
    const verdict = sound ? 'no fault was found' : `${corruptions} corruptions, ${leaks} clusters lost`;
    const more = corruptions + leaks > problems.length ? ['…'] : [];
    return {
      lines: [...problems, ...more, `${path}: ${verdict}; ${allocated} of ${clusters} clusters are used`],
      sound,
    };
  } catch (error) {
    throw error instanceof StorageError ? new StorageError(error.problem, `${path}: ${error.message}`) : error;
  } finally {
    store.close();
  }
}

const formatByName = (path: string): WrittenFormat => (/\.(img|raw)$/i.test(path) ? 'raw' : 'qcow2');

function identityOf(path: string): string | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}`;
}

/** Notes which files are opened. */
function recording(files: ImageFolder): { folder: ImageFolder; identities: string[] } {
  const identities: string[] = [];
  const folder: ImageFolder = {
    ...files,
    async find(name, from) {
      const file = await files.find(name, from);
      identities.push(file.identity);
      return file;
    },
  };
  return { folder, identities };
}
