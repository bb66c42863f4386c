/** The assembler of the whole instruction table. */
import { createAssembler } from './assembler.ts';
import { INSTRUCTIONS } from './table.ts';

/** Assembles Intel syntax; see `assembler.ts` for the language, options and errors. */
export const { assemble } = createAssembler(INSTRUCTIONS);
