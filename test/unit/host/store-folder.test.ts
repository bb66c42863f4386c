import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createStore, isStore, openStoreFolder, storePath } from '../../../src/host/node/store-folder.ts';

let folder: string;
let store: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vetro-store-folder-'));
  store = join(folder, 's');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a store of snapshots in the file system', () => {
  it('is made of a folder that is empty, or not there, and of no other', () => {
    createStore(store);
    createStore(store);
    expect(isStore(store)).toBe(true);
    const other = join(folder, 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'thesis.txt'), '');
    expect(() => createStore(other)).toThrow(`${other} is no store of snapshots, and not empty (thesis.txt)`);
    expect(() => openStoreFolder(other)).toThrow(`${other} is no store of snapshots`);
    expect(() => createStore(join(other, 'thesis.txt'))).toThrow(/^cannot make a store of/);
    writeFileSync(join(store, 'vetro-store'), 'A store of Vetro snapshots, version 2.');
    expect(() => openStoreFolder(store)).toThrow(`${store} is a store of another version`);
  });

  it('is meant by its path, and a snapshot in it by one more name', () => {
    createStore(store);
    writeFileSync(join(folder, 'x.vetro'), '');
    expect(storePath(store)).toEqual({ store, id: undefined });
    expect(storePath(`${folder}/new/`)).toEqual({ store: join(folder, 'new'), id: undefined });
    expect(storePath(join(store, 'guest-1'))).toEqual({ store, id: 'guest-1' });
    expect(storePath(join(folder, 'x.vetro'))).toBe(undefined);
    expect(storePath(join(folder, 'y.vetro'))).toBe(undefined);
  });

  it('shows a file when it is complete, and clears away what a dead writer left', async () => {
    createStore(store);
    const place = openStoreFolder(store);
    const unlock = await place.lock();
    const [one, other] = [place.create('packs'), place.create('packs')];
    one.write(Uint8Array.of(1, 2, 3));
    other.write(Uint8Array.of(4));
    expect(place.list('packs')).toEqual([]);
    one.finish('b');
    expect(place.list('packs')).toMatchObject([{ name: 'b', size: 3 }]);
    unlock();
    expect(readdirSync(join(store, 'packs'))).toHaveLength(2);
    (await place.lock())();
    expect(readdirSync(join(store, 'packs'))).toEqual(['b']);
    place.remove('packs', 'b');
    place.remove('packs', 'b');
    expect(place.list('packs')).toEqual([]);
  });

  it('has one writer at a time, who is named', async () => {
    createStore(store);
    const unlock = await openStoreFolder(store).lock();
    const other = openStoreFolder(store, { patience: 100 });
    await expect(other.lock()).rejects.toThrow(`${store} is in use by this process already (${process.pid})`);
    const waiting = openStoreFolder(store).lock();
    unlock();
    (await waiting)();
    // That of a process that has died is none.
    writeFileSync(join(store, '.vetro-store.lock-999999999-1-0'), '');
    await expect(other.lock()).rejects.toThrow('process 999999999 of another machine or container');
  });
});
