/** A host that swaps: guests that need more than there is go on. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { furthestOver } from '../../../src/hypervisor/shares/memory-shares.ts';
import { type Guest, Host, UserError } from '../../../src/index.ts';
import type { Pc } from '../../../src/machine/pc.ts';
import { flatBoot } from '../../support/flat-boot.ts';

const MIB = 2 ** 20;
/**
 * Fills so many MiB from 1 MiB on, each page with its address; then, as often as it is told, adds 1 to a word of each, and
 * exits with 3, not 1, where one is not what it should be. No translation lasts: CR3 is loaded all the time.
 */
const rounds = (mebibytes: number, count: number): Uint8Array =>
  flatBoot(`
    mov edi, 0x100000
    fill: mov [edi + 64], edi\nadd edi, 4096\ncmp edi, ${(1 + mebibytes) * MIB}\njb fill
    xor ebx, ebx
    again: mov edi, 0x100000
    next: mov eax, [edi + 64]\nsub eax, ebx\ncmp eax, edi\njne wrong\ninc dword [edi + 64]
    mov eax, cr3\nmov cr3, eax
    add edi, 4096\ncmp edi, ${(1 + mebibytes) * MIB}\njb next
    inc ebx\ncmp ebx, ${count}\njb again
    xor eax, eax\nout 0xf4, al\nhlt
    wrong: mov al, 1\nout 0xf4, al\nhlt`);

let folder: string;
let host: Host;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vetro-swap-'));
});
afterEach(async () => {
  await host?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});
const create = (name: string, mebibytes: number, count = 2): Promise<Guest> =>
  host.createGuest({ name, boot: { image: rounds(mebibytes, count) }, memory: 16, engine: 'interpreter' });

describe('a host with swap', () => {
  it.each([
    ['memory', undefined],
    ['a file', 'swap'],
  ])('has guests run to the end that need more than there is, into %s', async (_, name) => {
    const path = name && join(folder, name);
    host = await Host.create({ memoryLimit: 8, swap: { path, limit: 16 } });
    // It is nobody else's.
    expect(readdirSync(folder)).toEqual([]);
    const guests = [await create('one', 6), await create('other', 5)];
    const told: string[] = [];
    for (const guest of guests) guest.on('memory', () => told.push(guest.name));
    const most: number[] = [];
    const watch = setInterval(() => most.push(guests.reduce((sum, { machine }) => sum + machine.memoryInUse, 0)), 1);
    const exits = await Promise.all(guests.map((guest) => guest.run()));
    clearInterval(watch);
    expect(exits).toEqual(guests.map(() => ({ reason: 'debug-exit', status: 1 })));
    expect(told).toEqual([]);
    // Who is not over its share takes what it needs, and it is taken back from the other.
    expect(Math.max(0, ...most)).toBeLessThan(10 * MIB);
    expect(most.at(-1) ?? 0).toBeLessThan(8.5 * MIB);
    for (const { machine } of guests) {
      expect(machine.swaps.out).toBeGreaterThan(256);
      expect(machine.swaps.in).toBeGreaterThan(100);
      expect(machine.memorySwapped).toBeGreaterThan(0);
    }
    const { frames } = (guests[0].machine as Pc).processor.pool;
    const { machine } = guests[1];
    guests[0].dispose();
    expect(frames.inUse).toBe(0);
    expect(machine.memorySwapped + machine.memoryInUse).toBeGreaterThan(5 * MIB);
  });

  it('ends no differently than one that has memory for all', async () => {
    const hashes: string[] = [];
    for (const limits of [{}, { memoryLimit: 4, swap: { limit: 16 } }]) {
      host = await Host.create(limits);
      const guest = await create('one', 6);
      await guest.runTo(60_000);
      hashes.push(guest.machine.stateHash());
      host.dispose();
    }
    expect(hashes[1]).toBe(hashes[0]);
  });

  it('pauses a guest, with the event, where swap is full', async () => {
    host = await Host.create({ memoryLimit: 4, swap: { limit: 1 } });
    const noisy = await host.createGuest({
      // Pages of noise: each takes as much room as it is long.
      boot: {
        image: flatBoot(`
          mov edi, 0x100000
          next: imul eax, eax, 1664525\nadd eax, 1013904223\nmov ebx, eax\nshr ebx, 13\nxor ebx, eax\nmov [edi], ebx
          test edi, 0xfff\njnz further\nmov ecx, cr3\nmov cr3, ecx
          further: add edi, 4\ncmp edi, 0xf00000\njb next\nhlt`),
      },
      memory: 16,
      engine: 'interpreter',
    });
    let told = 0;
    noisy.on('memory', () => told++);
    expect(await noisy.runTo(100_000_000)).toBe('paused');
    expect(told).toBe(1);
    const { memoryInUse, memorySwapped } = noisy.machine;
    expect(memoryInUse + memorySwapped).toBeGreaterThan(4.8 * MIB);
    expect(memoryInUse).toBeLessThan(4.3 * MIB);
    expect(memorySwapped).toBeLessThanOrEqual(1.1 * MIB);
  });

  it.each([
    [{ limit: 0 }, 'swap: limit'],
    [{}, 'swap: limit'],
    [{ limit: 1, path: '' }, 'swap: path is empty'],
    [{ limit: 1, size: 2 }, 'swap'],
    [{ limit: 1, path: '/nowhere/swap' }, 'cannot create /nowhere/swap: no such file'],
  ])('swap %j is refused', async (swap, reason) => {
    await expect(Host.create({ swap } as never)).rejects.toThrow(reason);
    await expect(Host.create({ swap } as never)).rejects.toThrow(UserError);
  });

  it('takes no file that is there', async () => {
    const path = join(folder, 'there');
    writeFileSync(path, 'mine');
    await expect(Host.create({ swap: { path, limit: 1 } })).rejects.toThrow('a file is in its place');
    expect(existsSync(path)).toBe(true);
  });
});

describe('what is taken back', () => {
  const guest = (weight: number, memoryInUse: number) => ({ weight, memoryInUse, pool: { bytesInUse: memoryInUse } });
  it.each([
    ['nothing, while there is room', [guest(1, 10), guest(1, 90)], undefined],
    ['of the one that is furthest over its share', [guest(1, 60), guest(1, 61), guest(2, 20)], [1, 36]],
    ['no more than there is too much', [guest(1, 10), guest(1, 95)], [1, 5]],
    ['by weight', [guest(3, 70), guest(1, 40)], [1, 10]],
  ])('is %s', (_, guests, expected) => {
    const over = furthestOver(100, guests);
    expect(over && [guests.indexOf(over.guest), over.bytes]).toEqual(expected);
  });
});
