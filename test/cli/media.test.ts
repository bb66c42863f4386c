/** `vetro run` with images in drives: what it takes a file for, what becomes of writes, and bad input in one line. */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileStore } from '../../src/host/node/file-store.ts';
import { bootImage, FLOPPY_SIZE } from '../support/bios-machine.ts';
import { bootCd } from '../support/boot-cd.ts';
import { createBzImage } from '../support/bz-image.ts';
import { expectOneLine, runHere } from '../support/run-here.ts';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';

const SIZE = 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), 'vetro-run-media-'));
const file = (name: string) => join(folder, name);
const wordsOf = (line: string): string[] => line.split(' ').map((word) => word.replaceAll('@/', `${folder}/`));

/** Says a letter and how often it was booted, on the serial port; counts that in sector 1 of the drive in DL. */
const counting = (letter: string): string => `
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov [drive], dl
  mov dx, 0x3fb
  mov al, 3
  out dx, al
  mov ax, 0x0201
  call sector
  inc byte [0x8000]
  mov ax, 0x0301
  call sector
  mov dx, 0x3f8
  mov al, '${letter}'
  out dx, al
  mov al, [0x8000]
  add al, '0'
  out dx, al
  cli
  hlt
sector: mov bx, 0x8000
  mov cx, 2
  mov dh, 0
  mov dl, [drive]
  int 0x13
  ret
drive: db 0`;
const PARTITION = [0x80, 1, 1, 0, 0x83, 254, 255, 255, 1, 0, 0, 0, 0, 4, 0, 0];
const diskImage = (): Uint8Array => {
  const image = bootImage(counting('d'), SIZE);
  image.set(PARTITION, 446);
  return image;
};
const CD = () =>
  bootCd({
    media: 0,
    image: bootImage(`mov dx, 0x3fb\nmov al, 3\nout dx, al\nmov dx, 0x3f8\nmov al, 'c'\nout dx, al\ncli\nhlt`, 2048),
  });

beforeAll(async () => {
  writeFileSync(file('d.img'), diskImage());
  writeFileSync(file('a.img'), bootImage(counting('f')));
  writeFileSync(file('c.iso'), CD());
  writeFileSync(file('zeros.img'), new Uint8Array(SIZE));
  writeFileSync(file('bzImage'), createBzImage({ code: new Uint8Array(5001) }));
  writeFileSync(file('text'), 'This is no disk.\n'.repeat(100));
  writeFileSync(file('sectors'), 'This is no disk.\n'.repeat(512));
  writeFileSync(file('large.img'), new Uint8Array(3 * SIZE));
  writeFileSync(file('odd.img'), bootImage(counting('o'), 1_296_384));
  writeFileSync(file('gzip'), Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0));
  writeFileSync(file('empty.img'), '');
  writeFileSync(file('flat'), Uint8Array.of(0xfa, 0xf4));
  const cut = CD();
  new DataView(cut.buffer).setUint32(16 * 2048 + 80, 1000, true);
  new DataView(cut.buffer).setUint32(16 * 2048 + 84, 1000);
  writeFileSync(file('cut.iso'), cut);
  mkdirSync(file('folder'));
  writeFileSync(file('unreadable.img'), 'secret');
  chmodSync(file('unreadable.img'), 0);
  const make = async (line: string) => expect(await runHere(wordsOf(line))).toMatchObject({ status: 0, stderr: '' });
  await make('image create @/good.qcow2 --size 1M');
  writeFileSync(file('cut.qcow2'), readFileSync(file('good.qcow2')).subarray(0, 60));
  await make('image create @/base.img --size 1M');
  await make('image create @/orphan.qcow2 --backing @/base.img');
  rmSync(file('base.img'));
  writeFileSync(file('three.img'), new Uint8Array(SIZE));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// biome-ignore format: one case a line
const ROWS: readonly (readonly [what: string, line: string, message: RegExp])[] = [
  ['a missing disk', 'run --demo --disk @/none.img', /^cannot open .*\/none\.img: no such file$/],
  ['a folder', 'run --demo --disk @/folder', /^cannot open .*\/folder: it is a directory; give a regular file$/],
  ['a device', 'run --demo --disk /dev/zero', /^cannot open \/dev\/zero: it is a device; give a regular file$/],
  ['an empty disk', 'run --demo --disk @/empty.img', /^.*\/empty\.img is empty$/],
  ['text', 'run --demo --disk @/text', /^.*\/text is no disk: it is text; give a disk image$/],
  ['a kernel', 'run --demo --disk @/bzImage', /^.*\/bzImage is no disk: it is a Linux kernel \(bzImage\); boot it as a kernel$/],
  ['what is compressed', 'run --demo --disk @/gzip', /^.*\/gzip is no disk: it is compressed with gzip; unpack it first$/],
  ['raw as qcow2', 'run --demo --disk file=@/d.img,format=qcow2', /^.*\/d\.img: .*qcow2/],
  ['a truncated qcow2', 'run --demo --disk @/cut.qcow2', /^.*\/cut\.qcow2: /],
  ['a truncated qcow2 as FILE', 'run @/cut.qcow2', /^.*\/cut\.qcow2: /],
  ['a missing backing file', 'run --demo --disk @/orphan.qcow2', /^the backing file of .*\/orphan\.qcow2: cannot open .*\/base\.img: no such file$/],
  ['a CD that is cut off', 'run @/cut.iso', /^.*\/cut\.iso is cut off: it has 65536 bytes of the 2048000 that the CD has$/],
  ['a CD as a floppy', 'run --demo --floppy @/c.iso', /^.*\/c\.iso is a CD \(ISO 9660\), not a floppy disk$/],
  ['a disk as a floppy', 'run --demo --floppy @/large.img', /^.*\/large\.img has 3145728 bytes, more than any floppy disk: at most 2880 KiB$/],
  ['a text of whole sectors as a floppy', 'run --demo --floppy @/sectors', /^.*\/sectors is no disk: it is text; give a disk image$/],
  ['a missing CD', 'run --demo --cdrom @/none.iso', /^cannot open .*\/none\.iso: no such file$/],
  ['five disks', 'run --demo --disk @/d.img --disk @/d.img --disk @/d.img --disk @/d.img --disk @/d.img', /^5 disks: there is room for 4$/],
  ['four disks and a CD', 'run --demo --disk @/d.img --disk @/d.img --disk @/d.img --disk @/d.img --cdrom empty', /^4 disks: there is room for 3 beside the CD-ROM drive$/],
  ['three floppies', 'run --demo --floppy empty --floppy empty --floppy empty', /^--floppy is given 3 times: there are two drives, A and B$/],
  ['FILE and a second floppy', 'run @/a.img --floppy empty --floppy empty', /is a floppy, and --floppy fills both drives$/],
  ['FILE and --cdrom', 'run @/c.iso --cdrom @/c.iso', /is a CD, and --cdrom another: there is one drive$/],
  ['two CDs', 'run --demo --cdrom @/c.iso --cdrom @/c.iso', /^--cdrom is given twice: give it once$/],
  ['a write to a CD', 'run --demo --cdrom file=@/c.iso,write=through', /^--cdrom: a CD is never written/],
  ['an unknown key', 'run --demo --disk fiel=@/d.img', /^--disk: there is no key fiel; there is file, write, overlay, format /],
  ['a word that is no key', 'run --demo --disk file=@/d.img,through', /^--disk: there is no key through; /],
  ['no file', 'run --demo --disk write=through', /^--disk write=through: file= is missing$/],
  ['a key without a value', 'run --demo --disk file=', /^--disk: file= is empty$/],
  ['a key given twice', 'run --demo --disk file=a,file=b', /^--disk: file= is given twice$/],
  ['an unknown way to write', 'run --demo --disk file=@/d.img,write=back', /^--disk: write= must be one of discard, through, never, not back$/],
  ['an unknown format', 'run --demo --disk file=@/d.img,format=iso', /^--disk: format= must be one of raw, qcow2, vmdk, vdi, vhd, not iso$/],
  ['write and overlay', 'run --demo --disk file=@/d.img,write=through,overlay=@/o', /^--disk: write= and overlay= both say/],
  ['an overlay that is none', 'run --demo --disk file=@/d.img,overlay=@/three.img', /^.*\/three\.img is there already, and is no overlay: give another name$/],
  ['an overlay of itself', 'run --demo --disk file=@/d.img,overlay=@/d.img', /^.*\/d\.img cannot be its own overlay$/],
  ['an overlay in a missing folder', 'run --demo --disk file=@/d.img,overlay=@/none/o.qcow2', /^cannot create .*\/none\/o\.qcow2: its folder does not exist$/],
  ['an overlay over text', 'run --demo --disk file=@/text,overlay=@/o.qcow2', /^.*\/text is no disk: it is text; give a disk image$/],
  ['--disk without its value', 'run --disk', /^--disk needs a value; see vetro run --help$/],
  ['--floppy without its value', 'run --floppy', /^--floppy needs a value; see vetro run --help$/],
  ['--cdrom without its value', 'run --cdrom', /^--cdrom needs a value; see vetro run --help$/],
  ['--boot without its value', 'run --boot', /^--boot needs a value; see vetro run --help$/],
  ['an empty --disk', 'run --demo --disk=', /^--disk needs a value; see vetro run --help$/],
  ['an unknown drive to boot from', 'run --disk @/d.img --boot tape', /^--boot takes drives from floppy, disk, cdrom, as in cdrom,disk; not tape$/],
  ['a drive to boot from twice', 'run --disk @/d.img --boot disk,disk', /^--boot names disk twice$/],
  ['--boot without drives', 'run --boot disk', /^--boot needs drives: give --disk, --cdrom or --floppy$/],
  ['--boot and a kernel', 'run --kernel @/bzImage --disk @/d.img --boot disk', /^--boot starts from drives, and --kernel does not/],
  ['--boot and a flat image', 'run @/flat --boot disk', /^--boot starts from drives, and .*\/flat is none/],
  ['--append for a disk', 'run @/d.img --append quiet', /^--append needs a kernel; .*\/d\.img is a disk image \(with partitions\)$/],
  ['a disk as a kernel', 'run --kernel @/d.img', /^the kernel .*\/d\.img is neither a Linux bzImage nor for Multiboot: it is a disk image \(with partitions\); boot it with vetro run FILE$/],
  ['a disk to compare on', 'difftest lockstep @/d.img', /^.*\/d\.img is a disk image \(with partitions\): here, only kernels and flat images boot$/],
  ['--serial over the disk', 'run --demo --disk @/d.img --serial file:@/d.img', /would write over what is booted/],
  ['--serial over the overlay', 'run --demo --disk file=@/d.img,overlay=@/p.qcow2 --serial file:@/p.qcow2', /would write over what is booted/],
];

describe('bad input', () => {
  it.each(ROWS)('%s', async (_what, line, message) => {
    expectOneLine(await runHere(wordsOf(line)), message);
    expect(readdirSync(folder).filter((name) => name === 'o.qcow2' || name.includes('.lock'))).toEqual([]);
  });

  it('an image that somebody else writes, with who that is', async () => {
    const store = FileStore.open(file('zeros.img'), { writable: true });
    try {
      for (const how of ['', ',write=through', ',overlay=@/o.qcow2'])
        expectOneLine(
          await runHere(wordsOf(`run --demo --disk file=@/zeros.img${how}`)),
          new RegExp(`/zeros\\.img is in use by this process already \\(${process.pid}\\)$`),
        );
    } finally {
      store.close();
    }
  });

  it('backing files that go round in a circle', async () => {
    await runHere(wordsOf('image create @/x.qcow2 --size 1M'));
    await runHere(wordsOf('image create @/y.qcow2 --backing @/x.qcow2'));
    rmSync(file('x.qcow2'));
    renameSync(file('y.qcow2'), file('x.qcow2'));
    expectOneLine(
      await runHere(wordsOf('run --demo --disk @/x.qcow2')),
      /^backing files go round in a circle: .*\/x\.qcow2 → .*\/x\.qcow2$/,
    );
  });

  it('a file that may not be read', async () => {
    const root = process.getuid!() === 0;
    chmodSync(folder, 0o755);
    if (root) process.seteuid!(65_534);
    try {
      for (const option of ['disk', 'cdrom', 'floppy'])
        expectOneLine(
          await runHere(['run', '--demo', `--${option}`, file('unreadable.img')]),
          /^cannot open .*\/unreadable\.img: permission denied$/,
        );
    } finally {
      if (root) process.seteuid!(0);
    }
  });
});

describe('vetro run', () => {
  let vetro: Vetro;
  const run = (line: string) => vetro.run(wordsOf(line));
  beforeAll(async () => {
    vetro = await buildVetro();
  });
  afterAll(() => vetro.dispose());

  it('boots a disk, a floppy, a CD, and says what it took the file for', async () => {
    expect(await run('run @/d.img')).toEqual({
      status: 0,
      stdout: 'd1',
      stderr: `vetro: ${file('d.img')} is a disk image (with partitions); booting from the first hard disk
vetro: what the guest writes to ${file('d.img')} is kept in memory and thrown away at the end
`,
    });
    const floppy = await run('run @/a.img');
    expect(floppy).toMatchObject({ status: 0, stdout: 'f1' });
    expect(floppy.stderr).toMatch(/a\.img is a floppy disk image, by its size; booting from floppy drive A\n/);
    expect(await run('run @/c.iso')).toEqual({
      status: 0,
      stdout: 'c',
      stderr: `vetro: ${file('c.iso')} is a CD image (ISO 9660); booting from the CD-ROM drive\n`,
    });
  });

  it('takes an image of no usual size for a disk of 1.44 or 2.88 MB', async () => {
    const odd = await run('run @/odd.img');
    expect(odd).toMatchObject({ status: 0, stdout: 'o1' });
    expect(odd.stderr).toMatch(/odd\.img is something behind a boot sector; booting from floppy drive A\n/);
    writeFileSync(file('odd-w.img'), bootImage(counting('o'), 1_296_384));
    const start = () => run('run --floppy file=@/odd-w.img,write=through --boot floppy');
    for (const round of [1, 2]) expect(await start()).toEqual({ status: 0, stdout: `o${round}`, stderr: '' });
    expect(readFileSync(file('odd-w.img')).length).toBe(1_296_384);
  });

  it('boots in the order asked for', async () => {
    const drives = '--disk @/d.img --cdrom @/c.iso --floppy @/a.img';
    expect((await run(`run ${drives} --boot cdrom`)).stdout).toBe('c');
    expect((await run(`run ${drives} --boot floppy,disk`)).stdout).toBe('f1');
    expect((await run(`run --disk @/zeros.img ${drives} --boot disk,cdrom`)).stdout).toBe('c');
    expect((await run('run @/d.img --cdrom @/c.iso --boot cdrom')).stdout).toBe('c');
  });

  it('says what was tried when nothing boots, with status 2', async () => {
    expect(await run('run --disk @/zeros.img --cdrom empty --boot disk,cdrom')).toEqual({
      status: 2,
      stdout: '',
      stderr: `vetro: what the guest writes to ${file('zeros.img')} is kept in memory and thrown away at the end
vetro: guest: there is nothing to boot from: Hard disk: its first sector is not one to boot from; CD: the drive is empty
`,
    });
  });

  it('keeps what the guest writes where it was told to', async () => {
    writeFileSync(file('w.img'), diskImage());
    const before = readFileSync(file('w.img'));
    const start = (how: string) => run(`run --disk file=@/w.img,${how} --boot disk`);
    for (const round of [1, 2]) {
      expect(await start('overlay=@/w.qcow2')).toEqual({ status: 0, stdout: `d${round}`, stderr: '' });
    }
    expect((await start('write=discard')).stdout).toBe('d1');
    expect((await start('write=never')).stdout).toBe('d1');
    expect(readFileSync(file('w.img')).equals(before)).toBe(true);
    expect((await run('run @/w.qcow2')).stdout).toBe('d3');
    expect(await run('image check @/w.qcow2')).toMatchObject({ status: 0 });
    expect((await run('image info @/w.qcow2')).stdout).toContain('backing   w.img (raw)');
    for (const round of [1, 2]) expect((await start('write=through')).stdout).toBe(`d${round}`);
    expect(readFileSync(file('w.img')).equals(before)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes('.lock'))).toEqual([]);
  });

  it('takes a comma in a name, doubled', async () => {
    writeFileSync(file('with,comma.img'), diskImage());
    expect((await run('run --disk file=@/with,,comma.img --boot disk')).stdout).toBe('d1');
    expect((await run('run --disk @/with,comma.img --boot disk')).stdout).toBe('d1');
  });

  it('names the process that writes the image', async () => {
    writeFileSync(file('busy.img'), new Uint8Array(FLOPPY_SIZE));
    const store = FileStore.open(file('busy.img'), { writable: true });
    try {
      const { status, stderr } = await run('run @/busy.img');
      expect({ status, lines: stderr.split('\n').length }).toEqual({ status: 2, lines: 2 });
      expect(stderr).toMatch(new RegExp(`busy\\.img is in use by process ${process.pid} \\(`));
    } finally {
      store.close();
    }
  });

  it('--help has an example for each', async () => {
    const { stdout } = await run('run --help');
    for (const option of ['--disk', '--cdrom', '--floppy', '--boot', 'write=through', 'overlay=']) {
      expect(stdout.slice(stdout.indexOf('Examples:'))).toContain(option);
    }
  });
});
