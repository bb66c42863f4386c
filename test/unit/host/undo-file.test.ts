import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.ts';
import { imageFiles } from '../../../src/host/node/image-files.ts';
import { UndoFile } from '../../../src/host/node/undo-file.ts';
import { createRandom } from '../../support/random-transfers.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vetro-undo-'));
  path = join(folder, 'd.img');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const SIZE = 300_000;
const bytes = (): Buffer => readFileSync(path);
const undo = (backTo?: number): UndoFile => UndoFile.open(path, { backTo });
/** As the process leaves it that is killed. */
const kill = (file: UndoFile): void => {
  for (const name of readdirSync(folder).filter((each) => !each.startsWith('.')))
    copyFileSync(join(folder, name), join(folder, `${name}.kept`));
  file.close();
  for (const name of readdirSync(folder).filter((each) => each.endsWith('.kept'))) {
    const target = join(folder, name.slice(0, -'.kept'.length));
    copyFileSync(join(folder, name), target);
    rmSync(join(folder, name));
  }
};

function scribble(file: UndoFile, random: ReturnType<typeof createRandom>): void {
  for (let count = random.below(20); count >= 0; count--) {
    const offset = random.below(SIZE);
    // Also beyond the end: such files grow.
    file.write(offset, new Uint8Array(1 + random.below(30_000)).fill(random.below(256)));
  }
}

describe('a file that can be brought back', () => {
  it.each([1, 2, 3, 4])('is what it was when an epoch began, whatever was written since (%i)', (seed) => {
    const random = createRandom(seed);
    writeFileSync(path, Buffer.alloc(SIZE, 7));
    let file = undo();
    scribble(file, random);
    const states = new Map<number, Buffer>();
    for (let epoch = 1; epoch < 12; epoch++) {
      states.set(epoch, bytes());
      file.begin(epoch);
      scribble(file, random);
      if (random.below(3) > 0) continue;
      const left = readdirSync(folder).flatMap((name) => /undo-(\d+)$/.exec(name)?.[1] ?? []);
      const back = Number(left[random.below(left.length)]);
      kill(file);
      file = undo(back);
      expect(bytes().equals(states.get(back)!)).toBe(true);
      scribble(file, random);
      kill(file);
      file = undo(back);
      expect(bytes().equals(states.get(back)!)).toBe(true);
    }
    file.close();
  });

  it('is so however far the last record of the journal got', () => {
    writeFileSync(path, Buffer.alloc(SIZE, 7));
    const file = undo();
    file.begin(1);
    file.write(5000, new Uint8Array(100).fill(1));
    const before = readFileSync(`${path}.undo-1`).length;
    const then = bytes();
    file.write(50_000, new Uint8Array(100).fill(2));
    const end = readFileSync(`${path}.undo-1`).length;
    file.close();
    const journal = readFileSync(`${path}.undo-1`);
    for (let length = before; length < end; length += 61) {
      // The image is written when the record is there.
      writeFileSync(path, then);
      writeFileSync(`${path}.undo-1`, journal);
      truncateSync(`${path}.undo-1`, length);
      undo(1).close();
      expect(bytes().equals(Buffer.alloc(SIZE, 7))).toBe(true);
    }
  });

  it('is written by nobody else, nor brought back without its journal', () => {
    writeFileSync(path, Buffer.alloc(SIZE, 7));
    const file = undo();
    file.begin(3);
    file.begin(4);
    expect(() => undo(4)).toThrow('is in use by this process');
    file.close();
    expect(() => undo()).toThrow(
      /^\S*d\.img belongs to checkpoints: vetro recover goes on with them; .*d\.img\.undo-4$/,
    );
    expect(() => imageFiles().open({ name: path, identity: path }, { writable: true })).toThrow(
      'belongs to checkpoints',
    );
    expect(() => undo(2)).toThrow(/cannot be brought back to the checkpoint: \S*undo-2 is missing/);
    const other = undo(3);
    expect(readdirSync(folder).filter((name) => name.includes('undo'))).toEqual(['d.img.undo-3']);
    other.drop(4);
    other.close();
    undo().close();
  });

  it('refuses a journal that is none', () => {
    writeFileSync(path, Buffer.alloc(SIZE, 7));
    for (const journal of ['', 'x'.repeat(100)]) {
      writeFileSync(`${path}.undo-1`, journal);
      expect(() => undo(1)).toThrow(UserError);
    }
    expect(bytes().equals(Buffer.alloc(SIZE, 7))).toBe(true);
  });
});
