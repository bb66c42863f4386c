/**
 * What stands in the table in the place of every record's function that was not called yet: it has the function put
 * there, and calls it. Most forms have a handler in the loop, and few of their functions are ever called.
 */
import { CodeWriter, I32 } from '../../wasm/code-writer.ts';
import { ModuleBuilder } from '../../wasm/module-builder.ts';
import { COLD_PARAMETERS } from './cold-lowering.ts';
import { RECORD } from './record-layout.ts';

/** Imports `memory`, `table`, `provide(handler number)`; exports `firstCall(state, record) → status`. */
export function buildFirstCall({ maximumPages }: { readonly maximumPages: number }): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory('memory', { minimumPages: 1, maximumPages });
  module.importTable('table', 0);
  const provide = module.importFunction('provide', { parameters: [I32], results: [] });
  const type = { parameters: COLD_PARAMETERS, results: [I32] } as const;
  const firstCall = module.declare(type, 'firstCall');
  module.define(firstCall, writeFirstCall(provide, module.type(type)));
  module.export('firstCall', firstCall);
  return module.finish();
}

function writeFirstCall(provide: number, coldType: number): CodeWriter {
  const code = new CodeWriter(COLD_PARAMETERS.length);
  const [state, record] = [0, 1];
  const pushHandler = () => {
    code.get(record);
    code.memory('i32.load16_u', RECORD.handler);
  };
  pushHandler();
  code.call(provide);
  code.get(state);
  code.get(record);
  pushHandler();
  code.callIndirect(coldType);
  return code;
}
