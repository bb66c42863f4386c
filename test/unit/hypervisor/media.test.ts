/** Images in a guest's drives, as the library gives them: opened, written, locked, exchanged, closed. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { imageFiles } from '../../../src/host/node/image-files.ts';
import { createPlatform } from '../../../src/host/platform.ts';
import { Host as Hypervisor } from '../../../src/hypervisor/host.ts';
import type { ImageOpener } from '../../../src/hypervisor/media/image-opener.ts';
import { type Guest, type GuestOptions, Host, StateError, UserError } from '../../../src/index.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import { openImage } from '../../../src/storage/open-image.ts';
import { bootImage, FLOPPY_SIZE } from '../../support/bios-machine.ts';
import { bootCd } from '../../support/boot-cd.ts';
import { pattern } from '../../support/media.ts';

const SIZE = 1024 * 1024;
let folder: string;
let host: Host;
const file = (name: string): string => join(folder, name);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vetro-media-'));
  host = await Host.create();
  writeFileSync(file('d.img'), pattern(SIZE));
});
afterEach(async () => {
  await host[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Reads sector 7 of the first disk by PIO, adds 1 to its first byte, and writes it back, with a flush. */
const INCREMENT = `
  mov ax, 0x2007
  call issue
  mov di, 0x6000
  mov cx, 256
  mov dx, 0x1f0
  rep insw
  inc byte [0x6000]
  mov ax, 0x3007
  call issue
  mov si, 0x6000
  mov cx, 256
  mov dx, 0x1f0
  rep outsw
  mov ax, 0xe700
  call issue
  cli
  hlt
  wait_ready:
    mov dx, 0x1f7
    in al, dx
    test al, 0x80
    jnz wait_ready
    ret
  issue:
    push ax
    call wait_ready
    mov dx, 0x1f2
    mov al, 1
    out dx, al
    pop ax
    inc dx
    out dx, al
    inc dx
    xor al, al
    out dx, al
    inc dx
    out dx, al
    inc dx
    mov al, 0xe0
    out dx, al
    inc dx
    mov al, ah
    out dx, al
    call wait_ready
    ret`;
const program = (source: string): Uint8Array => assemble(`bits 16\norg 0x7c00\n${source}\n`).bytes;
const small = (more: Partial<GuestOptions>, source = INCREMENT): GuestOptions => ({
  boot: { image: program(source) },
  memory: 2,
  engine: 'interpreter',
  ...more,
});

async function runWith(more: Partial<GuestOptions>, source?: string): Promise<{ guest: Guest; warnings: string[] }> {
  const guest = await host.createGuest(small(more, source));
  const warnings: string[] = [];
  guest.on('warning', (line) => void warnings.push(line));
  expect(await guest.run()).toEqual({ reason: 'halted' });
  return { guest, warnings };
}
const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => new Error('it did not fail'),
    (error) => error,
  );
const before = pattern(SIZE)[7 * 512];
const byteIn = (path: string): number => readFileSync(path)[7 * 512];
const locks = (): string[] => readdirSync(folder).filter((name) => name.includes('.lock'));

describe('what the guest writes', () => {
  it('is thrown away by default, and a warning says so when it first runs', async () => {
    const { guest, warnings } = await runWith({ disks: [file('d.img')] });
    expect(guest.machine.peek(0x6000, 1)[0]).toBe(before + 1);
    expect(warnings).toEqual([
      `what the guest writes to ${file('d.img')} is kept in memory and thrown away at the end`,
    ]);
    await guest[Symbol.asyncDispose]();
    expect(byteIn(file('d.img'))).toBe(before);
  });

  it('goes into the image with write: through', async () => {
    const { warnings } = await runWith({ disks: [{ image: file('d.img'), write: 'through' }] });
    expect(byteIn(file('d.img'))).toBe(before + 1);
    expect(warnings).toEqual([]);
    expect(locks()).toHaveLength(1);
    await host[Symbol.asyncDispose]();
    expect(locks()).toEqual([]);
  });

  it('goes into bytes with write: through', async () => {
    const bytes = pattern(SIZE);
    await runWith({ disks: [{ image: bytes, write: 'through' }] });
    expect(bytes[7 * 512]).toBe(before + 1);
  });

  it('goes into an overlay, which is made, and found the next time', async () => {
    const overlay = { disks: [{ image: file('d.img'), write: { overlay: file('o.qcow2') } }] };
    for (const round of [1, 2]) {
      const { guest } = await runWith(overlay);
      expect(guest.machine.peek(0x6000, 1)[0]).toBe(before + round);
      await guest[Symbol.asyncDispose]();
    }
    expect(byteIn(file('d.img'))).toBe(before);
    const image = await openImage(imageFiles(), file('o.qcow2'));
    expect((await image.read(7 * 512, 1))[0]).toBe(before + 2);
    await image.close();
  });

  it('nowhere with readOnly: the drive fails the command', async () => {
    const { guest } = await runWith({ disks: [{ image: file('d.img'), readOnly: true }] });
    expect(guest.machine.peek(0x6000, 1)[0]).toBe(before + 1);
    expect(byteIn(file('d.img'))).toBe(before);
  });

  it('a guest that was reset after its end finds what it wrote', async () => {
    const { guest } = await runWith({ disks: [file('d.img')] });
    guest.reset();
    await guest.run();
    expect(guest.machine.peek(0x6000, 1)[0]).toBe(before + 2);
  });
});

describe('an image', () => {
  it('can be a Blob, a URL of a file, bytes', async () => {
    for (const image of [
      new Blob([new Uint8Array(pattern(SIZE))]),
      new URL(`file://${file('d.img')}`),
      pattern(SIZE),
    ]) {
      const { guest } = await runWith({ disks: [image] });
      expect(guest.machine.peek(0x6000, 1)[0]).toBe(before + 1);
    }
  });

  it('is written by one guest at a time; as soon as that is disposed, by the next', async () => {
    const through = { disks: [{ image: file('d.img'), write: 'through' as const }] };
    const { guest } = await runWith(through);
    const error = await failure(host.createGuest(small(through)));
    expect(error).toEqual(new UserError(`${file('d.img')} is in use by this process already (${process.pid})`));
    expect(host.guests).toEqual([guest]);
    guest.dispose();
    await runWith(through);
  });

  it('is shared by guests that do not write it', async () => {
    await runWith({ disks: [file('d.img')] });
    await runWith({ disks: [file('d.img')] });
  });

  it('is closed, unlocked and removed if it was made, when the guest cannot be made', async () => {
    const disks = [
      { image: file('d.img'), write: { overlay: file('o.qcow2') } },
      { image: file('missing'), write: 'through' as const },
    ];
    expect((await failure(host.createGuest(small({ disks })))).message).toMatch(/missing: no such file$/);
    const cpu = await failure(host.createGuest(small({ disks: disks.slice(0, 1), cpu: 'z80' })));
    expect(cpu.message).toMatch(/^unknown CPU/);
    expect(readdirSync(folder)).toEqual(['d.img']);
    expect(host.guests).toEqual([]);
  });

  it('of a host that is disposed meanwhile is closed', async () => {
    const pending = failure(host.createGuest(small({ disks: [{ image: file('d.img'), write: 'through' }] })));
    host.dispose();
    expect(await pending).toBeInstanceOf(StateError);
    expect(locks()).toEqual([]);
  });
});

describe('createGuest refuses', () => {
  const bytes = new Uint8Array(SIZE);
  const cases: readonly [options: object, message: string | RegExp][] = [
    [{ disks: 5 }, 'disks must be an array, not 5'],
    [{ disks: [5] }, 'disks[0] must be an object, not 5'],
    [{ disks: [{}] }, 'disks[0].image is missing: a hard disk cannot be empty'],
    [{ disks: [''] }, 'disks[0] is empty: it must be a path or a URL'],
    [{ disks: [{ image: 5 }] }, 'disks[0].image must be a path, a URL, a Blob or a Uint8Array, not 5'],
    [
      { disks: [{ image: bytes, wirte: 1 }] },
      /^disks\[0\]: there is no option "wirte"; there is image, format, write, /,
    ],
    [{ disks: [{ image: bytes, format: 'ext4' }] }, /^disks\[0\]\.format must be raw or qcow2 or .*, not "ext4"$/],
    [{ disks: [{ image: bytes, write: 'yes' }] }, /^disks\[0\]\.write must be discard, through or \{ overlay: path \}/],
    [{ disks: [{ image: bytes, write: {} }] }, 'disks[0].write.overlay must be a string, not undefined'],
    [{ disks: [{ image: bytes, readOnly: 1 }] }, 'disks[0].readOnly must be true or false, not 1'],
    [{ disks: [{ image: bytes, readOnly: true, write: 'through' }] }, /exclude each other/],
    [{ disks: [bytes, bytes, bytes, bytes, bytes] }, '5 disks: there is room for 4'],
    [{ disks: [bytes, bytes, bytes, bytes], cdrom: {} }, '4 disks: there is room for 3 beside the CD-ROM drive'],
    [{ disks: [new Uint8Array()] }, 'disks[0] is empty'],
    [{ disks: [new Blob([bytes])], floppy: {}, floppies: [] }, /^floppy and floppies both say/],
    [{ disks: [{ image: new Blob([bytes]), write: 'through' }] }, /^disks\[0\]\.image: .* cannot be written; discard/],
    [{ disks: [{ image: bytes, write: { overlay: 'o' } }] }, /^disks\[0\]\.image: only over a file/],
    [{ disks: [new URL('ftp://x/y')] }, 'disks[0]: URLs can be http, https and file, not ftp:'],
    [{ floppies: [{}, {}, {}] }, '3 floppies: there are two drives, A and B'],
    [
      { floppy: new Uint8Array(3 * 2 ** 20) },
      /^floppy has 3145728 bytes, more than any floppy disk: at most 2880 KiB$/,
    ],
    [{ floppy: bootCd({ media: 0, image: bytes }) }, 'floppy is a CD (ISO 9660), not a floppy disk'],
    [{ cdrom: new Uint8Array(512) }, 'cdrom has 512 bytes: that is less than a block of a CD'],
    [{ cdrom: { image: bytes, write: 'through' } }, /^cdrom: there is no option "write"/],
    [{ boot: { order: ['disk'] } }, 'boot.order needs drives: give disks, cdrom or floppies'],
    [{ boot: { order: [] }, disks: [bytes] }, /^boot\.order must be an array of floppy, disk, cdrom/],
    [{ boot: { order: ['net'] }, disks: [bytes] }, 'boot.order[0] must be floppy or disk or cdrom, not "net"'],
    [{ boot: { order: ['disk'], image: bytes }, disks: [bytes] }, /^boot\.order goes with a bios, not with an image$/],
  ];
  it.each(cases.map(([options, message]) => [message, options] as const))('%s', async (message, options) => {
    const error = await failure(host.createGuest(small(options as Partial<GuestOptions>)));
    expect(error).toBeInstanceOf(UserError);
    if (typeof message === 'string') expect(error.message).toBe(message);
    else expect(error.message).toMatch(message);
    expect(host.guests).toEqual([]);
  });

  it('an overlay that is of another image, or none', async () => {
    writeFileSync(file('e.img'), pattern(SIZE));
    const over = (image: string, overlay: string) => ({ disks: [{ image, write: { overlay } }] });
    const { guest } = await runWith(over(file('d.img'), file('o.qcow2')));
    await guest[Symbol.asyncDispose]();
    const messageOf = async (options: Partial<GuestOptions>) =>
      (await failure(host.createGuest(small(options)))).message;
    expect(await messageOf(over(file('e.img'), file('o.qcow2')))).toBe(
      `${file('o.qcow2')} is an overlay of ${file('d.img')}, not of ${file('e.img')}`,
    );
    expect(await messageOf(over(file('d.img'), file('e.img')))).toMatch(/is there already, and is no overlay/);
    expect(await messageOf(over(file('d.img'), file('d.img')))).toMatch(/cannot be its own overlay$/);
    expect(existsSync(file('o.qcow2'))).toBe(true);
  });
});

describe('the host fails', () => {
  it('the guest is told of an error of the drive, the owner once', async () => {
    const openImage: ImageOpener = async ({ option }) => ({
      name: option,
      size: SIZE,
      readOnly: false,
      read: () => Promise.reject(new Error('cannot read x: input/output error')),
      write() {},
      flush() {},
      close: () => Promise.reject(new Error('cannot write x: no space left on the device')),
      abandon() {},
      saved: () => ({ where: null, format: null, write: 'discard', overlay: null, stamp: null }),
    });
    const hypervisor = new Hypervisor({ platform: createPlatform(), openImage });
    const source = `mov cx, 2\nagain: push cx\nmov ax, 0x2007\ncall issue\npop cx\nloop again\nmov dx, 0x1f7\nin al, dx\nmov [0x6000], al\ncli\nhlt\n${INCREMENT}`;
    const guest = await hypervisor.createGuest(small({ disks: ['x'] }, source));
    const warnings: string[] = [];
    guest.on('warning', (line) => void warnings.push(line));
    await guest.run();
    // ERR, and ready.
    expect(guest.machine.peek(0x6000, 1)[0] & 0xc1).toBe(0x41);
    await guest[Symbol.asyncDispose]();
    expect(warnings.slice(1)).toEqual([
      'guest 1: disk-0: cannot read x: input/output error; the guest is told of an error of the drive',
      'guest 1: cannot write x: no space left on the device',
    ]);
  });
});

describe('drives whose media are exchanged', () => {
  it('a CD is ejected and inserted; what cannot be opened changes nothing', async () => {
    const cd = bootCd({ media: 0, image: new Uint8Array(512) });
    writeFileSync(file('a.iso'), cd);
    const { guest } = await runWith({ cdrom: {} }, 'cli\nhlt');
    expect(guest.cdrom!.loaded).toBe(false);
    await guest.cdrom!.insert(file('a.iso'));
    expect(guest.cdrom!.loaded).toBe(true);
    expect((await failure(guest.cdrom!.insert(file('b.iso')))).message).toMatch(/b\.iso: no such file$/);
    expect(guest.cdrom!.loaded).toBe(true);
    expect(guest.cdrom!.eject()).toBe(true);
    expect(guest.cdrom!.loaded).toBe(false);
    expect(await failure(guest.cdrom!.insert({}))).toBeInstanceOf(UserError);
    expect(() => guest.cdrom!.eject({ force: 'yes' } as never)).toThrow('eject: force must be true or false');
    expect(guest.floppies).toEqual([]);
    guest.dispose();
    expect(() => guest.cdrom!.eject()).toThrow(StateError);
    expect(await failure(guest.cdrom!.insert(file('a.iso')))).toBeInstanceOf(StateError);
  });

  it('a floppy that the drive does not take leaves what is there; an old one is closed and unlocked', async () => {
    writeFileSync(file('a.img'), new Uint8Array(FLOPPY_SIZE));
    const { guest, warnings } = await runWith({ floppy: { image: file('a.img'), write: 'through' } }, 'cli\nhlt');
    expect(locks()).toHaveLength(1);
    const [drive] = guest.floppies;
    expect((await failure(drive.insert(new Uint8Array(2880 * 1024)))).message).toMatch(
      /does not go into a 1.44M drive/,
    );
    expect(drive.loaded).toBe(true);
    expect(locks()).toHaveLength(1);
    await drive.insert(new Uint8Array(FLOPPY_SIZE));
    expect(locks()).toEqual([]);
    expect(warnings.at(-1)).toMatch(/^what the guest writes to insert: image is kept in memory/);
    expect(drive.eject()).toBe(true);
    expect(drive.loaded).toBe(false);
  });
});

describe('booting from drives, by the BIOS', () => {
  const shows = (letter: string) => `mov al, '${letter}'\nout 0xe9, al\ncli\nhlt`;
  const bootWith = async (options: GuestOptions): Promise<string> => {
    const guest = await host.createGuest({ memory: 4, engine: 'interpreter', ...options });
    let output = '';
    guest.debugConsole.on('data', (bytes) => {
      output += new TextDecoder().decode(bytes);
    });
    expect(await guest.run()).toEqual({ reason: 'halted' });
    return output;
  };

  it('in the usual order, or in the one asked for', async () => {
    const drives = {
      disks: [bootImage(shows('d'), SIZE)],
      floppy: bootImage(shows('f')),
      cdrom: bootCd({ media: 0, image: bootImage(shows('c'), 2048) }),
    };
    expect(await bootWith(drives)).toBe('f');
    expect(await bootWith({ ...drives, boot: { order: ['cdrom', 'disk'] } })).toBe('c');
    expect(await bootWith({ ...drives, boot: { order: ['disk'] } })).toBe('d');
    expect(await bootWith({ ...drives, floppy: {} })).toBe('d');
  });

  it('nothing to boot: a warning, or the end, with what was tried', async () => {
    const options = { disks: [new Uint8Array(SIZE)], cdrom: {}, memory: 4 };
    const stopping = await host.createGuest({ ...options, onNothingToBoot: 'stop' });
    expect(await stopping.run()).toEqual({
      reason: 'nothing-to-boot',
      tried: ['Floppy: there is none', 'Hard disk: its first sector is not one to boot from', 'CD: the drive is empty'],
    });
    const waiting = await host.createGuest(options);
    const warned = new Promise((resolve) => waiting.on('warning', resolve));
    void waiting.run();
    expect(await warned).toMatch(/^what the guest writes/);
    const next = new Promise((resolve) => waiting.on('warning', resolve));
    expect(await next).toMatch(/^guest 2 has nothing to boot from: Floppy: there is none; Hard disk: /);
    expect(waiting.state).toBe('running');
  });
});
