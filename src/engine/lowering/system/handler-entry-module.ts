/** Emitted code that delivers what happens between two instructions: exceptions and external interrupts. */
import { I32 } from '../../../wasm/code-writer.ts';
import { defineFunction } from '../../../wasm/function-writer.ts';
import { ModuleBuilder } from '../../../wasm/module-builder.ts';
import { field } from '../emitted-function.ts';
import { writeHandlerEntry } from './handler-entry.ts';

/**
 * What the module exports: the handler of a vector is entered from `state.ip`, with these bits set in the flags pushed.
 * Each answers `DONE` or `DECLINED`.
 */
export interface HandlerEntryFunctions {
  readonly plain: (state: number, vector: number, setFlags: number) => number;
  readonly withErrorCode: (state: number, vector: number, setFlags: number, errorCode: number) => number;
}

/** Bytes of the module. It imports `memory`. */
export function buildHandlerEntryModule(options: { readonly maximumPages: number }): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory('memory', { minimumPages: 1, maximumPages: options.maximumPages });
  const plain = defineFunction(module, 'plain', [I32, I32, I32], [I32] as const, (f, state, vector, setFlags) =>
    writeHandlerEntry(
      { f, state },
      { vector, returnIp: field(state, 'ip'), checksGate: false, setFlags, errorCode: undefined },
    ),
  );
  const withErrorCode = defineFunction(
    module,
    'withErrorCode',
    [I32, I32, I32, I32],
    [I32] as const,
    (f, state, vector, setFlags, errorCode) =>
      writeHandlerEntry({ f, state }, { vector, returnIp: field(state, 'ip'), checksGate: false, setFlags, errorCode }),
  );
  module.export('plain', plain.index);
  module.export('withErrorCode', withErrorCode.index);
  return module.finish();
}
