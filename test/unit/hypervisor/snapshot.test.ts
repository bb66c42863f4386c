/** Guests saved and restored by way of the library. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assembleDemo } from '../../../src/cli/demo.ts';
import { type DiskOptions, type Guest, type GuestOptions, Host, StateError, UserError } from '../../../src/index.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import { bootImage, FLOPPY_SIZE } from '../../support/bios-machine.ts';
import { createBzImage } from '../../support/bz-image.ts';
import { pattern } from '../../support/media.ts';
import { createFlatKernel } from '../../support/multiboot-kernel.ts';

const DISK = 1024 * 1024;
let folder: string;
let host: Host;
const file = (name: string): string => join(folder, name);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vetro-snapshot-'));
  host = await Host.create();
});
afterEach(async () => {
  await host[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const demo = (more: Partial<GuestOptions> = {}) =>
  host.createGuest({ boot: { image: assembleDemo() }, memory: 1, name: 'demo', ...more });
const hashAt = async (guest: Guest, instructions: number): Promise<string> => {
  await guest.runTo(instructions);
  return guest.machine.stateHash();
};

/** Adds 1 to the first byte of sector 7 of the first disk, again and again, and counts in memory at 6000h. */
const COUNTER = `
  again:
    mov ah, 2
    call transfer
    inc byte [0x8000]
    mov ah, 3
    call transfer
    inc word [0x6000]
    jmp again
  transfer:
    mov al, 1
    xor bx, bx
    mov es, bx
    mov bx, 0x8000
    mov cx, 0x0008
    mov dx, 0x0080
    int 0x13
    ret`;
/** By our BIOS, from a diskette. */
const counting = (more: Partial<GuestOptions> = {}): Promise<Guest> =>
  host.createGuest({
    memory: 2,
    boot: { order: ['floppy'] },
    floppy: bootImage(`sti\n${COUNTER}`, FLOPPY_SIZE),
    disks: [file('d.img')],
    ...more,
  });
const counted = (guest: Guest): number => new DataView(guest.machine.peek(0x6000, 2).buffer).getUint16(0, true);

/** Keeps what it was started with, and counts behind itself in memory that is zero at first. */
const COUNTS = `
  mov [0x200000], eax
  mov [0x200004], ebx
  mov [0x200008], esi
again: inc dword [0x108000]
  jmp again`;
const MODULES = Array.from({ length: 100 }, (_, index) => ({ image: Uint8Array.of(index), commandLine: `${index}` }));
const WITH_BSS = createFlatKernel({ source: COUNTS, addresses: { bssEnd: `${0x10_9000}` } });

describe('a snapshot of a guest', () => {
  it('goes on as the guest does, on any engine, any number of times', async () => {
    const guest = await demo();
    await guest.runTo(30_000);
    const snapshot = await guest.snapshot();
    expect(snapshot).toMatchObject({ instructions: 30_000, size: snapshot.bytes!.length });
    const [then, later] = [guest.machine.stateHash(), await hashAt(guest, 200_000)];
    for (const engine of ['interpreter', 'jit', 'auto'] as const) {
      const other = await host.restore(snapshot, { engine });
      expect([other.state, other.instructions, other.machine.stateHash()]).toEqual(['created', 30_000, then]);
      expect(await hashAt(other, 200_000)).toBe(later);
    }
    const again = await host.restore(snapshot.bytes!, { name: 'again' });
    expect([again.name, await hashAt(again, 200_000)]).toEqual(['again', later]);
  });

  it('does not change the guest, and may be taken while it runs', async () => {
    const [one, other] = [await demo(), await demo({ name: 'other' })];
    const running = one.runTo(3_000_000);
    const taken: number[] = [];
    while (one.instructions < 3_000_000) {
      const { instructions } = await one.snapshot();
      taken.push(instructions);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await running;
    expect(one.machine.stateHash()).toBe(await hashAt(other, 3_000_000));
    expect(new Set(taken).size).toBeGreaterThan(2);
  });

  it('is complete or none, if the guest is disposed meanwhile', async () => {
    const [guest, other] = [await demo(), await demo({ name: 'other' })];
    for (const each of [guest, other]) await each.runTo(30_000);
    const path = file('gone.vetro');
    const taken = guest.snapshot({ to: path });
    setImmediate(() => guest.dispose());
    const outcome = await taken.catch((error: unknown) => error);
    if (outcome instanceof Error) {
      expect(outcome).toBeInstanceOf(StateError);
      expect(readdirSync(folder)).toEqual([]);
    } else expect((await host.restore(path)).machine.stateHash()).toBe(other.machine.stateHash());
  });

  it('has the memory of its moment, whatever the guest writes while it is written', async () => {
    const guest = await demo();
    await guest.runTo(30_000);
    const hash = guest.machine.stateHash();
    const taken = guest.snapshot();
    await undefined;
    await undefined;
    await guest.runTo(500_000);
    expect((await host.restore(await taken)).machine.stateHash()).toBe(hash);
  });

  it('lets the world have its turn while it is written and while it is restored', async () => {
    const content = new Uint8Array(500_000);
    for (let at = 0; at < content.length; at++) content[at] = Math.imul(at, 0x9e37_79b1) >>> 24;
    content.set(assembleDemo());
    const guest = await host.createGuest({ boot: { image: content }, memory: 1 });
    let turns = 0;
    let timer = setImmediate(function count() {
      turns++;
      timer = setImmediate(count);
    });
    const { bytes } = await guest.snapshot();
    expect(turns).toBeGreaterThan(5);
    turns = 0;
    const restored = await host.restore(bytes!);
    expect(turns).toBeGreaterThan(5);
    clearImmediate(timer);
    expect(restored.machine.stateHash()).toBe(guest.machine.stateHash());
  });

  it('has what was typed and not taken, and what was sent and not read', async () => {
    const guest = await demo();
    await guest.runTo(25_000);
    guest.serial.write('ticks\r');
    guest.keyboard.type('hello');
    const snapshot = await guest.snapshot();
    const restored = await host.restore(snapshot);
    expect(restored.keyboard.pending).toBe(guest.keyboard.pending);
    expect(restored.serial.pending).toBe(guest.serial.pending);
    for (const each of [guest, restored]) {
      void each.run();
      await each.serial.waitFor('Vetro demo');
      await each.serial.waitFor(/\d{1,4} ticks, \d\.\d\d seconds/);
      each.pause();
    }
  });

  it('of a guest that was booted by a kernel has what a reset needs', async () => {
    // CLI; a loop that counts in EAX and stores it.
    const kernel = createBzImage({ code: Uint8Array.of(0xfa, 0x40, 0xa3, 0, 0, 0x60, 0, 0xeb, 0xf8) });
    const initrd = pattern(100_000);
    const guest = await host.createGuest({ boot: { kernel, initrd, commandLine: 'x' }, memory: 16 });
    await guest.runTo(50_000);
    const restored = await host.restore(await guest.snapshot());
    expect(restored.machine.stateHash()).toBe(guest.machine.stateHash());
    for (const each of [guest, restored]) {
      await each.runTo(100_000);
      each.reset();
      await each.runTo(150_000);
    }
    expect(restored.machine.stateHash()).toBe(guest.machine.stateHash());
  });

  it('can be reset, and boots again', async () => {
    const guest = await demo();
    await guest.runTo(30_000);
    const restored = await host.restore(await guest.snapshot());
    for (const each of [guest, restored]) {
      each.reset();
      await each.runTo(60_000);
    }
    expect(restored.machine.stateHash()).toBe(guest.machine.stateHash());
  });

  it.each([
    ['a Multiboot kernel', { kernel: createFlatKernel({ flags: 2, source: COUNTS }), modules: MODULES }],
    ['a Multiboot kernel with memory that is zero', { kernel: WITH_BSS, commandLine: 'some words' }],
    ['a bzImage', { kernel: createBzImage({ code: assemble(`bits 32\n${COUNTS}`).bytes }), commandLine: 'quiet' }],
  ])('of %s goes on, and boots again', async (_, boot) => {
    const guest = await host.createGuest({ boot, memory: 16 });
    await guest.runTo(1000);
    const restored = await host.restore(await guest.snapshot());
    expect(restored.machine.stateHash()).toBe(guest.machine.stateHash());
    const started: string[] = [];
    for (const each of [guest, restored]) {
      await each.runTo(20_000);
      started.push(each.machine.stateHash());
      each.reset();
      await each.runTo(20_005);
      started.push(each.machine.stateHash());
    }
    expect(started.slice(2)).toEqual(started.slice(0, 2));
    expect(restored.machine.peekPhysical(0x20_0000, 4)).toEqual(guest.machine.peekPhysical(0x20_0000, 4));
  });

  it('is refused of what has more pieces than can be restored', async () => {
    const modules = Array.from({ length: 4097 }, () => ({ image: Uint8Array.of(1) }));
    const guest = await host.createGuest({ boot: { kernel: createFlatKernel(), modules }, memory: 64 });
    await expect(guest.snapshot()).rejects.toThrow(/booted from 41\d\d pieces cannot be saved: at most 4096/);
  });

  it('goes into a file, which is there when it is complete, and from one', async () => {
    const guest = await demo();
    await guest.runTo(30_000);
    const path = file('demo.vetro');
    const { size, bytes } = await guest.snapshot({ to: path });
    expect([readdirSync(folder), bytes, readFileSync(path).length]).toEqual([['demo.vetro'], undefined, size]);
    const restored = await host.restore(path);
    expect(restored.machine.stateHash()).toBe(guest.machine.stateHash());
    await expect(guest.snapshot({ to: join(folder, 'no', 'x.vetro') })).rejects.toThrow(/^cannot write .*x\.vetro: /);
  });

  it('keeps what was written to a disk whose writes are thrown away', async () => {
    writeFileSync(file('d.img'), pattern(DISK));
    const guest = await counting();
    await guest.runTo(2_000_000);
    expect(counted(guest)).toBeGreaterThan(5);
    const snapshot = await guest.snapshot();
    const restored = await host.restore(snapshot, { floppy: bootImage(`sti\n${COUNTER}`, FLOPPY_SIZE) });
    expect(restored.machine.stateHash()).toBe(guest.machine.stateHash());
    expect(await hashAt(restored, 4_000_000)).toBe(await hashAt(guest, 4_000_000));
    expect(counted(restored)).toBeGreaterThan(10);
  });

  it('is refused if a disk is not as it was, or nobody says where it is', async () => {
    writeFileSync(file('d.img'), pattern(DISK));
    const guest = await counting();
    await guest.runTo(100_000);
    const snapshot = await guest.snapshot();
    await expect(host.restore(snapshot)).rejects.toThrow(
      'restore: floppy was not a file or on a server: say by floppies where it is now',
    );
    const floppy = bootImage(`sti\n${COUNTER}`, FLOPPY_SIZE);
    writeFileSync(file('d.img'), pattern(DISK));
    await expect(host.restore(snapshot, { floppy })).rejects.toThrow(
      /d\.img is not as it was when the guest was saved/,
    );
    writeFileSync(file('d.img'), pattern(DISK / 2));
    await expect(host.restore(snapshot, { floppy })).rejects.toThrow(/d\.img has 524288 bytes; .* had 1048576/);
    await expect(host.restore(snapshot, { floppy, disks: [] })).rejects.toThrow('the snapshot has 1, not 0');
    expect(host.guests).toEqual([guest]);
  });

  it('of a guest that writes into a file is taken while it rests', async () => {
    writeFileSync(file('d.img'), pattern(DISK));
    const floppy = bootImage(`sti\n${COUNTER}`, FLOPPY_SIZE);
    const guest = await counting({ disks: [{ image: file('d.img'), write: 'through' }] });
    void guest.run();
    await expect(guest.snapshot()).rejects.toThrow(StateError);
    guest.pause();
    await guest.runTo(2_000_000);
    const snapshot = await guest.snapshot({ to: file('s.vetro') });
    const hash = guest.machine.stateHash();
    await guest[Symbol.asyncDispose]();
    const restored = await host.restore(file('s.vetro'), { floppy, trust: true });
    expect([restored.machine.stateHash(), snapshot.instructions]).toEqual([hash, 2_000_000]);
    await restored.runTo(3_000_000);
    await restored[Symbol.asyncDispose]();
    await expect(host.restore(file('s.vetro'), { floppy, trust: true })).rejects.toThrow(/is not as it was/);
  });
});

describe('a snapshot that is not trusted', () => {
  const floppy = bootImage(`sti\n${COUNTER}`, FLOPPY_SIZE);
  const saved = async (write: DiskOptions['write']): Promise<Uint8Array> => {
    writeFileSync(file('d.img'), pattern(DISK));
    const guest = await counting({ disks: [{ image: file('d.img'), write }] });
    await guest.runTo(1_000_000);
    const { bytes } = await guest.snapshot();
    await guest[Symbol.asyncDispose]();
    return bytes!;
  };

  it('writes through into no file but one that the options name so', async () => {
    const bytes = await saved('through');
    const before = readFileSync(file('d.img'));
    for (const disks of [undefined, [file('d.img')], [{ image: file('d.img'), write: 'discard' as const }]])
      await expect(host.restore(bytes, { floppy, disks })).rejects.toThrow(
        /^restore: the guest wrote into \S*d\.img: say so by disks \(write: through\), or trust it$/,
      );
    expect(host.guests).toEqual([]);
    expect(readFileSync(file('d.img')).equals(before)).toBe(true);
    const restored = await host.restore(bytes, { floppy, disks: [{ image: file('d.img'), write: 'through' }] });
    await restored.runTo(2_000_000);
    expect(readFileSync(file('d.img')).equals(before)).toBe(false);
  });

  it('makes and writes no overlay but one that the options name', async () => {
    const bytes = await saved({ overlay: file('o.qcow2') });
    const [image, before] = [file('d.img'), readFileSync(file('o.qcow2'))];
    for (const disks of [undefined, [{ image, write: 'through' as const }]])
      await expect(host.restore(bytes, { floppy, disks })).rejects.toThrow(
        /^restore: the guest wrote into \S*o\.qcow2: say so by disks \(an overlay\), or trust it$/,
      );
    const disks = [{ image, write: { overlay: file('o.qcow2') } }];
    for (const options of [{ disks }, { trust: true }])
      await (await host.restore(bytes, { floppy, ...options }))[Symbol.asyncDispose]();
    expect(readFileSync(file('o.qcow2')).equals(before)).toBe(true);
  });

  it('asks no server that the options do not name', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url!);
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      const part = pattern(DISK).subarray(Number(first), Number(last) + 1);
      response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${DISK}`, 'content-length': part.length });
      response.end(part);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/d.img`;
      const guest = await counting({ disks: [url] });
      const { bytes } = await guest.snapshot();
      await guest[Symbol.asyncDispose]();
      asked.length = 0;
      await expect(host.restore(bytes!, { floppy })).rejects.toThrow(
        `restore: the snapshot names ${url}: say so by disks, or trust it`,
      );
      expect(asked).toEqual([]);
      for (const options of [{ disks: [url] }, { trust: true }]) {
        await (await host.restore(bytes!, { floppy, ...options }))[Symbol.asyncDispose]();
        expect(asked.splice(0)).not.toEqual([]);
      }
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

describe('what is given when it is restored', () => {
  it('is checked as when a guest is made, and counts; fuel was saved', async () => {
    const guest = await demo({ fuel: 40_000 });
    guest.addFuel(10_000);
    await guest.runTo(30_000);
    const { bytes } = await guest.snapshot();
    const restored = await host.restore(bytes!, { cap: 50, latency: 'interactive' });
    expect(restored.fuelLeft).toBe(20_000);
    expect(await restored.run()).toMatchObject({ reason: 'out-of-fuel' });
    expect(restored.instructions).toBe(50_000);
    expect((await host.restore(bytes!, { fuel: 31_000 })).fuelLeft).toBe(1000);
    for (const wrong of [{ cap: 0 }, { fuel: -1 }, { latency: 'none' as 'normal' }, { trust: 1 as unknown as boolean }])
      await expect(host.restore(bytes!, wrong)).rejects.toThrow(Object.keys(wrong)[0]);
  });
});

describe('wrong arguments', () => {
  it('are named', async () => {
    const guest = await demo();
    const wrong: [() => Promise<unknown>, string][] = [
      [() => guest.snapshot({ to: '' }), 'snapshot: to is empty'],
      [() => guest.snapshot({ too: 'x' } as object), 'there is no option "too"'],
      [() => host.restore(5 as unknown as string), 'restore: snapshot must be a path, a URL, a Blob or a Uint8Array'],
      [() => host.restore(new Uint8Array(5)), 'this is no snapshot'],
      [() => host.restore(file('none')), 'cannot open'],
      [() => host.restore(assemble('nop').bytes, { engine: 'x' as 'jit' }), 'engine must be'],
    ];
    for (const [attempt, reason] of wrong) {
      const error = await attempt().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(UserError);
      expect((error as Error).message).toContain(reason);
    }
    guest.dispose();
    await expect(guest.snapshot()).rejects.toThrow(StateError);
  });
});
