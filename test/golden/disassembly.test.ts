import { describe, expect, it } from 'vitest';
import { Random } from '../../src/difftest/random.ts';
import { createDecoder, isFailure } from '../../src/isa/decoder.ts';
import { disassemble } from '../../src/isa/disassembler.ts';
import { encodePattern, type PatternFields } from '../../src/isa/encode-instruction.ts';
import { type EncodingPattern, type Mode, parseEncodings, type Size } from '../../src/isa/encoding.ts';
import { INSTRUCTIONS } from '../../src/isa/table.ts';
import { fieldsOf } from '../support/instruction-fields.ts';

const ADDRESS = 0x1000;
const decoder = createDecoder(INSTRUCTIONS);

/** A seed for each encoding, so that a new row leaves the lines of the others as they are. */
function seedOf({ row, encoding }: EncodingPattern, mode: Mode): number {
  let seed: number = mode;
  for (const character of `${row.mnemonic} ${encoding.join()}`)
    seed = (Math.imul(seed, 31) + character.charCodeAt(0)) | 0;
  return seed;
}

/** One unusual size at a time, and none for x87 instructions, which do not care. */
function isTelling({ row }: EncodingPattern, { mode, operandSize, addressSize }: PatternFields): boolean {
  const usual: Size = mode === 16 ? 16 : 32;
  return addressSize === mode
    ? row.x87 === undefined || operandSize === usual
    : operandSize === usual && row.x87 === undefined;
}

describe('disassembly', () => {
  it.each([16, 32, 64] as const)('of every encoding in %i-bit code', async (mode) => {
    const lines = parseEncodings(INSTRUCTIONS).flatMap((pattern) =>
      [...fieldsOf(pattern, mode, 1, new Random(seedOf(pattern, mode)))].flatMap((fields) => {
        if (!isTelling(pattern, fields)) return [];
        const bytes = encodePattern(pattern, fields);
        if (typeof bytes === 'string') return [];
        const decoded = decoder.decode(Uint8Array.from(bytes), 0, mode);
        if (isFailure(decoded)) throw new Error(`${pattern.row.mnemonic}: ${decoded.failure}`);
        const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
        return [`${hex.padEnd(45)} ${disassemble(decoded, ADDRESS, mode)}`];
      }),
    );
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(`disassembly-${mode}.txt`);
  });
});
