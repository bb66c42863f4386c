/** An older revision of ours, built beside this one: a git worktree in a temporary folder. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { realpathSync, symlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../src/base/errors.ts';
import type { CleanUp } from './clean-up.ts';

export const ROOT = join(import.meta.dirname, '..');

/** The full name of a commit. @throws UserError if there is none */
export function resolveRevision(revision: string): string {
  const { status, stdout, error } = git([
    'rev-parse',
    '--verify',
    '--quiet',
    '--end-of-options',
    `${revision}^{commit}`,
  ]);
  if (error) throw new UserError('--base needs git, which is not installed');
  if (status !== 0) throw new UserError(`--base: there is no revision ${revision}`);
  return stdout.trim();
}

/** What this tree is: its commit, and whether something has been changed since; undefined outside of git. */
export function describeTree(): string | undefined {
  const { status, stdout } = git(['describe', '--always', '--dirty', '--exclude=*']);
  return status === 0 ? stdout.trim() : undefined;
}

/**
 * Checks a revision out and builds it, with the packages that this tree has.
 * @returns its folder
 * @throws UserError if it cannot be built
 */
export function checkOut(commit: string, cleanUp: CleanUp): string {
  const folder = join(cleanUp.temporaryFolder(), 'base');
  cleanUp.add(() => git(['worktree', 'remove', '--force', folder]));
  const added = git(['worktree', 'add', '--detach', '--quiet', folder, commit]);
  if (added.status !== 0) throw new UserError(`--base: git cannot check ${commit} out: ${lastLine(added)}`);
  symlinkSync(realpathSync(join(ROOT, 'node_modules')), join(folder, 'node_modules'));
  buildTree(folder, `--base: ${commit} cannot be built`);
  return folder;
}

/** @throws UserError that begins with `problem` */
export function buildTree(folder: string, problem: string): void {
  const built = spawnSync(process.execPath, [join('.ci', 'build.js')], { cwd: folder, encoding: 'utf8' });
  // A signal to all of us, which we could not heed meanwhile.
  if (built.signal !== null) process.exit(128 + constants.signals[built.signal]);
  if (built.status !== 0) throw new UserError(`${problem}: ${lastLine(built)}`);
}

const git = (args: readonly string[]): SpawnSyncReturns<string> =>
  spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });

const lastLine = ({ stderr, stdout }: SpawnSyncReturns<string>): string =>
  `${stdout}\n${stderr}`.trim().split('\n').at(-1)!.trim();
