/** VMDK, VDI and VHD as qemu-img makes them; and our samples of them, as qemu-img reads them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageFiles } from '../../../src/host/node/image-files.ts';
import { openImage } from '../../../src/storage/open-image.ts';
import { createVdi, createVhd, createVmdk, sampleDisk } from '../../support/foreign-images.ts';
import { QEMU_IMG_MISSING, qemuImg } from '../../support/qemu-img.ts';

// A size that VHD's cylinders, heads and sectors express exactly: 4 heads of 17 sectors.
const SIZE = 4 * 17 * 512 * 400;
let folder: string;
const path = (name: string): string => join(folder, name);

describe.skipIf(QEMU_IMG_MISSING)(`next to qemu-img${QEMU_IMG_MISSING ? ` (${QEMU_IMG_MISSING})` : ''}`, () => {
  const disk = sampleDisk(SIZE);
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'vetro-foreign-'));
    writeFileSync(path('content'), disk);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const made: [format: string, qemuFormat: string, options: string][] = [
    ['vmdk', 'vmdk', 'subformat=monolithicSparse'],
    ['vmdk', 'vmdk', 'subformat=monolithicSparse,zeroed_grain=on'],
    ['vmdk', 'vmdk', 'subformat=streamOptimized'],
    ['vdi', 'vdi', 'static=off'],
    ['vdi', 'vdi', 'static=on'],
    ['vhd', 'vpc', 'subformat=dynamic'],
    ['vhd', 'vpc', 'subformat=fixed'],
    ['vhd', 'vpc', 'subformat=dynamic,force_size=on'],
  ];
  it.each(made)('reads what it makes: %s (%s, %s)', async (format, qemuFormat, options) => {
    qemuImg('convert', '-f', 'raw', '-O', qemuFormat, '-o', options, path('content'), path('made'));
    const image = await openImage(imageFiles(), path('made'));
    expect(image).toMatchObject({ format, size: SIZE });
    expect(Buffer.compare(await image.read(0, SIZE), disk)).toBe(0);
    await image.close();
  });

  const ours: [qemuFormat: string, bytes: () => Uint8Array][] = [
    ['vmdk', () => createVmdk(disk, { stream: false })],
    ['vmdk', () => createVmdk(disk, { stream: true })],
    ['vdi', () => createVdi(disk, 1 << 20)],
    ['vpc', () => createVhd(disk, { fixed: true })],
    ['vpc', () => createVhd(disk, { fixed: false })],
  ];
  it.each(ours)('reads our samples: %s', (qemuFormat, bytes) => {
    writeFileSync(path('ours'), bytes());
    qemuImg('convert', '-f', qemuFormat, '-O', 'raw', path('ours'), path('raw'));
    expect(Buffer.compare(readFileSync(path('raw')), disk)).toBe(0);
  });
});
