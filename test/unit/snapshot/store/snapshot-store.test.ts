import { describe, expect, it } from 'vitest';
import { UserError } from '../../../../src/base/errors.ts';
import { createSnapshotCodec } from '../../../../src/host/snapshot-codec.ts';
import { SnapshotContents } from '../../../../src/snapshot/snapshot-writer.ts';
import { SnapshotStore } from '../../../../src/snapshot/store/snapshot-store.ts';
import { MOST_PACKS } from '../../../../src/snapshot/store/store-layout.ts';
import type { StoredBase } from '../../../../src/snapshot/store/store-writer.ts';
import { Killed, MemoryDisk } from '../../../support/memory-store.ts';
import { createRandom } from '../../../support/random-transfers.ts';
import { filledPage, PAGE } from '../../../support/snapshot-bytes.ts';

/** By page: which of some contents is in it; 0: zeros. */
type Memory = Map<number, number>;
const codec = createSnapshotCodec();
const CONTENTS = Array.from({ length: 256 }, (_, seed) => (seed === 0 ? new Uint8Array(PAGE) : filledPage(seed)));
const nameOf = (bytes: Uint8Array): string => Buffer.from(codec.digest(bytes)).toString('hex', 0, 8);
const NAMES = CONTENTS.map(nameOf);
const storeOn = (disk: MemoryDisk): SnapshotStore => new SnapshotStore(disk.mount(), { codec });

interface Written {
  readonly memory: Memory;
  readonly base: StoredBase;
}

/** `changed`: since the base, of which the rest is taken. */
async function write(
  store: SnapshotStore,
  id: string,
  memory: Memory,
  { base, changed }: { base?: StoredBase; changed?: ReadonlySet<number> } = {},
): Promise<Written> {
  const writer = await store.begin({ id });
  try {
    const isDiff = await writer.buildOn(base);
    const contents = new SnapshotContents();
    const numbers = [...memory.keys()].sort((one, other) => one - other);
    const given = isDiff && changed ? numbers.filter((page) => changed.has(page)) : numbers;
    contents.add(
      'ram',
      given.map((page) => ({ page, bytes: CONTENTS[memory.get(page)!] })),
    );
    if (isDiff && changed) contents.changed.set('ram', changed);
    const parent = base ? { id: base.id, digest: base.digest } : null;
    const written = await writer.finish(contents, { head: { id }, checkpoint: null, parent });
    return { memory: new Map(memory), base: written };
  } finally {
    writer.abandon();
  }
}

async function read(store: SnapshotStore, id: string): Promise<string[]> {
  const snapshot = await store.open(id);
  const lines: string[] = [];
  for await (const { page, bytes } of snapshot.pages('ram')) lines.push(`${page}: ${nameOf(bytes)}`);
  expect(snapshot.head).toEqual({ id });
  snapshot.close();
  return lines;
}
const expected = (memory: Memory): string[] =>
  [...memory]
    .filter(([, seed]) => seed !== 0)
    .sort(([one], [other]) => one - other)
    .map(([page, seed]) => `${page}: ${NAMES[seed]}`);

/** Ten blocks. */
const MANY: Memory = new Map(Array.from({ length: 160 }, (_, page) => [page, page + 1]));
/** All but those of the first block. @returns which */
function replaceMost(memory: Memory): Set<number> {
  const changed = new Set<number>();
  for (let page = 16; page < 160; page++) {
    memory.set(page, 165 + (page % 90));
    changed.add(page);
  }
  return changed;
}

/** Changes some pages. @returns which */
function change(memory: Memory, random: ReturnType<typeof createRandom>, count: number): Set<number> {
  const changed = new Set<number>();
  for (let each = 0; each < count; each++) {
    const page = random.below(80);
    memory.set(page, random.below(200));
    changed.add(page);
  }
  return changed;
}

describe('a store of snapshots', () => {
  it.each([1, 2, 3])('has each as it was, whichever are written and deleted (%i)', async (seed) => {
    const random = createRandom(seed);
    const disk = new MemoryDisk();
    let store = storeOn(disk);
    const written = new Map<string, Written>();
    for (let step = 0; step < 40; step++) {
      if (random.below(5) === 0) store = storeOn(disk);
      const ids = [...written.keys()];
      if (ids.length > 0 && random.below(3) === 0) {
        const id = ids[random.below(ids.length)];
        expect(await store.delete(id)).toBe(undefined);
        written.delete(id);
      } else {
        const before = ids.length > 0 ? written.get(ids[random.below(ids.length)]) : undefined;
        const memory: Memory = new Map(before?.memory);
        const changed = change(memory, random, random.below(60));
        const diff = before && random.below(4) > 0 ? { base: before.base, changed } : {};
        written.set(`s${step}`, await write(store, `s${step}`, memory, diff));
      }
      for (const [id, { memory }] of written) expect(await read(store, id)).toEqual(expected(memory));
      await store.verify();
    }
    for (const id of written.keys()) await store.delete(id);
    expect([disk.files.snapshots.size, disk.files.packs.size]).toEqual([0, 0]);
  });

  it('keeps a page once, whoever has it', async () => {
    const disk = new MemoryDisk();
    const store = storeOn(disk);
    const memory: Memory = new Map(Array.from({ length: 64 }, (_, page) => [page, page + 1]));
    await write(store, 'one', memory);
    const bytes = [...disk.files.packs.values()].reduce((sum, { length }) => sum + length, 0);
    await write(storeOn(disk), 'other', memory);
    expect([...disk.files.packs.values()].reduce((sum, { length }) => sum + length, 0)).toBe(bytes);
    memory.set(100, 100);
    await write(store, 'more', memory);
    expect(disk.files.packs.size).toBe(2);
  });

  it('takes out of a pack what nobody needs, and leaves the rest where it was', async () => {
    const disk = new MemoryDisk();
    const store = storeOn(disk);
    const { memory, base } = await write(store, 'one', MANY);
    const [[name, whole]] = disk.files.packs;
    const changed = replaceMost(memory);
    await write(store, 'two', memory, { base, changed });
    await store.delete('one');
    expect(disk.files.packs.get(name)!.length).toBeLessThan(whole.length / 2);
    expect(await read(store, 'two')).toEqual(expected(memory));
    await store.verify();
    // What was taken out is written again.
    await write(storeOn(disk), 'three', MANY);
    expect(await read(store, 'three')).toEqual(expected(MANY));
  });

  it('does not look at pages that have not changed', async () => {
    const disk = new MemoryDisk();
    let digested = 0;
    const counting = {
      ...codec,
      digest(bytes: Uint8Array) {
        if (bytes.length === PAGE) digested++;
        return codec.digest(bytes);
      },
    };
    const store = new SnapshotStore(disk.mount(), { codec: counting });
    const memory: Memory = new Map(Array.from({ length: 64 }, (_, page) => [page, page + 1]));
    const { base } = await write(store, 'one', memory);
    expect(digested).toBe(64);
    digested = 0;
    memory.set(3, 200);
    await write(store, 'two', memory, { base, changed: new Set([3]) });
    expect(digested).toBe(1);
    expect(await read(store, 'two')).toEqual(expected(memory));
  });

  it('refers to a few packs only, however long the chain', async () => {
    const disk = new MemoryDisk();
    const store = storeOn(disk);
    const memory: Memory = new Map();
    let last: Written | undefined;
    for (let step = 0; step < 2 * MOST_PACKS + 10; step++) {
      memory.set(step % 90, step + 1);
      const changed = new Set([step % 90]);
      const next = await write(store, `s${step}`, memory, last ? { base: last.base, changed } : {});
      expect(next.base.packs.length).toBeLessThanOrEqual(MOST_PACKS);
      if (last) await store.delete(last.base.id);
      last = next;
    }
    expect(disk.files.packs.size).toBeLessThanOrEqual(MOST_PACKS);
    expect(await read(store, last!.base.id)).toEqual(expected(memory));
    await store.verify();
  });

  it('knows a parent by more than its name', async () => {
    const store = storeOn(new MemoryDisk());
    const memory: Memory = new Map([[1, 1]]);
    const { base } = await write(store, 'one', memory);
    await store.delete('one');
    await write(store, 'one', new Map([[1, 2]]));
    const child = await write(store, 'two', memory, { base, changed: new Set() });
    expect(await read(store, 'two')).toEqual(expected(child.memory));
  });
});

/** Takes a store through all that happens to one. Calls `did` behind each step, with what is in it. */
async function life(disk: MemoryDisk, did: (written: ReadonlyMap<string, Memory>) => void): Promise<void> {
  const store = storeOn(disk);
  const written = new Map<string, Memory>();
  const memory: Memory = new Map(MANY);
  const keep = async (
    id: string,
    diff: { base?: StoredBase; changed?: ReadonlySet<number> } = {},
  ): Promise<Written> => {
    const result = await write(store, id, memory, diff);
    written.set(id, result.memory);
    did(new Map(written));
    return result;
  };
  const remove = async (id: string): Promise<void> => {
    await store.delete(id);
    written.delete(id);
    did(new Map(written));
  };
  const one = await keep('one');
  const two = await keep('two', { base: one.base, changed: replaceMost(memory) });
  memory.set(0, 255);
  await keep('three', { base: two.base, changed: new Set([0]) });
  // Of its pack, less than half is needed by the others.
  await remove('one');
  await remove('two');
  await keep('four');
  await remove('three');
  await remove('four');
}

describe('a store whose process is killed', () => {
  it('has every other snapshot as it was, whatever was being done', async () => {
    const whole = new MemoryDisk();
    const states: { changes: number; written: ReadonlyMap<string, Memory> }[] = [{ changes: 0, written: new Map() }];
    await life(whole, (written) => states.push({ changes: whole.changes, written }));
    const { changes } = whole;
    expect(changes).toBeGreaterThan(40);
    for (let kill = 1; kill <= changes; kill++) {
      const disk = new MemoryDisk();
      disk.killBefore = kill;
      await expect(life(disk, () => {})).rejects.toBeInstanceOf(Killed);
      disk.killBefore = Number.POSITIVE_INFINITY;
      const at = states.findLastIndex((state) => state.changes < kill);
      const [before, after] = [states[at].written, states[at + 1].written];
      const store = storeOn(disk);
      const ids = disk
        .mount()
        .list('snapshots')
        .map(({ name }) => name);
      // What was being done has been done, or has not.
      expect([[...before.keys()].sort(), [...after.keys()].sort()]).toContainEqual(ids);
      for (const id of ids) expect(await read(store, id)).toEqual(expected((before.get(id) ?? after.get(id))!));
      await store.verify();
      await write(store, 'later', new Map([[1, 1]]));
      for (const id of [...ids, 'later']) await store.delete(id);
      expect([kill, disk.files.packs.size]).toEqual([kill, 0]);
    }
  });
});

describe('a store that somebody has changed', () => {
  it('is refused in a line, or gives what was written', async () => {
    const original = new MemoryDisk();
    const store = storeOn(original);
    const random = createRandom(11);
    const memory: Memory = new Map(Array.from({ length: 40 }, (_, page) => [page, page + 1]));
    const one = await write(store, 'one', memory);
    const changed = change(memory, random, 20);
    const two = await write(store, 'two', memory, { base: one.base, changed });
    const reasons = new Map<string, number>();
    for (let round = 0; round < 600; round++) {
      const disk = original.copy();
      const room = round % 2 === 0 ? 'snapshots' : 'packs';
      const names = [...disk.files[room].keys()];
      const name = names[random.below(names.length)];
      const bytes = disk.files[room].get(name)!;
      const kind = random.below(10);
      if (kind === 0) disk.files[room].delete(name);
      else if (kind === 1) disk.files[room].set(name, bytes.subarray(0, random.below(bytes.length)));
      else if (kind === 2) disk.files[room].set(name, disk.files[room].get(names[random.below(names.length)])!);
      else
        bytes[random.below(2) === 0 ? random.below(bytes.length) : bytes.length - 1 - random.below(64)] ^=
          1 << random.below(8);
      const damaged = storeOn(disk);
      for (const [id, { memory: then }] of [
        ['one', one],
        ['two', two],
      ] as const) {
        try {
          const lines = await read(damaged, id).catch((error: unknown) => {
            if (kind === 2 && !(error instanceof UserError)) return expected(then);
            throw error;
          });
          expect(lines).toEqual(expected(then));
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          const reason = error.message.replaceAll(/[0-9a-f]{64}/g, 'PACK').replaceAll(/\d+/g, 'N');
          reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
        }
      }
      await damaged.list();
      await damaged.verify().catch((error: unknown) => expect(error).toBeInstanceOf(UserError));
      if (damaged.has('one')) await damaged.delete('one');
    }
    expect(reasons.size).toBeGreaterThan(8);
  });
});
