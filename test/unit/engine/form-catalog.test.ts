import { describe, expect, it } from 'vitest';
import { FormCatalog } from '../../../src/engine/interpreter/form-catalog.ts';
import type { DecodedInstruction } from '../../../src/isa/decoded-instruction.ts';
import { createDecoder } from '../../../src/isa/decoder.ts';
import { FREQUENT_PAIRS } from '../../../src/isa/frequent-pairs.ts';
import { INSTRUCTIONS } from '../../../src/isa/table.ts';

describe('form catalog', () => {
  const catalog = new FormCatalog(INSTRUCTIONS);

  it('has a handler for each pair that is listed as frequent', () => {
    expect(catalog.pairCount).toBe(Object.values(FREQUENT_PAIRS).flat().length);
  });

  it('keeps the loop within the size that V8 optimises in a fraction of a second', () => {
    const handlers = catalog.hotHandlers.length;
    expect(handlers).toBeGreaterThan(600);
    expect(handlers).toBeLessThan(1600);
  });

  it('knows what the iterations of a repeated string instruction amount to, in every mode and size', () => {
    const decoder = createDecoder(INSTRUCTIONS);
    const amounts = { 164: 'copy', 166: 'compare', 170: 'fill', 172: 'load', 174: 'scan', 108: undefined };
    for (const mode of [16, 32, 64] as const) {
      for (const prefixes of [[], [0x66], [0x67]]) {
        for (const [opcode, amount] of Object.entries(amounts)) {
          for (const wide of [0, 1]) {
            const bulkOf = (bytes: readonly number[]) => {
              const decoded = decoder.decode(Uint8Array.from(bytes), 0, mode) as DecodedInstruction;
              return catalog.formOf(decoded, { stackSize: mode, longMode: mode === 64 }).bulk;
            };
            expect(bulkOf([...prefixes, 0xf3, Number(opcode) + wide])).toBe(amount);
            expect(bulkOf([...prefixes, Number(opcode) + wide])).toBeUndefined();
          }
        }
      }
    }
  });
});
