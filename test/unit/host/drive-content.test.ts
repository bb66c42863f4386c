import { expect, it } from 'vitest';
import { assertDriveTakes, fitToDrive } from '../../../src/host/drive-content.ts';
import { BytesStore } from '../../../src/storage/bytes-store.ts';
import { RawImage } from '../../../src/storage/raw-image.ts';

const SIZE = 1_296_384;
const contentOf = ({ bootable }: { bootable: boolean }) => {
  const bytes = new Uint8Array(SIZE);
  if (bootable) bytes.set([0x55, 0xaa], 510);
  const store = fitToDrive('floppy', new RawImage(new BytesStore(bytes)));
  const identity = { kind: 'iso', what: 'a CD image (ISO 9660)', format: 'raw' } as const;
  return { name: 'it', store, bytes: SIZE, identity, asked: undefined };
};

it('a floppy drive takes a CD image with a boot sector that fits', async () => {
  const content = contentOf({ bootable: true });
  expect(content.store.size).toBe(1440 * 1024);
  await expect(assertDriveTakes('floppy', content)).resolves.toBeUndefined();
});

it('and no other', async () => {
  await expect(assertDriveTakes('floppy', contentOf({ bootable: false }))).rejects.toThrow(
    'it is a CD (ISO 9660), not a floppy disk',
  );
});
