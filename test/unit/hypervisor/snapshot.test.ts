/** Guests saved and restored by way of the library. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assembleDemo } from '../../../src/cli/demo.ts';
import { type Guest, type GuestOptions, Host, StateError, UserError } from '../../../src/index.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import { bootImage, FLOPPY_SIZE } from '../../support/bios-machine.ts';
import { createBzImage } from '../../support/bz-image.ts';
import { pattern } from '../../support/media.ts';

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
    const restored = await host.restore(file('s.vetro'), { floppy });
    expect([restored.machine.stateHash(), snapshot.instructions]).toEqual([hash, 2_000_000]);
    await restored.runTo(3_000_000);
    await restored[Symbol.asyncDispose]();
    await expect(host.restore(file('s.vetro'), { floppy })).rejects.toThrow(/is not as it was/);
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
