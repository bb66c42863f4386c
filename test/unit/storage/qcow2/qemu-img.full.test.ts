/** qemu-img is the oracle: what it makes we read alike, what we write it finds without fault. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileStore } from '../../../../src/host/node/file-store.ts';
import { imageFiles } from '../../../../src/host/node/image-files.ts';
import type { BlockStore } from '../../../../src/storage/block-store.ts';
import { openImage } from '../../../../src/storage/open-image.ts';
import { checkQcow2, type Qcow2Check } from '../../../../src/storage/qcow2/check-qcow2.ts';
import { type CreateQcow2Options, createQcow2 } from '../../../../src/storage/qcow2/create-qcow2.ts';
import { createModel, exercise, expectSame } from '../../../support/disk-model.ts';
import { CRASH_IMAGES, recordWrites } from '../../../support/qcow2-crash.ts';
import { QEMU_IMG_MISSING, qemuCheck, qemuImg, qemuIo } from '../../../support/qemu-img.ts';
import { createRandom } from '../../../support/random-transfers.ts';

const MIB = 2 ** 20;
const SIZE = 4 * MIB;
const CLEAN = { status: 0, output: expect.stringContaining('No errors were found') };
let folder: string;
const path = (name: string): string => join(folder, name);

const open = async (name: string, { writable = false } = {}): Promise<BlockStore> =>
  openImage(imageFiles(), path(name), { writable });

/** What qemu-img says the disk holds. */
function contentOf(name: string): Uint8Array {
  qemuImg('convert', '-O', 'raw', path(name), path('content.raw'));
  return readFileSync(path('content.raw'));
}

async function expectAsQemu(name: string): Promise<void> {
  const image = await open(name);
  const found = await image.read(0, image.size);
  await image.close();
  expect(Buffer.compare(found, contentOf(name))).toBe(0);
}

/** Text-like, so that it can be compressed, with holes. */
function someContent(): Uint8Array {
  const random = createRandom(77);
  const bytes = new Uint8Array(SIZE);
  for (let at = 0; at < SIZE; at++) if ((at >> 17) % 3 !== 1) bytes[at] = 65 + random.below(8) * random.below(3);
  return bytes;
}

describe.skipIf(QEMU_IMG_MISSING)(`qcow2 next to qemu-img${QEMU_IMG_MISSING ? ` (${QEMU_IMG_MISSING})` : ''}`, () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'vetro-qcow2-'));
    writeFileSync(path('content'), someContent());
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const made: [title: string, options: string, flags: string[]][] = [
    ['version 2', 'compat=0.10', []],
    ['version 3', 'compat=1.1', []],
    ['clusters of 512 bytes', 'cluster_size=512', []],
    ['clusters of 2 MiB', 'cluster_size=2M', []],
    ['refcounts of 1 bit', 'refcount_bits=1', []],
    ['refcounts of 64 bits', 'refcount_bits=64', []],
    ['lazy refcounts', 'lazy_refcounts=on', []],
    ['preallocated', 'preallocation=metadata', []],
    ['compressed with zlib', 'compression_type=zlib', ['-c']],
    ['compressed with zlib, version 2', 'compat=0.10', ['-c']],
    ['compressed with zlib, small clusters', 'cluster_size=4k', ['-c']],
    ['compressed with zstd', 'compression_type=zstd', ['-c']],
    ['compressed with zstd, large clusters', 'compression_type=zstd,cluster_size=2M', ['-c']],
    ['compressed with zstd, small clusters', 'compression_type=zstd,cluster_size=1k', ['-c']],
  ];
  it.each(made)('reads what it makes, and goes on writing it: %s', async (_, options, flags) => {
    qemuImg('convert', ...flags, '-O', 'qcow2', '-o', options, path('content'), path('made.qcow2'));
    await expectAsQemu('made.qcow2');
    const model = createModel(readFileSync(path('content')));
    for (let round = 0; round < 2; round++) {
      const image = await open('made.qcow2', { writable: true });
      await exercise(image, model, createRandom(round + 1), { operations: 150, longest: 40_000 });
      await image.close();
      expect(qemuCheck(path('made.qcow2'))).toEqual(CLEAN);
    }
    expect(Buffer.compare(contentOf('made.qcow2'), model.bytes)).toBe(0);
  });

  const shapes: CreateQcow2Options[] = [
    { size: SIZE },
    { size: SIZE, version: 2 },
    { size: SIZE - 512, clusterBits: 9 },
    { size: SIZE, clusterBits: 9, refcountOrder: 6 },
    { size: SIZE, clusterBits: 10, refcountOrder: 0 },
    { size: SIZE, clusterBits: 21 },
  ];
  it.each(shapes)('finds no fault in what we make and write: %o', async (options) => {
    rmSync(path('ours.qcow2'), { force: true });
    const store = FileStore.open(path('ours.qcow2'), { writable: true, create: 'new' });
    await createQcow2(store, options);
    store.close();
    expect(qemuCheck(path('ours.qcow2')).status).toBe(0);
    const model = createModel(new Uint8Array(options.size));
    for (let round = 0; round < 3; round++) {
      const image = await open('ours.qcow2', { writable: true });
      await exercise(image, model, createRandom(round + 1), { operations: 200, longest: 40_000 });
      await image.close();
      expect(qemuCheck(path('ours.qcow2'))).toEqual(CLEAN);
    }
    expect(Buffer.compare(contentOf('ours.qcow2'), model.bytes)).toBe(0);
    // And it goes on where we stopped.
    qemuIo(path('ours.qcow2'), 'write -P 0x5a 1M 300k', 'write -z 2M 64k');
    model.bytes.fill(0x5a, MIB, MIB + 300 * 1024).fill(0, 2 * MIB, 2 * MIB + 64 * 1024);
    const image = await open('ours.qcow2', { writable: true });
    await expectSame(image, model);
    await exercise(image, model, createRandom(9), { operations: 100, longest: 40_000 });
    await image.close();
    expect(qemuCheck(path('ours.qcow2'))).toEqual(CLEAN);
  });

  it('a backing chain: it names the backing file and its format, and reads the same', async () => {
    qemuImg('convert', '-O', 'qcow2', path('content'), path('base.qcow2'));
    qemuImg('create', '-q', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', path('middle.qcow2'), '6M');
    qemuIo(path('middle.qcow2'), 'write -P 0x77 100k 200k', 'write -z 1M 128k');
    rmSync(path('top.qcow2'), { force: true });
    const store = FileStore.open(path('top.qcow2'), { writable: true, create: 'new' });
    await createQcow2(store, { size: 6 * MIB, backingFile: 'middle.qcow2', backingFormat: 'qcow2' });
    store.close();
    expect(JSON.parse(qemuImg('info', '--output=json', path('top.qcow2')))).toMatchObject({
      format: 'qcow2',
      'virtual-size': 6 * MIB,
      'backing-filename': 'middle.qcow2',
      'backing-filename-format': 'qcow2',
    });
    await expectAsQemu('top.qcow2');
    const model = createModel(contentOf('top.qcow2'));
    const image = await open('top.qcow2', { writable: true });
    await exercise(image, model, createRandom(4), { operations: 300, longest: 40_000 });
    await image.close();
    expect(qemuCheck(path('top.qcow2'))).toEqual(CLEAN);
    expect(Buffer.compare(contentOf('top.qcow2'), model.bytes)).toBe(0);
  });

  it('snapshots keep what they have, whatever is written', async () => {
    qemuImg('convert', '-O', 'qcow2', '-o', 'cluster_size=16k', path('content'), path('snapshots.qcow2'));
    const model = createModel(readFileSync(path('content')));
    const kept: Uint8Array[] = [];
    for (let round = 0; round < 3; round++) {
      kept.push(model.bytes.slice());
      qemuImg('snapshot', '-c', `s${round}`, path('snapshots.qcow2'));
      const image = await open('snapshots.qcow2', { writable: true });
      await exercise(image, model, createRandom(round + 21), { operations: 120, longest: 30_000 });
      await image.close();
      expect(qemuCheck(path('snapshots.qcow2'))).toEqual(CLEAN);
      const store = FileStore.open(path('snapshots.qcow2'));
      expect(await checkQcow2(store)).toMatchObject({ corruptions: 0, leaks: 0 });
      store.close();
    }
    expect(Buffer.compare(contentOf('snapshots.qcow2'), model.bytes)).toBe(0);
    for (const [round, bytes] of kept.entries()) {
      qemuImg('snapshot', '-a', `s${round}`, path('snapshots.qcow2'));
      expect(Buffer.compare(contentOf('snapshots.qcow2'), bytes)).toBe(0);
    }
  });

  it('our check agrees with qemu-img check, after crashes and with planted faults', () => {
    const random = createRandom(5);
    const verdict = ({ corruptions, leaks }: { corruptions: number; leaks: number }) =>
      corruptions > 0 ? 2 : leaks > 0 ? 3 : 0;
    const seen = new Map<number, number>();
    for (const [, create] of CRASH_IMAGES) {
      const { log } = recordWrites(create(), { seed: 1, writes: 30 });
      for (let trial = 0; trial < 25; trial++) {
        const store = log.crash(random.below(log.events.length), random);
        // Somewhere in the tables behind the header, which are in the first clusters.
        if (trial % 2 === 1)
          store.bytes[512 + random.below(Math.min(store.size - 512, 4 * 65_536))] ^= 1 << random.below(8);
        writeFileSync(path('crash.qcow2'), store.bytes);
        const ours = verdict(checkQcow2(store) as Qcow2Check);
        const { status, output } = qemuCheck(path('crash.qcow2'));
        if (ours !== status) expect.fail(`we say ${ours}, qemu-img ${status}: ${output}`);
        seen.set(ours, (seen.get(ours) ?? 0) + 1);
      }
    }
    for (const status of [0, 2, 3]) expect(seen.get(status) ?? 0).toBeGreaterThan(3);
  });

  it('an image whose refcounts QEMU left out of date is only read', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', '-o', 'lazy_refcounts=on', path('lazy.qcow2'), '4M');
    spawnSync('qemu-io', [
      '-f',
      'qcow2',
      '-c',
      'write -P 0x42 0 256k',
      '-c',
      'flush',
      '-c',
      'abort',
      path('lazy.qcow2'),
    ]);
    await expect(open('lazy.qcow2', { writable: true })).rejects.toThrow('its refcounts are not up to date');
    const image = await open('lazy.qcow2');
    expect(await image.read(256 * 1024 - 1, 2)).toEqual(Uint8Array.of(0x42, 0));
    await image.close();
    qemuImg('check', '-q', '-r', 'all', path('lazy.qcow2'));
    await (await open('lazy.qcow2', { writable: true })).close();
  });

  const refused: [string, string[], string][] = [
    ['encryption', ['--object', 'secret,id=s,data=x', '-o', 'encrypt.format=aes,encrypt.key-secret=s'], 'encryption'],
    ['an external data file', ['-o', 'data_file=DATA'], 'an external data file'],
    ['subclusters', ['-o', 'extended_l2=on'], 'extended second-level entries'],
  ];
  it.each(refused)('refuses %s, in one line', async (_, options, words) => {
    const given = options.map((word) => word.replace('DATA', path('data')));
    qemuImg('create', '-q', '-f', 'qcow2', ...given, path('refused.qcow2'), '1M');
    await expect(open('refused.qcow2')).rejects.toThrow(`${path('refused.qcow2')}: qcow2: ${words}`);
  });
});
