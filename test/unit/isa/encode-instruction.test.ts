import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/difftest/random.ts';
import { createDecoder, isFailure } from '../../../src/isa/decoder.ts';
import { encodeInstruction } from '../../../src/isa/encode-instruction.ts';
import { INSTRUCTIONS } from '../../../src/isa/table.ts';
import { randomCode, SEQUENCE_LENGTH } from '../../support/random-code.ts';

const decoder = createDecoder(INSTRUCTIONS);
const rowOf = (mnemonic: string) => INSTRUCTIONS.find((row) => row.mnemonic === mnemonic)!;

describe('encodeInstruction', () => {
  it.each([16, 32, 64] as const)('encodes what was decoded from random %i-bit code', (mode) => {
    const code = randomCode(new Random(300 + mode), 10_000, mode);
    const wrong: string[] = [];
    let count = 0;
    for (let offset = 0; offset < code.length; offset += SEQUENCE_LENGTH) {
      const decoded = decoder.decode(code, offset, mode);
      if (isFailure(decoded)) continue;
      const { row } = decoded;
      count++;
      const again = decoder.decode(encodeInstruction({ ...decoded, mode }), 0, mode);
      if (isFailure(again)) wrong.push(`${row.mnemonic}: ${again.failure}`);
      else {
        const differing = Object.keys(decoded)
          .filter((key) => !['length', 'reg', 'rm', 'rex'].includes(key))
          .filter((key) => show(decoded[key as never]) !== show(again[key as never]));
        if (differing.length > 0) wrong.push(`${row.mnemonic} at ${offset}: ${differing}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(count).toBeGreaterThan(5_000);
  });

  it('says why fields cannot be encoded', () => {
    const encode = (mnemonic: string, encodingIndex: number, more: object) => () =>
      encodeInstruction({ row: rowOf(mnemonic), encodingIndex, mode: 32, operandSize: 32, addressSize: 32, ...more });
    expect(encode('mov', 1, { reg: 8, rm: 0 })).toThrow(/mov, '89 \/r, rmv, rv': .*64-bit mode/);
    expect(encode('mov', 1, { operandSize: 64 })).toThrow(/no operand size 64/);
    expect(encode('lea', 0, { reg: 0, rm: 0 })).toThrow(/no register operand/);
    expect(encode('mov', 1, { addressSize: 64 })).toThrow(/no address size 64/);
  });
});

const show = (value: unknown): string =>
  JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? `${each}n` : each)) ?? 'undefined';
