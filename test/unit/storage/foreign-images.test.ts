/** VMDK, VDI and VHD: read, and only read. */
import { describe, expect, it } from 'vitest';
import type { BlockStore } from '../../../src/storage/block-store.ts';
import { BytesStore } from '../../../src/storage/bytes-store.ts';
import { openImage } from '../../../src/storage/open-image.ts';
import { createVdi, createVhd, createVmdk, sampleDisk, seal } from '../../support/foreign-images.ts';
import { lateStore } from '../../support/late-store.ts';
import { memoryImages } from '../../support/memory-images.ts';
import { createRandom } from '../../support/random-transfers.ts';

const SIZE = 1_000_448;
const disk = sampleDisk(SIZE);
const FORMATS: [title: string, format: string, bytes: Uint8Array][] = [
  ['VDI', 'vdi', createVdi(disk)],
  ['VHD, fixed', 'vhd', createVhd(disk, { fixed: true })],
  ['VHD, dynamic', 'vhd', createVhd(disk, { fixed: false })],
  ['VMDK, monolithicSparse', 'vmdk', createVmdk(disk, { stream: false })],
  ['VMDK, streamOptimized', 'vmdk', createVmdk(disk, { stream: true })],
];

const open = (bytes: Uint8Array): BlockStore =>
  openImage(memoryImages({ image: new BytesStore(bytes) }), 'image') as BlockStore;

describe.each(FORMATS)('%s', (_, format, bytes) => {
  it('is the disk that was put in', async () => {
    const image = open(bytes);
    expect(image).toMatchObject({ format, size: SIZE, readOnly: true });
    expect(Buffer.compare(image.read(0, SIZE) as Uint8Array, disk)).toBe(0);
    const random = createRandom(8);
    const late = await openImage(memoryImages({ image: new BytesStore(bytes) }, lateStore), 'image');
    for (let round = 0; round < 100; round++) {
      const offset = random.below(SIZE);
      const length = random.below(Math.min(100_000, SIZE - offset));
      const wanted = disk.subarray(offset, offset + length);
      expect(Buffer.compare(image.read(offset, length) as Uint8Array, wanted)).toBe(0);
      expect(Buffer.compare(await late.read(offset, length), wanted)).toBe(0);
    }
    expect(() => image.read(SIZE - 1, 2)).toThrow('reach beyond the end');
  });

  it('takes less room than the disk where that is zeroes', () => {
    if (format !== 'vhd' || bytes.length < SIZE) expect(bytes.length).toBeLessThan(0.8 * SIZE);
    else expect(bytes.length).toBe(SIZE + 512);
  });

  it('is not written', () => {
    expect(() => open(bytes).write(0, Uint8Array.of(1))).toThrow('not open for writing');
    const images = memoryImages({ image: new BytesStore(bytes) });
    expect(() => openImage(images, 'image', { writable: true })).toThrow(
      `image: images of the format ${format} can only be read`,
    );
  });

  it('says that it is truncated', () => {
    const cut = bytes.slice(0, bytes.length >> 1);
    const images = memoryImages({ image: new BytesStore(cut) });
    const readAll = () => (openImage(images, 'image', { format: format as 'vdi' }) as BlockStore).read(0, SIZE);
    expect(readAll).toThrow(/truncated/);
  });
});

describe('refusals', () => {
  const patch = (bytes: Uint8Array, change: (view: DataView) => void): Uint8Array => {
    const copy = bytes.slice();
    change(new DataView(copy.buffer));
    return copy;
  };
  const [vdi, , , vmdk] = FORMATS.map(([, , bytes]) => bytes);
  const vhd = createVhd(disk, { fixed: false });
  const footer = (view: DataView) => new DataView(view.buffer, view.byteLength - 512);
  const cases: [line: string, format: 'vdi' | 'vhd' | 'vmdk', bytes: Uint8Array][] = [
    ['VDI: image type 4 is not supported', 'vdi', patch(vdi, (view) => view.setUint32(0x4c, 4, true))],
    ['damaged VDI image: blocks of 3 bytes', 'vdi', patch(vdi, (view) => view.setUint32(0x178, 3, true))],
    [
      'damaged VDI image: its blocks are too few for the disk',
      'vdi',
      patch(vdi, (view) => view.setUint32(0x174, 1, true)),
    ],
    ['damaged VDI image: the header is cut off', 'vdi', vdi.slice(0, 300)],
    [
      'VHD: a differencing image is not supported',
      'vhd',
      patch(vhd, (view) => {
        footer(view).setUint32(60, 4);
        seal(footer(view), 64);
      }),
    ],
    ['damaged VHD image: no dynamic disk header', 'vhd', patch(vhd, (view) => view.setUint8(600, 1))],
    ['damaged VHD image: no footer: is it truncated?', 'vhd', new Uint8Array(600)],
    ['damaged VMDK image: no VMDK header', 'vmdk', new Uint8Array(10)],
    ['damaged VMDK image: grains of 3 sectors', 'vmdk', patch(vmdk, (view) => view.setUint8(20, 3))],
    [
      'VMDK: an image with a parent is not supported',
      'vmdk',
      patch(vmdk, (view) =>
        view.setUint8(512 + 'x Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID='.length, 0x61),
      ),
    ],
    [
      'VMDK: an image of several files (monolithicSparse and streamOptimized are) is not supported',
      'vmdk',
      new TextEncoder().encode('# Disk DescriptorFile\nversion=1\n'),
    ],
  ];
  it.each(cases)('%s', (line, format, bytes) => {
    expect(() => openImage(memoryImages({ image: new BytesStore(bytes) }), 'image', { format })).toThrow(
      `image: ${line}`,
    );
  });

  it('a damaged footer of a dynamic VHD is replaced by its copy', () => {
    const damaged = patch(vhd, (view) => footer(view).setUint8(50, 99));
    expect(Buffer.compare(openAs(damaged).read(0, SIZE) as Uint8Array, disk)).toBe(0);
  });

  const openAs = (bytes: Uint8Array): BlockStore =>
    openImage(memoryImages({ image: new BytesStore(bytes) }), 'image', { format: 'vhd' }) as BlockStore;
});
