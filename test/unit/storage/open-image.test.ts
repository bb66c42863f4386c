import { describe, expect, it } from 'vitest';
import type { ByteStore } from '../../../src/storage/block-store.ts';
import { BytesStore } from '../../../src/storage/bytes-store.ts';
import { type ImageFolder, openImage } from '../../../src/storage/open-image.ts';
import { FIELD } from '../../../src/storage/qcow2/header.ts';
import { emptyQcow2, memoryImages } from '../../support/memory-images.ts';

const SIZE = 1e6;
const overlay = (backingFile: string, backingFormat: 'raw' | 'qcow2' = 'qcow2') =>
  emptyQcow2({ size: SIZE, backingFile, backingFormat, clusterBits: 12 });

/** Opens `image` of these. @returns the line, without what it was called, and how many stores are open then */
function refusal(stores: Record<string, ByteStore>, options = {}): { line: string; open: number } {
  let open = 0;
  const counted = memoryImages(stores, (store) => {
    open++;
    const close = () => {
      open--;
    };
    return {
      size: store.size,
      read: (at, length) => store.read(at, length),
      close,
      ...(store.write && { write: () => {} }),
    };
  });
  try {
    openImage(counted, 'image', options);
  } catch (error) {
    return { line: (error as Error).message, open };
  }
  throw new Error('it was opened');
}

/** An image with fields set to numbers of 32 bits. */
function patched(fields: Readonly<Record<number, number>>, base = emptyQcow2({ size: SIZE })): BytesStore {
  const view = new DataView(base.bytes.buffer);
  for (const [at, value] of Object.entries(fields)) view.setUint32(Number(at), value);
  return base;
}

describe('opening an image', () => {
  const cases: [line: string, stores: Record<string, ByteStore>, options?: object][] = [
    ['cannot open image: no such file', {}],
    ['image is empty', { image: new BytesStore() }],
    ['the backing file of image: cannot open base: no such file', { image: overlay('base') }],
    [
      'the backing file of middle: cannot open base: no such file',
      { image: overlay('middle'), middle: overlay('base') },
    ],
    ['backing files go round in a circle: image → image', { image: overlay('image') }],
    [
      'backing files go round in a circle: image → middle → image',
      { image: overlay('middle'), middle: overlay('image') },
    ],
    [
      'base: damaged qcow2 image: no qcow2 header',
      { image: overlay('base'), base: new BytesStore(new Uint8Array(512)) },
    ],
    ['image: damaged qcow2 image: no qcow2 header', { image: new BytesStore(new Uint8Array(5)) }, { format: 'qcow2' }],
    ['image: qcow2: qcow version 1 is not supported', { image: patched({ [FIELD.version]: 1 }) }],
    ['image: qcow2: encryption is not supported', { image: patched({ [FIELD.cryptMethod]: 2 }) }],
    [
      'image: qcow2: the set of incompatible features 00000000:00000020 is not supported',
      { image: patched({ 76: 32 }) },
    ],
    ['image: qcow2: an external data file is not supported', { image: patched({ 76: 4 }) }],
    ['image: damaged qcow2 image: clusters of 2^8 bytes', { image: patched({ [FIELD.clusterBits]: 8 }) }],
    ['image: damaged qcow2 image: clusters of 2^22 bytes', { image: patched({ [FIELD.clusterBits]: 22 }) }],
    [
      'image: damaged qcow2 image: the first-level table is too small for the disk',
      { image: patched({ [FIELD.l1Size]: 0 }) },
    ],
    [
      'image: damaged qcow2 image: the first-level table lies beyond the end of the file: is it truncated?',
      { image: new BytesStore(emptyQcow2({ size: SIZE }).bytes.slice(0, 120_000)) },
    ],
    [
      'image: damaged qcow2 image: it is marked as corrupt (qemu-img check -r all repairs it); it can only be read',
      { image: patched({ 76: 2 }) },
      { writable: true },
    ],
    [
      'image: damaged qcow2 image: its refcounts are not up to date (qemu-img check -r all repairs it); it can only be read',
      { image: patched({ 76: 1 }) },
      { writable: true },
    ],
  ];
  it.each(cases)('%s', (line, stores, options) => {
    expect(refusal(stores, options)).toEqual({ line, open: 0 });
  });

  it('takes a format that is named for what it is, whatever the content says', () => {
    const inner = emptyQcow2({ size: SIZE });
    const image = openImage(memoryImages({ image: overlay('base', 'raw'), base: inner }), 'image');
    expect(image).toMatchObject({ format: 'qcow2', size: 1_000_448 });
    expect((image as { read(at: number, length: number): unknown }).read(0, 3)).toEqual(
      Uint8Array.of(0x51, 0x46, 0x49),
    );
  });

  it('never writes to a backing file', () => {
    const base = new BytesStore(new Uint8Array(SIZE));
    const opened: string[] = [];
    const images = memoryImages({ image: overlay('base', 'raw'), base });
    const watched: ImageFolder = {
      ...images,
      open(file, options) {
        opened.push(`${file.name} ${options.writable}`);
        return images.open(file, options);
      },
    };
    openImage(watched, 'image', { writable: true });
    expect(opened).toEqual(['image true', 'base false']);
  });
});
