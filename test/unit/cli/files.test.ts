import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.ts';
import { checkOutput, writeUserFile } from '../../../src/cli/files.ts';

describe('a file to be written', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vetro-files-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('keeps its contents until there is something to write', () => {
    const path = join(folder, 'results.json');
    writeFileSync(path, 'hours of work');
    checkOutput(path);
    expect(readFileSync(path, 'utf8')).toBe('hours of work');
    writeUserFile(path, new TextEncoder().encode('new'));
    expect(readFileSync(path, 'utf8')).toBe('new');
  });

  it('is refused beforehand where it cannot be', () => {
    expect(() => checkOutput(folder)).toThrow(new UserError(`cannot write ${folder}: it is a directory`));
    expect(() => checkOutput(join(folder, 'no', 'x'))).toThrow(/^cannot write .*: its folder does not exist$/);
  });
});
