import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSnapshotFile } from '../../../src/host/node/new-file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vetro-new-file-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a file that is there when it is complete', () => {
  it('is one of two that are written to one path at the same time', () => {
    const path = join(folder, 'x.vetro');
    const [one, other, none] = [createSnapshotFile(path), createSnapshotFile(path), createSnapshotFile(path)];
    expect(readdirSync(folder)).toHaveLength(3);
    for (let part = 0; part < 3; part++) {
      one.write(Buffer.from('one '));
      other.write(Buffer.from('other '));
      none.write(Buffer.from('none '));
    }
    one.finish();
    expect(readFileSync(path, 'utf8')).toBe('one one one ');
    none.abandon();
    other.finish();
    expect(readFileSync(path, 'utf8')).toBe('other other other ');
    expect(readdirSync(folder)).toEqual(['x.vetro']);
  });
});
