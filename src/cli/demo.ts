/** The embedded demo: `roms/demo.asm` and the files it includes, assembled when it is wanted. */
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { assemble } from '../isa/assemble.ts';
import { packageFolder, readUserFile } from './files.ts';

/** The files of `roms` by name, put here when Vetro is bundled; elsewhere they are read from the folder. */
declare const DEMO_SOURCES: Readonly<Record<string, string>> | undefined;

const MAIN_FILE = 'demo.asm';
const INCLUDE = /^\s*%include\s+"([^"]+)"\s*$/;

/** Bytes to be loaded at 0000:7C00. */
export function assembleDemo(): Uint8Array {
  const read =
    typeof DEMO_SOURCES === 'undefined' ? readFromFolder : (name: string): string => DEMO_SOURCES?.[name] ?? '';
  return assemble(joinSources(MAIN_FILE, read)).bytes;
}

const readFromFolder = (name: string): string =>
  new TextDecoder().decode(readUserFile(join(packageFolder(), 'roms', name), 'demo'));

/**
 * One source text from several files: each line `%include "name"` is replaced by the text of that file.
 * @param read gives a file's text by its name, which is relative to the folder of the main file
 * @throws UserError for a file that is included twice
 */
export function joinSources(mainFile: string, read: (name: string) => string): string {
  const seen = new Set<string>();
  const textOf = (name: string): string => {
    if (seen.has(name)) throw new UserError(`${name} is included twice`);
    seen.add(name);
    return read(name)
      .split('\n')
      .map((line) => {
        const included = INCLUDE.exec(line)?.[1];
        return included === undefined ? line : textOf(included);
      })
      .join('\n');
  };
  return textOf(mainFile);
}
