/** Opens disk images, with the backing files under them. */
import { UserError } from '../base/errors.ts';
import { type BlockStore, type ByteStore, IMAGE_FORMATS, type ImageFormat } from './block-store.ts';
import type { Qcow2Header } from './qcow2/header.ts';
import { openQcow2 } from './qcow2/open-qcow2.ts';
import { Qcow2Image } from './qcow2/qcow2-image.ts';
import { RawImage } from './raw-image.ts';
import { sniff } from './sniff-image.ts';
import { StorageError } from './storage-error.ts';
import { type Awaitable, runTask, type Task, wait } from './task.ts';
import { openVdi } from './vdi-image.ts';
import { openVhd } from './vhd-image.ts';
import { openVmdk } from './vmdk-image.ts';

/** A file, found but not opened. */
export interface ImageFile {
  /** What the user calls it. */
  readonly name: string;
  /** Equal for what is the same file. */
  readonly identity: string;
}

/** Where images are found. */
export interface ImageFolder {
  /**
   * @param from the image that names it as its backing file: a relative name begins where that is
   * @throws UserError if there is no such file
   */
  find(name: string, from?: ImageFile): Awaitable<ImageFile>;
  /** @throws UserError if it cannot be opened, or is in use */
  open(file: ImageFile, options: { readonly writable: boolean }): Awaitable<ByteStore>;
  /** Differs when the content of the file does. Absent: nobody knows. */
  stamp?(file: ImageFile): string;
}

export interface OpenImageOptions {
  /** Default: what its content says; then a raw image cannot be made to look like another format by writing. */
  readonly format?: ImageFormat | undefined;
  /** Default: read only. Backing files are always. */
  readonly writable?: boolean;
}

const OPENERS = { vmdk: openVmdk, vdi: openVdi, vhd: openVhd } as const;

/** As QEMU names them in images. */
const FORMAT_NAMES: Readonly<Record<string, ImageFormat>> = {
  ...Object.fromEntries(IMAGE_FORMATS.map((name) => [name, name])),
  vpc: 'vhd',
  file: 'raw',
};

/**
 * @throws UserError if a file is missing or in use, or backing files go round in a circle
 * @throws StorageError if the content of one cannot be; both name the file
 */
export const openImage = (folder: ImageFolder, name: string, options: OpenImageOptions = {}): Awaitable<BlockStore> =>
  runTask(openChain(folder, name, options, []));

function* openChain(
  folder: ImageFolder,
  name: string,
  options: OpenImageOptions,
  above: readonly ImageFile[],
): Task<BlockStore> {
  const file = yield* wait(folder.find(name, above.at(-1)));
  const circle = above.findIndex(({ identity }) => identity === file.identity);
  if (circle >= 0) {
    const names = [...above.slice(circle), file].map((one) => one.name);
    throw new UserError(`backing files go round in a circle: ${names.join(' → ')}`);
  }
  const bytes = yield* wait(folder.open(file, { writable: options.writable ?? false }));
  let backing: BlockStore | undefined;
  try {
    if (bytes.size === 0) throw new UserError(`${file.name} is empty`);
    const format = options.format ?? (yield* named(file, sniff(bytes))).format;
    switch (format) {
      case 'raw':
        return new RawImage(bytes, { readOnly: !options.writable, probed: options.format === undefined });
      case 'qcow2': {
        const image = yield* named(file, openQcow2(bytes));
        if (image.header.backing) backing = yield* openBacking(folder, image.header.backing, [...above, file]);
        return yield* named(file, Qcow2Image.open(image, { backing, writable: options.writable ?? false }));
      }
      default:
        if (options.writable) throw new UserError(`${file.name}: images of the format ${format} can only be read`);
        return yield* named(file, OPENERS[format](bytes));
    }
  } catch (error) {
    try {
      yield* wait(backing?.close());
    } finally {
      yield* wait(bytes.close());
    }
    throw error;
  }
}

function* openBacking(
  folder: ImageFolder,
  backing: NonNullable<Qcow2Header['backing']>,
  above: readonly ImageFile[],
): Task<BlockStore> {
  const { name } = above.at(-1)!;
  const format = FORMAT_NAMES[backing.format ?? ''];
  if (backing.format !== undefined && format === undefined)
    throw new UserError(`${name}: its backing file has the format ${backing.format}, which is not supported`);
  try {
    return yield* openChain(folder, backing.name, { format }, above);
  } catch (error) {
    // Deeper ones are named already.
    const clear = !(error instanceof UserError) || /^(backing files go|the backing file of) /.test(error.message);
    throw clear ? error : new UserError(`the backing file of ${name}: ${error.message}`);
  }
}

/** Errors of a file's content name the file. */
function* named<Result>(file: ImageFile, task: Task<Result>): Task<Result> {
  try {
    return yield* task;
  } catch (error) {
    throw error instanceof StorageError ? new StorageError(error.problem, `${file.name}: ${error.message}`) : error;
  }
}
