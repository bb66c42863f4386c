import { describe, expect, it } from 'vitest';
import { BytesStore } from '../../../src/storage/bytes-store.ts';
import { RawImage } from '../../../src/storage/raw-image.ts';
import { StorageError } from '../../../src/storage/storage-error.ts';
import { lateStore } from '../../support/late-store.ts';

const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index % 251);

describe('a raw image', () => {
  it('is the bytes of its store', () => {
    const image = new RawImage(new BytesStore(counting(2048)));
    expect(image.size).toBe(2048);
    expect(image.read(510, 4)).toEqual(Uint8Array.of(8, 9, 10, 11));
    image.write(511, Uint8Array.of(1, 2));
    expect(image.read(510, 4)).toEqual(Uint8Array.of(8, 1, 2, 11));
  });

  it('pads a last sector that is not whole with zeroes, and grows when that is written', () => {
    const store = new BytesStore(counting(1000), { growTo: 1024 });
    const image = new RawImage(store);
    expect(image.size).toBe(1024);
    expect(image.read(998, 4)).toEqual(Uint8Array.of(245, 246, 0, 0));
    expect(image.read(1010, 14)).toEqual(new Uint8Array(14));
    expect(store.size).toBe(1000);
    image.write(1023, Uint8Array.of(7));
    expect(store.size).toBe(1024);
    expect(image.read(1020, 4)).toEqual(Uint8Array.of(0, 0, 0, 7));
  });

  it('refuses what lies beyond its end, and writes if it is read only', () => {
    const image = new RawImage(new BytesStore(counting(512)), { readOnly: true });
    const problem = (action: () => unknown) => {
      try {
        action();
      } catch (error) {
        return (error as StorageError).problem;
      }
    };
    expect(problem(() => image.read(512, 1))).toBe('range');
    expect(problem(() => image.read(-1, 1))).toBe('range');
    expect(problem(() => image.read(0, Number.NaN))).toBe('range');
    expect(problem(() => image.write(0, Uint8Array.of(1)))).toBe('read-only');
  });

  it('over a store that answers later, takes calls in their order', async () => {
    const image = new RawImage(lateStore(new BytesStore(new Uint8Array(512))));
    const reads: unknown[] = [];
    for (let value = 1; value < 50; value++) {
      image.write(0, Uint8Array.of(value));
      reads.push(image.read(0, 1));
    }
    expect(await Promise.all(reads)).toEqual(Array.from({ length: 49 }, (_, index) => Uint8Array.of(index + 1)));
    expect(() => image.read(512, 1)).toThrow(StorageError);
  });

  it('closes its store even if the flush fails', async () => {
    let closed = false;
    const failing = {
      size: 512,
      read: () => new Uint8Array(0),
      write: () => {},
      flush: () => {
        throw new StorageError('io', 'broken');
      },
      close: () => {
        closed = true;
      },
    };
    expect(() => new RawImage(failing).close()).toThrow('broken');
    expect(closed).toBe(true);
  });

  it('told by its content, cannot be made to look like another format', () => {
    const image = new RawImage(new BytesStore(counting(4096)), { probed: true });
    const refused = 'the raw image would be taken for qcow2: name its format to write that';
    image.write(0, Uint8Array.of(0x51, 0x46));
    expect(() => image.write(2, Uint8Array.of(0x49, 0xfb))).toThrow(refused);
    expect(() => image.write(0, Uint8Array.of(0x51, 0x46, 0x49, 0xfb))).toThrow(refused);
    expect(() => image.write(3000, new TextEncoder().encode(`${' '.repeat(584)}conectix`))).toThrow('taken for vhd');
    image.write(512, Uint8Array.of(0x51, 0x46, 0x49, 0xfb));
    image.write(0, Uint8Array.of(0x51, 0x46, 0x49, 0xfa));
    expect(image.read(0, 4)).toEqual(Uint8Array.of(0x51, 0x46, 0x49, 0xfa));
    const named = new RawImage(new BytesStore(counting(4096)));
    named.write(0, Uint8Array.of(0x51, 0x46, 0x49, 0xfb));
  });
});
