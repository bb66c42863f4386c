/** Decoder and compiled code of one pool: what all its CPUs share. */
import { createDecoder, type Decoder } from '../isa/decoder.ts';
import { INSTRUCTIONS } from '../isa/table.ts';
import type { Pool } from '../memory/pool.ts';
import { InterpreterRuntime, type RuntimeOptions } from './interpreter/runtime.ts';

export interface CodeSpace {
  readonly pool: Pool;
  readonly decoder: Decoder;
  readonly runtime: InterpreterRuntime;
}

export const createCodeSpace = (pool: Pool, options: RuntimeOptions = {}): CodeSpace => ({
  pool,
  decoder: createDecoder(INSTRUCTIONS),
  runtime: new InterpreterRuntime(pool, INSTRUCTIONS, options),
});
