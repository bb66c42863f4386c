import { describe, expect, it } from 'vitest';
import { manualIndex, manualMnemonics, manualPage } from '../../src/isa/manual-page.ts';
import { INSTRUCTIONS } from '../../src/isa/table.ts';

/** One of each kind: arithmetic, undefined flags, several rows, conditions, strings, helpers, privilege, x87. */
const SHOWN = ['adc', 'shl', 'imul', 'jcc', 'cmpsb', 'cmpxchg', 'enter', 'lgdt', 'fadd'];

describe('the manual', () => {
  it.each(SHOWN)('has the page of %s', async (mnemonic) => {
    await expect(manualPage(INSTRUCTIONS, mnemonic)).toMatchFileSnapshot(`manual-pages/${mnemonic}.md`);
  });

  it('has a section for every row, with all its encodings and something in its operation', () => {
    const pages = manualMnemonics(INSTRUCTIONS).map((mnemonic) => manualPage(INSTRUCTIONS, mnemonic));
    const text = pages.join('\n');
    expect(text.match(/^# /gm)).toHaveLength(INSTRUCTIONS.length);
    expect(text.match(/^\| `/gm)).toHaveLength(INSTRUCTIONS.reduce((sum, { encodings }) => sum + encodings.length, 0));
    expect(text).not.toMatch(/\b(NaN|\[object Object\])|: undefined/);
  });

  it('lists every mnemonic once', () => {
    const listed = [...manualIndex(INSTRUCTIONS).matchAll(/^- \[(\w+)\]/gm)].map(([, name]) => name);
    expect(listed).toEqual(manualMnemonics(INSTRUCTIONS));
    expect(new Set(listed).size).toBe(listed.length);
  });
});
