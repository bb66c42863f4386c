import { describe, expect, it } from 'vitest';
import { hasFastTailCalls, regionCompiler } from '../../../src/host/platform.ts';

const EMPTY_MODULE = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);

/** As much of Node as is looked at; `flags`: what V8 was told. */
function createProcess(more: { versions?: { v8?: string }; execArgv?: string[]; env?: Record<string, string> } = {}) {
  const flags: string[] = [];
  const getBuiltinModule = () => ({ setFlagsFromString: (flag: string) => void flags.push(flag) });
  return { flags, process: { getBuiltinModule, versions: { v8: '14.6.202.34-node.34' }, ...more } };
}

describe('what regions are compiled with', () => {
  it.each([
    ['11.3.244.8-node.38', '1800000'],
    ['12.4.254.21-node.33', '13000000'],
    ['14.6.202.34-node.34', '13000000'],
  ])('V8 %s is told to compile them well soon, and then what it was told before', (v8, usual) => {
    const { flags, process } = createProcess({ versions: { v8 } });
    expect(regionCompiler(process)(EMPTY_MODULE)).toBeInstanceOf(WebAssembly.Module);
    expect(flags).toEqual(['--wasm-tiering-budget=300000', `--wasm-tiering-budget=${usual}`]);
  });

  it('it is told so, too, where the bytes are no module', () => {
    const { flags, process } = createProcess();
    expect(() => regionCompiler(process)(Uint8Array.of(1, 2, 3))).toThrow(WebAssembly.CompileError);
    expect(flags.at(-1)).toBe('--wasm-tiering-budget=13000000');
  });

  it.each([
    { execArgv: ['--wasm-tiering-budget=5'] },
    { execArgv: ['--wasm_tiering_budget=5'] },
    { env: { NODE_OPTIONS: '--no-warnings --wasm-tiering-budget=5' } },
    { versions: {} },
  ])('what the user has set stays, and what is not known is not touched: %j', (more) => {
    const { flags, process } = createProcess(more);
    expect(regionCompiler(process)(EMPTY_MODULE)).toBeInstanceOf(WebAssembly.Module);
    expect(flags).toEqual([]);
  });

  it('a browser compiles them as it does', () => {
    expect(regionCompiler(undefined)(EMPTY_MODULE)).toBeInstanceOf(WebAssembly.Module);
  });
});

describe('tail calls are known to be fast', () => {
  const ofNode = (v8: string) => ({ process: { versions: { v8 } }, navigator: { userAgent: 'Node.js' } });
  const ofBrowser = (userAgent: string) => ({ navigator: { userAgent } });
  it.each([
    [true, ofNode('14.6.202.34-node.34')],
    [true, ofNode('13.6.233.17-node.41')],
    [
      true,
      ofBrowser(
        'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0.0.0 Safari/537.36',
      ),
    ],
    [false, ofNode('11.3.244.8-node.38')],
    [false, ofNode('12.4.254.21-node.33')],
    [
      false,
      ofBrowser(
        'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/135.0.0.0 Safari/537.36',
      ),
    ],
    [false, ofBrowser('Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0')],
    [false, {}],
  ])('%s: %j', (expected, globals) => {
    expect(hasFastTailCalls(globals)).toBe(expected);
  });
});
