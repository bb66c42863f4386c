/** Guests saved into a store and restored from there, by way of the library. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { assembleDemo } from '../../../src/cli/demo.ts';
import { type Guest, type GuestOptions, Host } from '../../../src/index.ts';
import { assemble } from '../../../src/isa/assemble.ts';

let folder: string;
let host: Host;
let store: string;
beforeAll(async () => {
  host = await Host.create();
});
afterAll(() => host[Symbol.asyncDispose]());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vetro-store-'));
  store = join(folder, 'store');
});
afterEach(async () => {
  for (const guest of host.guests) await guest[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const demo = (more: Partial<GuestOptions> = {}) =>
  host.createGuest({ boot: { image: assembleDemo() }, memory: 1, name: 'demo', ...more });
const hashAt = async (guest: Guest, instructions: number): Promise<string> => {
  await guest.runTo(instructions);
  return guest.machine.stateHash();
};
const files = (): string[] => [...readdirSync(join(store, 'packs')), ...readdirSync(join(store, 'snapshots'))];

describe('a store of snapshots', () => {
  it('gives each snapshot of a tree back as it was', async () => {
    const guest = await demo();
    const hashes = new Map<string, string>();
    const save = async (each: Guest): Promise<string> => {
      const { id, path, bytes } = await each.snapshot({ to: `${store}/` });
      expect([bytes, path]).toEqual([undefined, `${store}/${id}`]);
      hashes.set(path!, each.machine.stateHash());
      return path!;
    };
    const paths: string[] = [];
    for (const at of [30_000, 60_000, 100_000]) {
      await guest.runTo(at);
      paths.push(await save(guest));
    }
    const branch = await host.restore(paths[1], { name: 'branch' });
    branch.serial.write('tasks\r');
    await branch.runTo(150_000);
    paths.push(await save(branch));
    expect(paths.map((path) => path.slice(store.length + 1))).toEqual(['demo-1', 'demo-2', 'demo-3', 'branch-1']);
    for (const path of paths) {
      const again = await host.restore(path, { engine: 'interpreter' });
      expect(again.machine.stateHash()).toBe(hashes.get(path));
      if (path === paths[0]) expect(await hashAt(again, 100_000)).toBe(hashes.get(paths[2]));
      again.dispose();
    }
  }, 30_000);

  it('adds of the next snapshot what has changed', async () => {
    const content = new Uint8Array(500_000);
    for (let at = 0; at < content.length; at++) content[at] = Math.imul(at, 0x9e37_79b1) >>> 24;
    content.set(assembleDemo());
    const guest = await host.createGuest({ boot: { image: content }, memory: 1 });
    const first = await guest.snapshot({ to: `${store}/` });
    await guest.runTo(30_000);
    const next = await guest.snapshot({ to: store });
    expect(first.size).toBeGreaterThan(next.size * 5);
    expect((await host.restore(next.path!)).machine.stateHash()).toBe(guest.machine.stateHash());
    const packs = readdirSync(join(store, 'packs')).map((name) => statSync(join(store, 'packs', name)).size);
    expect(packs).toHaveLength(2);
    expect(files().some((name) => name.endsWith('.partial'))).toBe(false);
  });

  it('takes a name, but not twice', async () => {
    const guest = await demo();
    await guest.snapshot({ to: `${store}/` });
    expect(await guest.snapshot({ to: `${store}/ready` })).toMatchObject({ id: 'ready' });
    await expect(guest.snapshot({ to: `${store}/ready` })).rejects.toThrow(`${store} has a snapshot ready already`);
    await expect(guest.snapshot({ to: `${store}/.x` })).rejects.toThrow("cannot be called '.x'");
    await expect(host.restore(store)).rejects.toThrow('say which one');
    await expect(host.restore(`${store}/none`)).rejects.toThrow(`${store} has no snapshot none`);
  });

  it('makes none of a folder with other things in it', async () => {
    writeFileSync(join(folder, 'x'), '');
    const guest = await demo();
    await expect(guest.snapshot({ to: folder })).rejects.toThrow(
      `${folder} is no store of snapshots, and not empty (x)`,
    );
    await expect(host.restore(folder)).rejects.toThrow(`${folder} is no store of snapshots`);
  });

  it('refuses what is damaged', async () => {
    const guest = await demo();
    await guest.runTo(30_000);
    const { path } = await guest.snapshot({ to: `${store}/` });
    const [pack] = readdirSync(join(store, 'packs'));
    const bytes = readFileSync(join(store, 'packs', pack));
    bytes[100] ^= 1;
    writeFileSync(join(store, 'packs', pack), bytes);
    await expect(host.restore(path!)).rejects.toThrow(/the snapshot is damaged: (block|page)/);
    rmSync(join(store, 'packs', pack));
    await expect(host.restore(path!)).rejects.toThrow(/^cannot open .*packs.*: no such file$/);
  });
});

describe('checkpoints', () => {
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const ids = (): string[] => readdirSync(join(store, 'snapshots')).sort();

  it('are taken while the guest runs, two are kept, and a guest goes on from the last', async () => {
    const guest = await demo({ checkpoint: { every: 100, to: store }, clock: 'host' });
    void guest.run();
    guest.serial.discard();
    await until(() => ids().includes('demo-4'));
    await until(() => ids().length === 2);
    guest.pause();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const kept = ids();
    expect(kept).toHaveLength(2);
    await expect(demo({ checkpoint: { to: store } })).rejects.toThrow(`${store} has checkpoints of demo: recover it`);
    guest.dispose();
    const { guests, problems } = await host.recover(store);
    expect(problems).toEqual([]);
    expect(guests.map(({ name }) => name)).toEqual(['demo']);
    const [recovered] = guests;
    const twin = await host.restore(`${store}/${kept[1]}`);
    expect(recovered.machine.stateHash()).toBe(twin.machine.stateHash());
    void recovered.run();
    recovered.serial.discard();
    await until(() => !ids().includes(kept[1]));
    recovered.dispose();
  });

  it('fall back to the one before if the last is damaged', async () => {
    const guest = await demo({ checkpoint: { every: '100ms', to: store }, clock: 'host' });
    void guest.run();
    guest.serial.discard();
    await until(() => ids().includes('demo-2'));
    guest.dispose();
    const [one, last] = ids();
    const path = join(store, 'snapshots', last);
    writeFileSync(path, readFileSync(path).subarray(1));
    const { guests, problems } = await host.recover(store);
    expect(problems).toEqual([expect.stringContaining(`${last}: this is no snapshot`)]);
    const twin = await host.restore(`${store}/${one}`);
    expect(guests[0].machine.stateHash()).toBe(twin.machine.stateHash());
  });

  it('are deleted when the guest has ended by itself', async () => {
    const image = assemble('bits 16\nmov ecx, 3000000\nagain: dec ecx\njnz again\ncli\nhlt').bytes;
    const guest = await host.createGuest({ boot: { image }, memory: 1, checkpoint: { every: 100, to: store } });
    const ended = guest.run();
    await until(() => ids().length > 0);
    expect(await ended).toMatchObject({ reason: 'halted' });
    await until(() => files().length === 0);
    await expect(host.recover(store)).rejects.toThrow(`${store} has no checkpoints: nothing can be recovered`);
  });
});

describe('checkpoints of two guests of one name', () => {
  it('do not go into one store; when one is gone, the other can have them there', async () => {
    const checkpoint = { to: store, every: 60_000 };
    const results = await Promise.allSettled([demo({ checkpoint }), demo({ checkpoint })]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(results[1]).toMatchObject({
      reason: { message: expect.stringContaining('another guest that is called demo') },
    });
    const [{ value: guest }] = results as [PromiseFulfilledResult<Guest>, PromiseRejectedResult];
    await guest[Symbol.asyncDispose]();
    expect((await demo({ checkpoint })).name).toBe('demo');
    const unnamed = await Promise.all([demo({ checkpoint, name: undefined }), demo({ checkpoint, name: undefined })]);
    expect(new Set(unnamed.map(({ name }) => name)).size).toBe(2);
  });
});
