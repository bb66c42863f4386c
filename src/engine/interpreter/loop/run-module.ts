/**
 * The interpreter's loop, in two functions.
 *
 * `step` is one loop around one `br_table`: hot forms are handlers inside it, with lazy flags and the budget in locals.
 * It calls nothing: a call anywhere in it would cost the loop its registers (measured: 300 → 700 million records a
 * second). What it can't do itself it returns for, and `run` around it does it: cold functions, blocks not in the jump
 * cache, partial blocks.
 *
 * Control flows through four labels: `again` (execute the record), `cold` (its function must do it), `resolve` (find
 * the block at `target`), `enter` (take the block's instructions from the budget).
 */
import { CodeWriter, I32 } from '../../../wasm/code-writer.ts';
import { ModuleBuilder } from '../../../wasm/module-builder.ts';
import { REGION_TABLE_SIZE } from '../../blocks/region-entry.ts';
import { COLD_PARAMETERS } from '../cold-lowering.ts';
import { RECORD } from '../record-layout.ts';
import type { RunModuleOptions } from './loop-function.ts';
import { RunFunction } from './run-function.ts';
import { StepFunction } from './step-function.ts';

/** `(state, record) → status`: a record's function. */
function writeCallCold(coldType: number): CodeWriter {
  const code = new CodeWriter(COLD_PARAMETERS.length);
  const [state, record] = [0, 1];
  code.get(state);
  code.get(record);
  code.get(record);
  code.memory('i32.load16_u', RECORD.handler);
  code.callIndirect(coldType);
  return code;
}

/** Bytes of the module: imports memory, table, `lookUp(state)`, `partial(state, record, budget)`, `regions`, `translate(state, record)`; exports `run(state)`, `callCold(state, record)`. */
export function buildRunModule(options: RunModuleOptions): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory('memory', { minimumPages: 1, maximumPages: options.maximumPages });
  module.importTable('table', options.tableSize);
  const regions = module.importTable('regions', REGION_TABLE_SIZE);
  const lookUp = module.importFunction('lookUp', { parameters: [I32], results: [I32] });
  const partial = module.importFunction('partial', { parameters: [I32, I32, I32], results: [I32] });
  const translate = module.importFunction('translate', { parameters: [I32, I32], results: [I32] });
  const coldType = module.type({ parameters: COLD_PARAMETERS, results: [I32] });
  const regionType = module.type({ parameters: [I32, I32], results: [I32] });
  const step = module.declare({ parameters: [I32], results: [I32] }, 'step');
  const run = module.declare({ parameters: [I32], results: [I32] }, 'run');
  module.define(step, new StepFunction(options).write());
  module.define(
    run,
    new RunFunction(options, { lookUp, partial, translate, step, coldType, regionType, regions }).write(),
  );
  module.export('run', run);
  const callCold = module.declare({ parameters: COLD_PARAMETERS, results: [I32] }, 'callCold');
  module.define(callCold, writeCallCold(coldType));
  module.export('callCold', callCold);
  return module.finish();
}
