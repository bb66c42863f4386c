/** What becomes of hot code when the host does not compile it. */
import { describe, expect, it } from 'vitest';
import { InternalError } from '../../../../../src/base/errors.ts';
import { createSharedCode } from '../../../../../src/engine/code-space.ts';
import { RegionCompiler } from '../../../../../src/engine/jit/cache/region-compiler.ts';
import { assemble } from '../../../../../src/isa/assemble.ts';
import { Pc } from '../../../../../src/machine/pc.ts';

const EMPTY_MODULE = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);

/** Compiles what `fails` lets it. */
function createCompiler(fails: () => boolean) {
  const asked = { times: 0 };
  const compiler = new RegionCompiler((bytes) => {
    asked.times++;
    if (fails()) throw new WebAssembly.CompileError('code generation disallowed');
    return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  });
  return { compiler, asked };
}

describe('a compiler of regions', () => {
  it('gives the functions, and no more once it has failed three times in a row', () => {
    const outcomes = [true, true, false, true, true, true];
    const { compiler } = createCompiler(() => outcomes.shift()!);
    const refusals = [0, 1, 2, 3, 4, 5].map(() => [
      compiler.compile(EMPTY_MODULE, { emitted: false }) !== undefined,
      compiler.refusal,
    ]);
    expect(refusals).toEqual([
      [false, undefined],
      [false, undefined],
      [true, undefined],
      [false, undefined],
      [false, undefined],
      [false, 'code generation disallowed'],
    ]);
  });

  it('takes bytes that are no module for a bug', () => {
    const { compiler } = createCompiler(() => false);
    expect(() => compiler.compile(Uint8Array.of(1, 2, 3, 4), { emitted: false })).toThrow(InternalError);
  });
});

describe('a machine whose host compiles regions, or does not', () => {
  /** Many hot blocks in flat 32-bit mode: each loop jumps over an instruction now and then. */
  const { bytes } = assemble(
    `bits 32
    ${Array.from({ length: 40 }, (_, index) => `mov ecx, 50\nloop${index}: add eax, ecx\ntest eax, 4\njz over${index}\nxor eax, ${index}\nover${index}: dec ecx\njnz loop${index}`).join('\n')}
    cli
    hlt`,
    { origin: 0x10_0000 },
  );
  const GDT = new Uint8Array(BigUint64Array.of(0n, 0x00cf_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn).buffer);
  const run = (
    engine: 'interpreter' | 'jit',
    compileRegions?: (bytes: Uint8Array<ArrayBuffer>) => WebAssembly.Module,
    chainRegions?: boolean,
  ) => {
    const machine = new Pc({
      name: 'one',
      memoryBytes: 2 ** 21,
      cpu: 'i686',
      engine,
      boot: {
        pieces: [
          { address: 0x1000, bytes: GDT },
          { address: 0x10_0000, bytes },
        ],
        entry: {
          mode: 'protected',
          gdt: { address: 0x1000, limit: 23 },
          codeSelector: 8,
          dataSelector: 16,
          eip: 0x10_0000,
        },
      },
      powerOnTime: 0,
      code: createSharedCode({ compileRegions, chainRegions }),
    });
    const exit = machine.run({ instructions: 100_000 });
    const outcome = { exit, hash: machine.stateHash(), slowness: machine.slowness };
    machine.dispose();
    return outcome;
  };

  it('comes to the same states by interpreting, asks three times, and says so', () => {
    const interpreted = run('interpreter');
    expect(interpreted).toMatchObject({ exit: { reason: 'halted' }, slowness: undefined });
    let asked = 0;
    const refused = run('jit', () => {
      asked++;
      throw new WebAssembly.CompileError('code generation disallowed');
    });
    expect(refused).toEqual({
      ...interpreted,
      slowness: 'one: hot code is not translated any longer (code generation disallowed)',
    });
    expect(asked).toBe(3);
  });

  it('goes on translating after a failure or two', () => {
    let asked = 0;
    const translated = run('jit', (module) => {
      if (++asked <= 2) throw new RangeError('out of memory');
      return new WebAssembly.Module(module);
    });
    expect(translated).toEqual(run('interpreter'));
    expect(asked).toBeGreaterThan(10);
  });

  it.each([true, false])('regions can call each other where the host says so, and there alone: %s', (chainRegions) => {
    const imported: boolean[] = [];
    const compile = (bytes: Uint8Array<ArrayBuffer>) => {
      const module = new WebAssembly.Module(bytes);
      imported.push(WebAssembly.Module.imports(module).some(({ kind }) => kind === 'table'));
      return module;
    };
    expect(run('jit', compile, chainRegions)).toEqual(run('interpreter'));
    expect(new Set(imported)).toEqual(new Set([chainRegions]));
  });
});
