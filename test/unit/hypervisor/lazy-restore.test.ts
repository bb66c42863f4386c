/** Guests restored from a file: they run at once, and their pages come when they are touched, or when there is time. */
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Guest, Host } from '../../../src/index.ts';
import type { Pc } from '../../../src/machine/pc.ts';
import { flatBoot } from '../../support/flat-boot.ts';

/** In protected mode, without end: adds 1 to a word in each of 768 pages from 1 MiB on, each page being another one. */
const WRITER = flatBoot(`
  again: mov edi, 0x100000
  next: mov eax, edi\nadd [edi + 8], eax\ninc dword [edi + 4092]\nadd edi, 4096\ncmp edi, 0x400000\njb next
  jmp again`);
const PAGES = 768;
const SAVED_AT = 100_000;

let folder: string;
let host: Host;
let path: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vetro-lazy-'));
  path = join(folder, 'guest.vetro');
  host = await Host.create();
  const guest = await host.createGuest({ name: 'writer', boot: { image: WRITER }, memory: 4, engine: 'interpreter' });
  await guest.runTo(SAVED_AT);
  await guest.snapshot({ to: path });
  guest.dispose();
});
afterEach(async () => {
  await host[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const memoryOf = (guest: Guest) => (guest.machine as Pc).memory;
/** How many files of the folder this process has open. */
const openFiles = (): number => readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).startsWith(folder)).length;
function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
async function hashAt(guest: Guest, instructions: number): Promise<string> {
  await guest.runTo(instructions);
  return guest.machine.stateHash();
}

describe('a guest restored from a file', () => {
  it('has left its memory there, and is as one that has all of it', async () => {
    const whole = await host.restore(new Uint8Array(readFileSync(path)), { name: 'whole' });
    const counts = [SAVED_AT, SAVED_AT + 7, SAVED_AT + 1_000, SAVED_AT + 50_000];
    const expected: string[] = [];
    for (const count of counts) expected.push(await hashAt(whole, count));
    expect(memoryOf(whole).pagesElsewhere.snapshot).toBe(0);
    for (const engine of ['reference', 'interpreter', 'jit'] as const) {
      const guest = await host.restore(path, { engine });
      expect(memoryOf(guest).pagesElsewhere.snapshot).toBeGreaterThan(PAGES);
      expect(guest.machine.memoryInUse).toBeLessThan(50 * 4096);
      for (const [index, count] of counts.entries()) expect(await hashAt(guest, count)).toBe(expected[index]);
      guest.dispose();
    }
  });

  it('has all of it after a while, though it stands still, and then the file is closed', async () => {
    const guest = await host.restore(path);
    const hash = guest.machine.stateHash();
    expect(openFiles()).toBe(1);
    while (openFiles() > 0) await turn();
    expect(memoryOf(guest).pagesElsewhere.snapshot).toBe(0);
    expect(guest.machine.memoryInUse).toBeGreaterThan(PAGES * 4096);
    rmSync(path);
    expect(guest.machine.stateHash()).toBe(hash);
  });

  it('lets go of the file when it is disposed, and of all memory', async () => {
    const guest = await host.restore(path);
    const { frames } = (guest.machine as Pc).processor.pool;
    await guest.runTo(SAVED_AT + 500);
    const memory = memoryOf(guest);
    guest.dispose();
    expect([openFiles(), frames.inUse, memory.framesInUse, memory.pagesElsewhere.snapshot]).toEqual([0, 0, 0, 0]);
  });

  it('can be cloned and saved meanwhile: whoever has pages in the file holds it', async () => {
    const whole = await host.restore(new Uint8Array(readFileSync(path)), { name: 'whole' });
    const [now, later] = [await hashAt(whole, SAVED_AT), await hashAt(whole, SAVED_AT + 20_000)];
    const guest = await host.restore(path);
    const [clone] = await guest.clone();
    const again = await guest.snapshot();
    guest.dispose();
    expect(openFiles()).toBe(1);
    expect(await hashAt(clone, SAVED_AT)).toBe(now);
    expect(await hashAt(clone, SAVED_AT + 20_000)).toBe(later);
    expect(await hashAt(await host.restore(again), SAVED_AT + 20_000)).toBe(later);
    clone.dispose();
    expect(openFiles()).toBe(0);
  });

  it.each([
    ['has become shorter', () => truncateSync(path, 5_000), 'it has become shorter'],
    [
      'was written over',
      () =>
        writeFileSync(
          path,
          readFileSync(path).map((byte, at) => (at < 5_000 ? byte : ~byte)),
        ),
      'the snapshot is damaged',
    ],
  ])('ends where its file %s, and says so; its neighbour goes on', async (_, change, cause) => {
    const neighbour = await host.restore(new Uint8Array(readFileSync(path)), { name: 'neighbour' });
    const lines: string[] = [];
    const guest = await host.restore(path);
    guest.on('warning', (line) => lines.push(line));
    change();
    const [exit] = await Promise.all([guest.run(), neighbour.runTo(SAVED_AT + 200_000)]);
    expect(exit.reason).toBe('error');
    const { message } = (exit as { error: Error }).error;
    expect(message).toMatch(/^writer: page [1-3][0-9A-F]{2}h of its memory cannot be had: /);
    expect(message).toContain(cause);
    expect(lines.length).toBeLessThanOrEqual(1);
    expect([neighbour.state, neighbour.instructions]).toEqual(['paused', SAVED_AT + 200_000]);
    expect(() => guest.machine.stateHash()).toThrow(cause);
    await expect(guest.snapshot()).rejects.toThrow(cause);
    guest.dispose();
    expect(openFiles()).toBe(0);
  });
});

it('fetches ahead no more than a guest may hold; the rest comes when it is touched', async () => {
  const small = await Host.create({ memoryLimit: 2, swap: { limit: 8 } });
  const guest = await small.restore(path);
  for (let count = 0; count < 80; count++) await turn();
  expect(guest.machine.memoryInUse).toBeLessThanOrEqual(2 * 2 ** 20);
  expect(memoryOf(guest).pagesElsewhere.snapshot).toBeGreaterThan(100);
  const whole = await host.restore(new Uint8Array(readFileSync(path)), { name: 'whole' });
  expect(await hashAt(guest, SAVED_AT + 8_000)).toBe(await hashAt(whole, SAVED_AT + 8_000));
  expect(guest.machine.swaps.out).toBeGreaterThan(0);
  await small[Symbol.asyncDispose]();
  expect(openFiles()).toBe(0);
});
