/** The embedded demo: `roms/demo.asm`, assembled when it is wanted. */
import { join } from 'node:path';
import { assemble } from '../isa/assemble.ts';
import { packageFolder, readUserFile } from './files.ts';

/** Bytes to be loaded at 0000:7C00. */
export function assembleDemo(): Uint8Array {
  const source = readUserFile(join(packageFolder(), 'roms', 'demo.asm'), 'demo');
  return assemble(new TextDecoder().decode(source), { bits: 16, origin: 0x7c00 }).bytes;
}
