import { describe, expect, it } from 'vitest';
import { FormCatalog } from '../../../src/engine/interpreter/form-catalog.ts';
import { FREQUENT_PAIRS } from '../../../src/engine/interpreter/frequent-pairs.ts';
import type { DecodedInstruction } from '../../../src/isa/decoded-instruction.ts';
import { createDecoder } from '../../../src/isa/decoder.ts';
import { INSTRUCTIONS } from '../../../src/isa/table.ts';

describe('form catalog', () => {
  const catalog = new FormCatalog(INSTRUCTIONS);

  it('has a handler for each pair that is listed as frequent', () => {
    expect(catalog.pairCount).toBe(Object.values(FREQUENT_PAIRS).flat().length);
  });

  it('knows every form that a pair names', () => {
    const known = Object.keys(FREQUENT_PAIRS)[0];
    expect(() => new FormCatalog(INSTRUCTIONS, { [known]: ['8B /r rv|m'] })).toThrow(
      'no hot form is written 8B /r rv|m',
    );
    expect(() => new FormCatalog(INSTRUCTIONS, { '8B /r rv': [known] })).toThrow('no hot form is written 8B /r rv');
  });

  it('leaves out the flags of the first of a pair that the second sets anew, and no others', () => {
    const flagsOf = (first: string, second: string): number => {
      const { hotHandlers } = new FormCatalog(INSTRUCTIONS, { [first]: [second] });
      return hotHandlers.findLast(({ forms }) => forms.length === 2)!.forms[0].filter(({ kind }) => kind === 'flags')
        .length;
    };
    const add = '01 /r rmv rv|r';
    expect(flagsOf(add, '29 /r rmv rv|r')).toBe(0); // sub: sets all
    expect(flagsOf(add, '39 /r rmv rv|r+2')).toBe(0); // cmp and jb: sets all before it jumps
    expect(flagsOf(add, '11 /r rmv rv|r')).toBe(1); // adc: reads CF
    expect(flagsOf(add, '40+r i64 ov|r')).toBe(1); // inc: keeps CF
    expect(flagsOf(add, '2B /r rv rmv|m')).toBe(1); // sub from memory: may leave
    expect(flagsOf(add, '8B /r rv rmv|r')).toBe(1); // mov: sets none
  });

  it('knows the handler of a form that was first met in 16-bit code', () => {
    const decoder = createDecoder(INSTRUCTIONS);
    const fresh = new FormCatalog(INSTRUCTIONS);
    const formOf = (mode: 16 | 32, bytes: readonly number[]) =>
      fresh.formOf(decoder.decode(Uint8Array.from(bytes), 0, mode) as DecodedInstruction, {
        stackSize: mode,
        longMode: false,
      });
    const add = formOf(16, [0x66, 0x01, 0xd8]);
    expect(add.hotNumber).toBeDefined();
    expect(formOf(32, [0x01, 0xd8])).toBe(add);
    // These depend on the size of addresses, and of the stack.
    expect([formOf(16, [0x66, 0x01, 0x07]).hotNumber, formOf(16, [0x66, 0x50]).hotNumber]).toEqual([
      undefined,
      undefined,
    ]);
    expect(formOf(32, [0x01, 0x07]).hotNumber).toBeDefined();
    expect(formOf(32, [0x50]).hotNumber).toBeDefined();
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
