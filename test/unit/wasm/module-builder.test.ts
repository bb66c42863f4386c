import { describe, expect, it } from 'vitest';
import { CodeWriter, I32 } from '../../../src/wasm/code-writer.ts';
import { ModuleBuilder } from '../../../src/wasm/module-builder.ts';

describe('a module', () => {
  it('has names for its functions, which stack traces and profiles show', () => {
    const module = new ModuleBuilder();
    const look = module.importFunction('look', { parameters: [], results: [] });
    const inner = module.declare({ parameters: [], results: [] }, 'the inner one');
    const outer = module.declare({ parameters: [I32], results: [] }, 'the outer one');
    const calling = (index: number, parameters: number) => {
      const code = new CodeWriter(parameters);
      code.call(index);
      return code;
    };
    module.define(outer, calling(inner, 1));
    module.define(inner, calling(look, 0));
    module.export('start', outer);
    let trace: string | undefined;
    const host = {
      look: () => {
        trace = new Error('here').stack;
      },
    };
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), { host });
    (exports.start as (value: number) => void)(1);
    expect(trace).toMatch(/the inner one[^\n]*\n[^\n]*the outer one/);
  });
});
