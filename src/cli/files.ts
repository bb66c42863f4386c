/** Files that the user names, and those that come with Vetro. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../base/errors.ts';

const STANDARD_INPUT = 0;
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
};

/** `-` is standard input. @throws UserError that names `what` the file was to be, and why it cannot be read. */
export function readUserFile(path: string, what: string): Uint8Array {
  try {
    // yargs hands `-` over as an empty word.
    return readFileSync(path === '-' || path === '' ? STANDARD_INPUT : path);
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new UserError(`cannot read the ${what} ${path}: ${REASONS[code] ?? message}`);
  }
}

/** The folder of Vetro's package.json: the code may run from dist, from src or from a bundle in a cache. */
export function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

export const packageVersion = (): string =>
  JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8')).version;
