import { describe, expect, it, vi } from 'vitest';
import { createSharedCode } from '../../../src/engine/code-space.ts';
import { CodeLibrary, TABLE_SIZE } from '../../../src/engine/interpreter/code-library.ts';
import { MOST_NODES } from '../../../src/ir/value-interner.ts';
import type { DecodedInstruction } from '../../../src/isa/decoded-instruction.ts';
import { INSTRUCTIONS } from '../../../src/isa/table.ts';
import { Pc } from '../../../src/machine/pc.ts';
import { Pool } from '../../../src/memory/pool.ts';

const SIZES = [16, 32, 64] as const;

/** Everything that a form can depend on, in all combinations, also such as no code has. */
function* allForms(): Generator<{ instruction: DecodedInstruction; stackSize: 16 | 32 | 64; longMode: boolean }> {
  for (const row of INSTRUCTIONS) {
    for (const encoding of row.encodings) {
      const conditions = encoding[0].includes('+cc') ? 16 : 1;
      for (const repeat of row.repeat ? (['none', 'repe', 'repne'] as const) : (['none'] as const))
        for (const memory of [undefined, {}])
          for (const operandSize of SIZES)
            for (const addressSize of SIZES)
              for (const stackSize of SIZES)
                for (let condition = 0; condition < conditions; condition++) {
                  const longMode = stackSize === 64;
                  if (!longMode && (operandSize === 64 || addressSize === 64)) continue;
                  const instruction = { row, encoding, repeat, memory, operandSize, addressSize, condition };
                  yield { instruction: instruction as unknown as DecodedInstruction, stackSize, longMode };
                }
    }
  }
}

describe('code library', () => {
  it('has room for the functions of all forms there can be: no guest can use them up for the others', () => {
    const { catalog } = new CodeLibrary(INSTRUCTIONS);
    let traced = 0;
    for (const { instruction, ...mode } of allForms()) {
      try {
        catalog.formOf(instruction, mode);
        traced++;
      } catch {
        // A combination that the row's semantics refuse: no decoder yields it.
      }
    }
    expect(traced).toBeGreaterThan(15_000);
    // A fused form for each handler, at most, and a few that only fault.
    expect(catalog.size + catalog.hotHandlers.length + 10).toBeLessThan(TABLE_SIZE);
    expect(catalog.valueCount).toBeLessThan(MOST_NODES / 2);
  });

  it('compiles once what several pools run', () => {
    let compiled = 0;
    const compileLoop = (bytes: Uint8Array<ArrayBuffer>) => {
      compiled++;
      return new WebAssembly.Module(bytes);
    };
    const code = createSharedCode({ compileLoop });
    const machines = [1, 2, 3].map(
      (count) =>
        new Pc({
          name: `machine ${count}`,
          memoryBytes: 2 ** 20,
          cpu: 'i686',
          engine: 'interpreter',
          // mov al, count; add al, al; hlt
          boot: {
            pieces: [{ address: 0x7c00, bytes: Uint8Array.of(0xb0, count, 0x00, 0xc0, 0xf4) }],
            entry: { mode: 'real', ip: 0x7c00 },
          },
          powerOnTime: 0,
          code,
        }),
    );
    for (const machine of machines) machine.run({ instructions: 100 });
    expect(machines.map(({ processor }) => processor.state.reg32(0))).toEqual([2, 4, 6]);
    expect(compiled).toBe(1);
    for (const machine of machines) machine.dispose();
  });

  it('gives the same module for the same form', () => {
    const { library } = createSharedCode();
    const form = library.catalog.faultForm(6, 'no such instruction', { wide: false });
    const module = library.coldFunction(form);
    expect(library.coldFunction(form)).toBe(module);
  });

  it('compiles the functions of what was executed, once each, and links them with each memory', () => {
    const code = createSharedCode();
    const compiled = vi.spyOn(code.library, 'coldFunction');
    for (const start of [1, 2]) {
      // mov al, start; test al, al; jnz over; cpuid; over: inc ax; inc ax; hlt
      const bytes = Uint8Array.of(0xb0, start, 0x84, 0xc0, 0x75, 0x02, 0x0f, 0xa2, 0x40, 0x40, 0xf4);
      const machine = new Pc({
        name: 'machine',
        memoryBytes: 2 ** 20,
        cpu: 'i686',
        engine: 'interpreter',
        boot: { pieces: [{ address: 0x7c00, bytes }], entry: { mode: 'real', ip: 0x7c00 } },
        powerOnTime: 0,
        code,
      });
      machine.run({ instructions: 6 });
      expect(machine.processor.state.reg32(0)).toBe(start + 2);
      expect(compiled.mock.calls.map(([{ key }]) => key?.row.mnemonic)).toEqual(['mov', 'test', 'jcc', 'inc', 'hlt']);
      compiled.mockClear();
      machine.dispose();
    }
  });

  it('compiles and links every x87 form, of all sizes: emitted code included', () => {
    const library = new CodeLibrary(INSTRUCTIONS);
    const forms = new Set<ReturnType<typeof library.catalog.formOf>>();
    for (const { instruction, ...mode } of allForms()) {
      if (!instruction.row.x87) continue;
      try {
        forms.add(library.catalog.formOf(instruction, mode));
      } catch {
        // Refused, as above.
      }
    }
    const pool = Pool.create();
    for (const wide of [false, true]) {
      const ofWidth = [...forms].filter((form) => form.wide === wide);
      expect(ofWidth.length).toBeGreaterThan(100);
      expect(ofWidth.some((form) => library.needsEmittedHelpers(form))).toBe(true);
      const imports = ofWidth.flatMap((form) => WebAssembly.Module.imports(library.coldFunction(form)));
      const module = new WebAssembly.Instance(library.emittedHelpers({ wide }), { host: { memory: pool.memory } });
      const numbers = imports.filter(({ name }) => name.startsWith('number.')).map(({ name }) => module.exports[name]);
      expect(numbers.length).toBeGreaterThan(10);
      expect(numbers.every((each) => typeof each === 'function')).toBe(true);
    }
  });
});
