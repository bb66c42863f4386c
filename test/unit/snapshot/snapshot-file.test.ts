import { describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.ts';
import { createSnapshotCodec, portableCodec } from '../../../src/host/snapshot-codec.ts';
import { decodePlain, encodePlain } from '../../../src/snapshot/plain-data.ts';
import { SnapshotFile } from '../../../src/snapshot/snapshot-file.ts';
import { randomCounts } from '../../support/save-restore.ts';
import {
  bytesSource,
  filledPage,
  openBytes,
  PAGE,
  pageLine,
  pagesOf,
  snapshotBytes,
} from '../../support/snapshot-bytes.ts';

const zeros = new Uint8Array(PAGE);

describe('plain data', () => {
  it('comes back as it was: what JSON has, and what it has not', () => {
    const data = {
      ...{
        none: null,
        missing: undefined,
        yes: true,
        text: 'ü "$" \u0000',
        numbers: [0, -1.5, 2 ** 53, Infinity, NaN],
      },
      ...{ large: 2n ** 64n - 1n, bytes: Uint8Array.of(1, 2, 3), empty: new Uint8Array(0) },
      nested: [{ more: [Uint8Array.of(9)] }, [], {}],
    };
    expect(decodePlain(encodePlain(data))).toEqual(data);
    expect(Object.hasOwn(decodePlain(encodePlain(data)) as object, 'missing')).toBe(true);
  });

  it('gives arrays of its own that are no Buffers', () => {
    const encoded = Buffer.from(encodePlain({ bytes: Uint8Array.of(1, 2, 3) }));
    const { bytes } = decodePlain(encoded) as { bytes: Uint8Array };
    encoded.fill(0);
    expect([Buffer.isBuffer(bytes), [...bytes]]).toEqual([false, [1, 2, 3]]);
  });

  it('has at most 16 MiB of text, both ways', () => {
    expect(() => encodePlain('x'.repeat(2 ** 24))).toThrow('too large for a snapshot');
    const bytes = new Uint8Array(4 + 2 ** 24 + 1).fill(0x31, 4);
    new DataView(bytes.buffer).setUint32(0, 2 ** 24 + 1, true);
    expect(() => decodePlain(bytes)).toThrow('too much text');
    expect(decodePlain(encodePlain('x'.repeat(2 ** 20)))).toHaveLength(2 ** 20);
  });

  it('is nothing else', () => {
    for (const wrong of [new Map(), new Date(0), () => 1, { $: 1 }, new Uint16Array(2), Symbol('x')])
      expect(() => encodePlain({ wrong })).toThrow('no plain data');
  });

  it.each([
    ['{"__proto__":{"a":1}}', '__proto__'],
    ['{"$":"bytes","length":5}', 'bytes that are not there'],
    ['{"$":"bytes","length":-1}', 'bytes that are not there'],
    ['{"$":"bigint","value":"1e5"}', 'a number that is none'],
    ['{"$":"number","value":"1"}', 'a number that is none'],
    ['{"$":"code"}', 'an unknown kind'],
    [`${'['.repeat(1000)}${']'.repeat(1000)}`, 'nested too deeply'],
    ['{', 'damaged'],
  ])('%s is refused', (text, reason) => {
    const bytes = new Uint8Array(4 + text.length);
    new DataView(bytes.buffer).setUint32(0, text.length, true);
    bytes.set(new TextEncoder().encode(text), 4);
    expect(() => decodePlain(bytes)).toThrow(reason);
    expect(() => decodePlain(bytes.subarray(0, 3))).toThrow('no data');
  });
});

describe('a snapshot file', () => {
  const maps = {
    ram: Array.from({ length: 40 }, (_, index) => ({ page: 3 * index, bytes: filledPage(index % 25) })),
    rom: [{ page: 0xf_ffff, bytes: filledPage(3) }],
    disk: [],
  };

  it('gives back head and pages', async () => {
    const head = { name: 'x', when: 5n };
    const file = await openBytes(await snapshotBytes(head, maps));
    expect(file.head).toEqual(head);
    expect(file.names).toEqual(['ram', 'rom', 'disk']);
    for (const [name, pages] of Object.entries(maps)) expect(await pagesOf(file, name)).toEqual(pages.map(pageLine));
    expect(await pagesOf(file, 'nothing')).toEqual([]);
    await file.verify();
  });

  it('gives a page at once to who cannot wait, and notices when it has changed', async () => {
    const bytes = await snapshotBytes(null, maps);
    const file = await openBytes(bytes);
    const stored = file.storedAt('ram');
    for (const [index, page] of file.numbers('ram').entries())
      expect(pageLine({ page, bytes: file.readStored(stored[index]) })).toEqual(pageLine(maps.ram[index]));
    expect(file.storedAt('nothing')).toHaveLength(0);
    const later = await SnapshotFile.open(
      { size: bytes.length, read: async (offset, length) => bytes.slice(offset, offset + length) },
      { codec: createSnapshotCodec() },
    );
    expect(() => later.readStored(0)).toThrow('what should answer at once does not');
    const changed = new Uint8Array(bytes);
    const source = {
      size: bytes.length,
      read: (offset: number, length: number) => changed.slice(offset, offset + length),
    };
    const other = await SnapshotFile.open(source, { codec: createSnapshotCodec() });
    changed.fill(0x55, 16, 200);
    expect(() => other.readStored(0)).toThrow('the snapshot is damaged: block 0 cannot be unpacked');
    let unpacks = 0;
    const codec = createSnapshotCodec();
    // The index comes first.
    const lying = {
      ...codec,
      inflate: (packed: Uint8Array, length: number) =>
        unpacks++ > 0 ? new Uint8Array(length) : codec.inflate(packed, length),
    };
    const wrong = await SnapshotFile.open(
      { ...source, read: (offset, length) => bytes.slice(offset, offset + length) },
      { codec: lying },
    );
    expect(() => wrong.readStored(3)).toThrow('the snapshot is damaged: page 3');
  });

  it('may be read by several at once', async () => {
    const pages = Array.from({ length: 200 }, (_, page) => ({ page, bytes: filledPage(page) }));
    const file = await openBytes(
      await snapshotBytes(null, { ram: pages, rom: pages.toReversed().map(({ bytes }, page) => ({ page, bytes })) }),
    );
    const [ram, rom] = await Promise.all([pagesOf(file, 'ram'), pagesOf(file, 'rom')]);
    expect(ram).toEqual(pages.map(pageLine));
    expect(rom).toHaveLength(200);
  });

  it('has equal pages once, and zero pages not at all', async () => {
    const file = await openBytes(await snapshotBytes(null, { ...maps, zeros: [{ page: 7, bytes: zeros }] }));
    expect(file.stored).toBe(25);
    expect([...file.numbers('zeros')]).toEqual([]);
  });

  it('is unpacked once where pages of some blocks are read in turn; the world has its turn meanwhile', async () => {
    const stored = Array.from({ length: 64 }, (_, page) => ({ page, bytes: filledPage(page + 1) }));
    const mixed = Array.from({ length: 64 }, (_, page) => ({ page, bytes: filledPage(1 + ((page * 17) % 64)) }));
    const bytes = await snapshotBytes(null, { stored, mixed });
    const codec = createSnapshotCodec();
    let [inflated, rests] = [0, 0];
    const counting = {
      ...codec,
      inflate(packed: Uint8Array, length: number) {
        inflated++;
        return codec.inflate(packed, length);
      },
    };
    const file = await SnapshotFile.open(bytesSource(bytes), { codec: counting, rest: async () => void rests++ });
    expect(await pagesOf(file, 'mixed')).toEqual(mixed.map(pageLine));
    expect([inflated - 1, rests]).toEqual([4, 4]);
  });

  it('is the same whoever computes, and read by the other', async () => {
    const node = await snapshotBytes('head', maps, createSnapshotCodec());
    const portable = await snapshotBytes('head', maps, portableCodec());
    const [one, other] = [await openBytes(node, portableCodec()), await openBytes(portable, createSnapshotCodec())];
    expect(await pagesOf(one, 'ram')).toEqual(await pagesOf(other, 'ram'));
  });

  it('of another kind, or cut off anywhere, is refused', async () => {
    const bytes = await snapshotBytes('head', { rom: maps.rom });
    await expect(openBytes(new Uint8Array(1000))).rejects.toThrow('this is no snapshot');
    for (let length = 0; length < bytes.length; length += 1 + (length >> 4))
      await expect(openBytes(bytes.subarray(0, length))).rejects.toThrow(UserError);
    const later = bytes.slice();
    later[8] = 2;
    await expect(openBytes(later)).rejects.toThrow("the snapshot's format has version 2: this program knows version 1");
  });

  it('with any byte changed is refused, when it is opened or where the page is read', async () => {
    const bytes = await snapshotBytes({ a: [1, 2, 3] }, { ram: maps.ram.slice(0, 3) });
    const random = randomCounts(5);
    for (let round = 0; round < 300; round++) {
      const at = random(bytes.length);
      const changed = bytes.slice();
      changed[at] ^= 1 << random(8);
      // Four bytes of the header, and four of the trailer, mean nothing.
      const free = (at >= 12 && at < 16) || (at >= bytes.length - 16 && at < bytes.length - 8);
      const read = openBytes(changed).then((file) => file.verify());
      if (free) await read.catch((error: unknown) => expect(error).toBeInstanceOf(UserError));
      else await expect(read, `byte ${at}`).rejects.toThrow(UserError);
    }
  });
});
