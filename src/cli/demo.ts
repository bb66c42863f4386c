/** The embedded demo: `roms/demo.asm` and the files it includes, assembled when it is wanted. */
import { join, posix } from 'node:path';
import { assemble } from '../isa/assemble.ts';
import { packageFolder, readUserFile } from './files.ts';

/** The files of `roms` by name, put here when Vetro is bundled; elsewhere they are read from the folder. */
declare const DEMO_SOURCES: Readonly<Record<string, string>> | undefined;

const MAIN_FILE = 'demo.asm';

/** Bytes to be loaded at 0000:7C00. */
export function assembleDemo(): Uint8Array {
  const read =
    typeof DEMO_SOURCES === 'undefined' ? readFromFolder : (name: string): string => DEMO_SOURCES?.[name] ?? '';
  const include = (name: string, from: string) => {
    const path = posix.join(posix.dirname(from), name);
    return { name: path, text: read(path) };
  };
  return assemble(read(MAIN_FILE), { file: MAIN_FILE, include }).bytes;
}

const readFromFolder = (name: string): string =>
  new TextDecoder().decode(readUserFile(join(packageFolder(), 'roms', name), 'demo'));
