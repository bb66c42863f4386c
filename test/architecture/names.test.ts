import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from './source-tree.ts';

const TOP_LEVEL = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'biome.json',
  'README.md',
  'LICENSE',
  'src',
  'bench',
  'test',
  'roms',
];

/** Tracked and new files, without what .gitignore names. */
function listFiles(): string[] {
  if (!existsSync(join(ROOT, '.git'))) return [];
  const args = ['ls-files', '--cached', '--others', '--exclude-standard'];
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' })
    .split('\n')
    .filter((path) => path !== '' && existsSync(join(ROOT, path)));
}

describe.skipIf(!existsSync(join(ROOT, '.git')))('the tree (needs a git checkout)', () => {
  const files = listFiles();

  it('the top level holds only the known entries and dotfiles', () => {
    const entries = new Set(files.map((path) => path.split('/')[0]));
    expect([...entries].filter((entry) => !entry.startsWith('.') && !TOP_LEVEL.includes(entry))).toEqual([]);
  });

  it('file and folder names are kebab-case', () => {
    const name = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/;
    const wrong = files
      .filter((path) => /^(src|test|bench|roms)\//.test(path))
      .filter((path) => path.split('/').some((part) => !name.test(part) && !/^[A-Z]+\.md$/.test(part)));
    expect(wrong).toEqual([]);
  });

  it('no file is called utils, common or misc, and only src has an index', () => {
    const wrong = files
      .filter((path) => path.startsWith('src/'))
      .filter((path) => /\/(utils?|common|misc)\.ts$|\/index\.ts$/.test(path) && path !== 'src/index.ts');
    expect(wrong).toEqual([]);
  });

  it('no file re-exports a whole module', () => {
    const wrong = files
      .filter((path) => /^src\/.*\.ts$/.test(path))
      .filter((path) => /^export \* from/m.test(readFileSync(join(ROOT, path), 'utf8')));
    expect(wrong).toEqual([]);
  });

  it('every unit test stands where its source stands', () => {
    const wrong = files
      .filter((path) => /^test\/unit\/.*\.test\.ts$/.test(path))
      .filter((path) => !existsSync(join(ROOT, 'src', path.split('/')[2])) && !path.startsWith('test/unit/bench/'));
    expect(wrong).toEqual([]);
  });
});
