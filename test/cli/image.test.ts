/** `vetro image`: what it makes and says, and bad input of every kind. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Interrupted } from '../../src/cli/stop.ts';
import { vetro } from '../../src/cli/vetro.ts';
import { FileStore } from '../../src/host/node/file-store.ts';
import { imageFiles } from '../../src/host/node/image-files.ts';
import { openImage } from '../../src/storage/open-image.ts';
import { createVdi, createVhd, createVmdk, sampleDisk } from '../support/foreign-images.ts';
import { expectOneLine, runHere } from '../support/run-here.ts';

const MIB = 2 ** 20;
const disk = sampleDisk(3 * MIB);
const folder = mkdtempSync(join(tmpdir(), 'vetro-image-'));
const file = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** `@/` stands for the folder of files. */
const words = (line: string): string[] => `image ${line}`.split(' ').map((word) => word.replaceAll('@/', `${folder}/`));

async function run(line: string): Promise<string> {
  const { status, stdout, stderr } = await runHere(words(line));
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.replaceAll(`${folder}/`, '');
}

beforeAll(async () => {
  writeFileSync(file('disk.img'), disk);
  writeFileSync(file('disk.vdi'), createVdi(disk));
  writeFileSync(file('disk.vhd'), createVhd(disk, { fixed: false }));
  writeFileSync(file('disk.vmdk'), createVmdk(disk, { stream: true }));
});

describe('vetro image', () => {
  it('create makes an empty disk, and info says what it is', async () => {
    expect(await run('create @/new.qcow2 --size 10G')).toBe('');
    expect((await run('info @/new.qcow2')).split('\n')).toEqual([
      'image     new.qcow2',
      'format    qcow2, version 3',
      'disk      10 GiB',
      'file      256 KiB',
      'clusters  64 KiB',
      'holds     nothing but zeros',
      '',
    ]);
    expect(await run('check @/new.qcow2')).toBe('new.qcow2: no fault was found; 0 of 163840 clusters are used\n');
    await run('create @/new.img --size 1440K');
    expect(await run('info @/new.img')).toMatch(
      /format {4}raw\ndisk {6}1\.4 MiB \(1,474,560 bytes\)\n.*\nholds {5}a floppy disk/,
    );
  });

  it.each(['img', 'vdi', 'vhd', 'vmdk'])('convert reads %s, and makes qcow2 and raw images', async (format) => {
    await run(`convert @/disk.${format} @/made.qcow2`);
    expect(await run('check @/made.qcow2')).toMatch(/no fault was found; 32 of 48 clusters are used/);
    await run('convert @/made.qcow2 @/made.raw');
    expect(Buffer.compare(readFileSync(file('made.raw')), disk)).toBe(0);
    rmSync(file('made.qcow2'));
    rmSync(file('made.raw'));
  });

  it('create --backing makes a disk on top of another, found from its own folder', async () => {
    mkdirSync(file('sub'));
    await run('create @/sub/top.qcow2 --backing ../disk.img');
    expect(await run('info @/sub/top.qcow2')).toContain('backing   ../disk.img (raw)\n');
    const image = await openImage(imageFiles(), file('sub/top.qcow2'), { writable: true });
    await image.write(5, Uint8Array.of(1, 2, 3));
    await image.close();
    await run('convert @/sub/top.qcow2 @/sub/whole.img');
    const expected = disk.slice();
    expected.set([1, 2, 3], 5);
    expect(Buffer.compare(readFileSync(file('sub/whole.img')), expected)).toBe(0);
    expect(Buffer.compare(readFileSync(file('disk.img')), disk)).toBe(0);
    await run('convert @/disk.img @/sub/whole.img --overwrite --format qcow2');
    expect(await run('info @/sub/whole.img')).toContain('format    qcow2, version 3\n');
  });

  it('check lists what is wrong, with status 1', async () => {
    await run('convert @/disk.img @/faulty.qcow2');
    const bytes = readFileSync(file('faulty.qcow2'));
    // The refcount of the cluster behind the first 36.
    bytes.writeUInt16BE(0, 2 * 65_536 + 20 * 2);
    writeFileSync(file('faulty.qcow2'), bytes);
    const { status, stdout } = await runHere(words('check @/faulty.qcow2'));
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /^cluster 20 has the refcount 0, and 1 references\n(.*\n)*.*: 2 corruptions, 0 clusters lost;/,
    );
  });

  it('leaves nothing behind when it is interrupted', async () => {
    truncateSync(file('new.img'), 4 * 2 ** 30);
    const before = readdirSync(folder).sort();
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Interrupted('SIGINT', 130)), 20);
    const status = await vetro(words('convert @/new.img @/interrupted.qcow2'), stop.signal);
    expect(status).toBe(130);
    expect(readdirSync(folder).sort()).toEqual(before);
  });
});

describe('bad input', () => {
  beforeAll(async () => {
    writeFileSync(file('empty'), '');
    writeFileSync(file('unreadable'), 'x');
    chmodSync(file('unreadable'), 0);
    mkdirSync(file('folder'), { recursive: true });
    for (const name of ['lonely', 'circle', 'other']) await run(`create @/${name}.qcow2 --size 1M`);
    await run('create @/base.qcow2 --size 1M');
    await run('create @/top.qcow2 --backing base.qcow2');
    rmSync(file('base.qcow2'));
    rmSync(file('circle.qcow2'));
    await run('create @/circle.qcow2 --backing other.qcow2');
    rmSync(file('other.qcow2'));
    await run('create @/other.qcow2 --backing lonely.qcow2');
    const bytes = readFileSync(file('other.qcow2'));
    writeFileSync(file('other.qcow2'), Buffer.from(bytes.toString('latin1').replace('lonely', 'circle'), 'latin1'));
    const whole = readFileSync(file('lonely.qcow2'));
    writeFileSync(file('cut.qcow2'), whole.subarray(0, 100_000));
  });

  // biome-ignore format: one case a line
  const rows: [line: string, message: RegExp][] = [
    ['', /^<action> is empty|^an argument is missing/],
    ['info', /^an argument is missing: vetro image <action> <file> \[target\]; see vetro image --help$/],
    ['fold @/disk.img', /^action must be one of info, create, convert, check, not fold$/],
    ['info @/none', /none: no such file$/],
    ['info @/folder', /^cannot open .*folder: it is a directory; give a regular file$/],
    ['info @/empty', /empty is empty$/],
    ['check @/empty', /empty is empty$/],
    ['convert @/empty @/x.qcow2', /empty is empty$/],
    ['info /dev/zero', /^cannot open \/dev\/zero: it is a device; give a regular file$/],
    ['info @/disk.img/x', /part of its path is not a folder$/],
    ['info @/cut.qcow2', /cut\.qcow2: damaged qcow2 image: .* is it truncated\?$/],
    ['info @/disk.img --from qcow2', /disk\.img: damaged qcow2 image: no qcow2 header$/],
    ['info @/disk.img --from vmdk', /disk\.img: damaged VMDK image: no VMDK header$/],
    ['info @/top.qcow2', /^the backing file of .*top\.qcow2: cannot open .*base\.qcow2: no such file$/],
    ['convert @/top.qcow2 @/x.img', /^the backing file of .*top\.qcow2: cannot open .*base\.qcow2: no such file$/],
    ['info @/circle.qcow2', /^backing files go round in a circle: .*circle\.qcow2 → .*other\.qcow2 → .*circle\.qcow2$/],
    ['check @/disk.img', /only qcow2 images can be checked; this one is raw, and could be opened$/],
    ['check @/disk.img @/x', /^vetro image check takes no second file$/],
    ['info @/disk.img --size 1G', /^vetro image info takes no --size$/],
    ['check @/lonely.qcow2 --overwrite', /^vetro image check takes no --overwrite$/],
    ['create @/x.qcow2', /^give the size of the disk: --size 10G$/],
    ['create @/x.qcow2 --size', /^--size needs a value/],
    ['create @/x.qcow2 --size big', /^--size must be a multiple of 512 bytes, as in 10G, 1440K or 1474560, not big$/],
    ['create @/x.qcow2 --size 1000', /^--size must be a multiple of 512 bytes/],
    ['create @/x.qcow2 --size 0', /^--size must be a multiple of 512 bytes/],
    ['create @/x.qcow2 --size 8000T', /^a qcow2 image with clusters of 65536 bytes cannot hold a disk of \d+ bytes$/],
    ['create @/x.qcow2 --size 999999T', /^--size must be a multiple of 512 bytes/],
    ['create @/lonely.qcow2 --size 1M', /lonely\.qcow2 is there already: give another name, or --overwrite$/],
    ['create @/none/x.qcow2 --size 1M', /^cannot create .*none\/x\.qcow2: its folder does not exist$/],
    ['create @/folder --size 1M --overwrite', /folder: it is a directory; give a regular file$/],
    ['create @/x.img --backing disk.img', /^--backing needs the format qcow2$/],
    ['create @/x.qcow2 --backing none.img', /^cannot open .*none\.img: no such file$/],
    ['create @/x.qcow2 --backing top.qcow2', /^the backing file of .*top\.qcow2: cannot open .*base\.qcow2: no such file$/],
    ['create @/x.qcow2 --size 1M --backing-format raw', /^--backing-format needs --backing$/],
    ['create @/lonely.qcow2 --overwrite --backing lonely.qcow2', /lonely\.qcow2 cannot be its own backing file$/],
    ['create @/x.qcow2 --size 1M --format vdi', /^--format must be one of raw, qcow2, not vdi$/],
    ['create @/x.qcow2 --backing nbd://host/x', /^cannot open nbd:\/\/host\/x: it is no path of a file$/],
    ['convert @/disk.img', /^vetro image convert needs two files: FILE TARGET$/],
    ['convert @/disk.img @/disk.img --overwrite', /disk\.img is what is read: give the new image another name$/],
    ['convert @/disk.img @/disk.vdi', /disk\.vdi is there already: give another name, or --overwrite$/],
    ['convert @/disk.img @/none/x', /^cannot create .*: its folder does not exist$/],
  ];
  it.each(rows)('image %s', async (line, message) => {
    expectOneLine(await runHere(words(line).filter((word) => word !== '')), message);
    for (const name of ['x.qcow2', 'x.img']) expect(existsSync(file(name))).toBe(false);
  });

  it('an image that another guest writes', async () => {
    const held = FileStore.open(file('disk.img'), { writable: true });
    try {
      const use = /^.*disk\.img is in use by this process already \(\d+\)$/;
      expectOneLine(await runHere(words('convert @/disk.img @/x.img')), use);
      expectOneLine(await runHere(words('create @/disk.img --size 1M --overwrite')), use);
      expect(await run('info @/disk.img')).toContain('format    raw');
    } finally {
      held.close();
    }
    expect(statSync(file('disk.img')).size).toBe(disk.length);
  });

  it('an image that may not be read', async () => {
    const root = process.getuid!() === 0;
    chmodSync(folder, 0o755);
    if (root) process.seteuid!(65_534);
    try {
      expectOneLine(await runHere(words('info @/unreadable')), /^cannot open .*unreadable: permission denied$/);
    } finally {
      if (root) process.seteuid!(0);
    }
  });
});
