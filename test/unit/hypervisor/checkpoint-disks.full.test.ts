/** Checkpoints of guests that write into files: disks are as memory has them, whenever the host dies. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DiskOptions, type Guest, type GuestOptions, Host } from '../../../src/index.ts';
import { bootImage, FLOPPY_SIZE } from '../../support/bios-machine.ts';

const SECTOR_7 = 7 * 512;
let host: Host;
let folder: string;
const programs = mkdtempSync(join(tmpdir(), 'vetro-programs-'));
const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  host = await Host.create();
  writeFileSync(join(programs, 'f.img'), bootImage(COUNTER, FLOPPY_SIZE));
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
  rmSync(programs, { recursive: true });
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vetro-checkpoint-'));
  writeFileSync(file('d.img'), new Uint8Array(2 ** 20));
});
afterEach(async () => {
  for (const guest of host.guests) await guest[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Adds 1 to the first byte of a sector of the first disk, of 64 one after the other, and counts in memory at 6000h. */
const COUNTER = `
  sti
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
    mov cx, [0x6000]
    and cx, 31
    inc cx
    mov dx, 0x0080
    int 0x13
    ret`;
const counting = (disk: DiskOptions, more: Partial<GuestOptions> = {}): Promise<Guest> =>
  host.createGuest({
    memory: 2,
    name: 'counter',
    boot: { order: ['floppy'] },
    floppy: join(programs, 'f.img'),
    disks: [disk],
    ...more,
  });
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};
const ids = (): string[] => readdirSync(file('s/snapshots'));
const journals = (): string[] => readdirSync(folder).filter((name) => name.includes('.undo-'));

/** What a host that is killed leaves: nothing is written meanwhile. */
async function killed(guest: Guest): Promise<void> {
  const copy = mkdtempSync(join(tmpdir(), 'vetro-killed-'));
  cpSync(folder, copy, {
    recursive: true,
    preserveTimestamps: true,
    filter: (path) => !/\.lock-|\.partial$/.test(path),
  });
  await guest[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
  cpSync(copy, folder, { recursive: true, preserveTimestamps: true });
  rmSync(copy, { recursive: true });
}

describe.each<[string, DiskOptions['write'], string]>([
  ['write=through', 'through', 'd.img'],
  ['an overlay', { overlay: '' }, 'o.qcow2'],
])('checkpoints of a guest with %s', (_, mode, written) => {
  const disk = (): DiskOptions => ({
    image: file('d.img'),
    write: mode === 'through' ? mode : { overlay: file('o.qcow2') },
  });

  it('go on with memory and disk as they were at one moment', { timeout: 60_000 }, async () => {
    const checkpoint = { every: 100, to: file('s') };
    let guest = await counting(disk(), { checkpoint });
    for (let round = 1; round <= 3; round++) {
      void guest.run();
      const epoch = 3 * round;
      await until(() => ids().length >= 2 && journals().some((name) => Number(name.split('-').at(-1)) >= epoch));
      // Something is written after the checkpoint.
      const { instructions } = guest;
      await until(() => guest.instructions > instructions + 100_000);
      await killed(guest);
      const { guests, problems } = await host.recover(file('s'), { trust: true });
      expect(problems).toEqual([]);
      [guest] = guests;
      expect(guest.instructions).toBeGreaterThan(0);
    }
    const at = guest.instructions + 300_000;
    await guest.runTo(at);
    const hash = guest.machine.stateHash();
    await guest[Symbol.asyncDispose]();
    expect(journals().every((name) => name.startsWith(`${written}.undo-`))).toBe(true);
    const image = await imageOf(written);
    // One that nobody has interrupted comes to the same.
    rmSync(file('s'), { recursive: true });
    for (const name of [...journals(), 'o.qcow2']) rmSync(file(name), { force: true });
    writeFileSync(file('d.img'), new Uint8Array(2 ** 20));
    const twin = await counting(disk());
    await twin.runTo(at);
    expect(twin.machine.stateHash()).toBe(hash);
    await twin[Symbol.asyncDispose]();
    expect((await imageOf(written)).equals(image)).toBe(true);
    expect(image.subarray(0, SECTOR_7).some((byte) => byte !== 0)).toBe(true);
  });
});

/** What is on the disk, as a guest sees it. */
async function imageOf(name: string): Promise<Buffer> {
  const { imageFiles } = await import('../../../src/host/node/image-files.ts');
  const { openImage } = await import('../../../src/storage/open-image.ts');
  const image = await openImage(imageFiles(), file(name), { writable: false });
  const bytes = Buffer.from(await image.read(0, image.size));
  await image.close();
  return bytes;
}

describe('a disk that belongs to checkpoints', () => {
  it('is given to no other guest, and free again when the guest has ended', { timeout: 60_000 }, async () => {
    const through = { image: file('d.img'), write: 'through' } as const;
    const guest = await counting(through, { checkpoint: { every: 100, to: file('s') } });
    void guest.run();
    await until(() => ids().length > 0);
    guest.stop();
    await guest[Symbol.asyncDispose]();
    await expect(counting(through)).rejects.toThrow('d.img belongs to checkpoints');
    await expect(host.recover(file('s'))).rejects.toThrow('trust it');
    const { guests } = await host.recover(file('s'), { trust: true });
    await guests[0][Symbol.asyncDispose]();
    for (const name of journals()) rmSync(file(name));
    await expect(host.recover(file('s'), { trust: true })).rejects.toThrow('undo-1 is missing');
    (await counting(through)).dispose();
    expect(readFileSync(file('d.img')).length).toBe(2 ** 20);
  });

  it('that is not there now is no reason to go back further, and nothing is lost', { timeout: 60_000 }, async () => {
    const through = { image: file('d.img'), write: 'through' } as const;
    const guest = await counting(through, { checkpoint: { every: 100, to: file('s') } });
    void guest.run();
    await until(() => ids().length >= 2);
    await killed(guest);
    renameSync(file('d.img'), file('away.img'));
    const before = [ids(), journals()];
    await expect(host.recover(file('s'), { trust: true })).rejects.toThrow('d.img');
    expect([ids(), journals()]).toEqual(before);
    renameSync(file('away.img'), file('d.img'));
    const { guests, problems } = await host.recover(file('s'), { trust: true });
    expect([guests.length, problems]).toEqual([1, []]);
  });
});
