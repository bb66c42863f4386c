import { expect, it } from 'vitest';
import { BytesStore } from '../../../src/storage/bytes-store.ts';
import { PaddedStore } from '../../../src/storage/padded-store.ts';
import { RawImage } from '../../../src/storage/raw-image.ts';
import { lateStore } from '../../support/late-store.ts';

const create = ({ late = false } = {}) => {
  const file = new BytesStore(new Uint8Array(1024).fill(7));
  return { file, store: new PaddedStore(new RawImage(late ? lateStore(file) : file), 2048) };
};

it.each([false, true])('is zeros behind the image’s end (late: %s)', async (late) => {
  const { store } = create({ late });
  expect(store.size).toBe(2048);
  const bytes = await store.read(0, 2048);
  expect([
    bytes.subarray(0, 1024).every((byte) => byte === 7),
    bytes.subarray(1024).every((byte) => byte === 0),
  ]).toEqual([true, true]);
  expect(await store.read(1536, 512)).toEqual(new Uint8Array(512));
});

it('writes into the image, and not behind its end', async () => {
  const { file, store } = create();
  store.write(512, new Uint8Array(512).fill(9));
  expect(await store.read(1023, 2)).toEqual(Uint8Array.of(9, 0));
  for (const offset of [1024, 1536, 768])
    expect(() => store.write(offset, new Uint8Array(512))).toThrow(expect.objectContaining({ problem: 'range' }));
  expect(() => store.read(1537, 512)).toThrow(expect.objectContaining({ problem: 'range' }));
  expect(file.size).toBe(1024);
});
