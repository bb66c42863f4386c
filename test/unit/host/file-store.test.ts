import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileStore } from '../../../src/host/node/file-store.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vetro-file-store-'));
  path = join(folder, 'disk.img');
  writeFileSync(
    path,
    Uint8Array.from({ length: 1000 }, (_, index) => index % 251),
  );
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a file as a store', () => {
  it('reads and writes where asked, grows, and leaves no lock', async () => {
    const store = FileStore.open(path, { writable: true });
    expect(store.size).toBe(1000);
    expect(store.read(500, 3)).toEqual(Uint8Array.of(249, 250, 0));
    store.write!(501, Uint8Array.of(1));
    store.write!(2000, Uint8Array.of(2));
    await store.flush();
    expect(store.size).toBe(2001);
    expect(store.read(1999, 2)).toEqual(Uint8Array.of(0, 2));
    store.close();
    store.close();
    expect(readFileSync(path)[501]).toBe(1);
    expect(readdirSync(folder)).toEqual(['disk.img']);
    expect(() => store.read(0, 1)).toThrow(`${path} is closed`);
  });

  it('is read only unless asked for', () => {
    const store = FileStore.open(path);
    expect(store.write).toBeUndefined();
    expect(() => store.read(999, 2)).toThrow('reach beyond the end of 1000 bytes');
    store.close();
  });

  it('says in one line what cannot be opened', () => {
    mkdirSync(join(folder, 'sub'));
    const line = (name: string, options = {}) => {
      try {
        FileStore.open(join(folder, name), options);
      } catch (error) {
        return (error as Error).message.replaceAll(`${folder}/`, '');
      }
    };
    expect(line('nothing')).toBe('cannot open nothing: no such file');
    expect(line('sub')).toBe('cannot open sub: it is a directory; give a regular file');
    expect(line('disk.img', { writable: true, create: 'new' })).toBe('cannot create disk.img: a file is in its place');
    expect(line('no/new', { writable: true, create: 'new' })).toBe('cannot create no/new: its folder does not exist');
  });

  it('creates, and empties what is replaced', () => {
    FileStore.open(join(folder, 'new'), { writable: true, create: 'new' }).close();
    const store = FileStore.open(path, { writable: true, create: 'replace' });
    expect(store.size).toBe(0);
    store.close();
    expect(readdirSync(folder).sort()).toEqual(['disk.img', 'new']);
  });
});

describe('the lock of an image', () => {
  it('admits one writer, also by another path, and no reader beside it', () => {
    symlinkSync(path, join(folder, 'link'));
    const store = FileStore.open(path, { writable: true });
    const mine = `is in use by this process already (${process.pid})`;
    expect(() => FileStore.open(path, { writable: true })).toThrow(mine);
    expect(() => FileStore.open(join(folder, 'link'), { writable: true })).toThrow(mine);
    expect(() => FileStore.open(path)).toThrow(mine);
    FileStore.open(path, { shareWithWriter: true }).close();
    store.close();
    FileStore.open(path, { writable: true }).close();
  });

  it('is no matter to readers among themselves', () => {
    const [one, other] = [FileStore.open(path), FileStore.open(path)];
    one.close();
    other.close();
  });

  it('names the process that holds it, and is taken over when that has been killed', async () => {
    const module = resolve('src/host/node/file-store.ts');
    const script = `
      const { FileStore } = await import(${JSON.stringify(module)});
      FileStore.open(${JSON.stringify(path)}, { writable: true });
      console.log('open');
      setInterval(() => {}, 1000);`;
    const holder = spawn(process.execPath, ['.ci/ts.js', writeScript(script)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    expect(() => FileStore.open(path, { writable: true })).toThrow(/disk\.img is in use by process \d+ \(.*node/);
    expect(() => FileStore.open(path)).toThrow(/in use by process/);
    const [, pid] = /process (\d+)/.exec(readLine(() => FileStore.open(path)))!;
    process.kill(Number(pid), 'SIGKILL');
    await once(holder, 'close');
    expect(readdirSync(folder).filter((name) => name.includes('.lock-'))).toHaveLength(1);
    FileStore.open(path, { writable: true }).close();
    expect(readdirSync(folder).filter((name) => name.includes('.lock-'))).toEqual([]);
  });

  it('of a process whose number is another’s now is taken over', () => {
    const store = FileStore.open(path, { writable: true });
    const [lock] = readdirSync(folder).filter((name) => name.includes('.lock-'));
    store.close();
    const old = lock.replace(/-(\d+)-(\d+)-/, '-1-7-');
    writeFileSync(join(folder, old), '');
    FileStore.open(path, { writable: true }).close();
    expect(readdirSync(folder)).not.toContain(old);
  });

  it('is no matter to who may read the file, but neither see nor change its folder', () => {
    writeFileSync(join(folder, '.disk.img.lock-1-7-elsewhere'), '');
    const root = process.getuid!() === 0;
    chmodSync(folder, 0o111);
    if (root) process.seteuid!(65_534);
    try {
      FileStore.open(path).close();
    } finally {
      if (root) process.seteuid!(0);
      chmodSync(folder, 0o755);
    }
  });

  it('that cannot be made is said, and the file not opened', () => {
    const root = process.getuid!() === 0;
    chmodSync(path, 0o666);
    chmodSync(folder, 0o555);
    if (root) process.seteuid!(65_534);
    try {
      expect(() => FileStore.open(path, { writable: true })).toThrow(`cannot lock ${path}: permission denied`);
    } finally {
      if (root) process.seteuid!(0);
      chmodSync(folder, 0o755);
    }
  });

  it('of another machine is respected, and the line says what to remove', () => {
    const foreign = join(folder, '.disk.img.lock-1-7-elsewhere');
    writeFileSync(foreign, '');
    expect(() => FileStore.open(path, { writable: true })).toThrow(
      `is in use by process 1 of another machine or container; if that has ended, remove ${foreign}`,
    );
  });
});

function writeScript(text: string): string {
  const file = join(folder, 'script.ts');
  writeFileSync(file, text);
  return file;
}

function readLine(action: () => unknown): string {
  try {
    action();
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}
