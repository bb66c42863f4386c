/** Decoder and code: a library that any number of pools share, and the code at work in one pool, for all its CPUs. */
import { createDecoder, type Decoder } from '../isa/decoder.ts';
import { INSTRUCTIONS } from '../isa/table.ts';
import type { Pool } from '../memory/pool.ts';
import { CodeLibrary, type CodeLibraryOptions } from './interpreter/code-library.ts';
import { InterpreterRuntime } from './interpreter/runtime.ts';

/** Nothing in it belongs to a guest. Making one takes half a second; whoever creates several machines keeps it. */
export interface SharedCode {
  readonly decoder: Decoder;
  readonly library: CodeLibrary;
}

export interface CodeSpace {
  readonly pool: Pool;
  readonly decoder: Decoder;
  readonly runtime: InterpreterRuntime;
}

export const createSharedCode = (options: CodeLibraryOptions = {}): SharedCode => ({
  decoder: createDecoder(INSTRUCTIONS),
  library: new CodeLibrary(INSTRUCTIONS, options),
});

export const createCodeSpace = (pool: Pool, shared: SharedCode = createSharedCode()): CodeSpace => ({
  pool,
  decoder: shared.decoder,
  runtime: new InterpreterRuntime(pool, shared.library),
});
