import { describe, expect, it } from 'vitest';
import { INSTRUCTIONS } from '../../src/isa/table.ts';
import { readSources, stripComments } from './source-tree.ts';

/** Mnemonics that are also words of the IR (operators, kinds of statement) or English words of ours. */
const OTHER_MEANINGS = new Set([
  'add',
  'sub',
  'mul',
  'and',
  'or',
  'xor',
  'not',
  'neg',
  'shl',
  'shr',
  'sar',
  'call',
  'wait',
]);

describe('the instruction table is the only place that knows instructions', () => {
  it('no mnemonic appears in src/engine', () => {
    const mnemonics = new Set(
      INSTRUCTIONS.flatMap((row) => [row.mnemonic, ...(row.aliases ?? []), ...Object.values(row.mnemonics ?? {})]),
    );
    expect(mnemonics.size).toBeGreaterThan(250);
    const found = readSources('src/engine').flatMap((file) =>
      [...stripComments(file.text).matchAll(/'([a-z0-9]+)'/g)]
        .map((match) => match[1])
        .filter((word) => mnemonics.has(word) && !OTHER_MEANINGS.has(word))
        .map((word) => `${file.path}: '${word}'`),
    );
    expect(found).toEqual([]);
  });
});
