import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/difftest/random.ts';
import { encodePattern } from '../../src/isa/encode-instruction.ts';
import { type EncodingPattern, type Mode, parseEncodings } from '../../src/isa/encoding.ts';
import { createMnemonicIndex } from '../../src/isa/mnemonics.ts';
import { INSTRUCTIONS } from '../../src/isa/table.ts';
import { fieldsOf } from '../support/instruction-fields.ts';

const SLOT = 16;
const MACHINES = { 16: 'i8086', 32: 'i386', 64: 'i386:x86-64' } as const;
const patterns = parseEncodings(INSTRUCTIONS);

/** Every name of every pattern. */
const names = new Map<EncodingPattern, Set<string>>();
for (const [name, uses] of createMnemonicIndex(patterns)) {
  for (const { pattern } of uses) names.set(pattern, (names.get(pattern) ?? new Set()).add(name));
}

interface Line {
  readonly length: number;
  readonly text: string;
}

/** Lines of objdump that start at a slot, by slot number. */
function runObjdump(code: Uint8Array, mode: Mode): Map<number, Line> {
  const directory = mkdtempSync(join(tmpdir(), 'vetro-objdump-'));
  try {
    const file = join(directory, 'code');
    writeFileSync(file, code);
    const output = execFileSync(
      'objdump',
      ['-D', '-w', '-z', '-b', 'binary', '-m', MACHINES[mode], '-M', 'intel', '--insn-width=16', file],
      { encoding: 'utf8', maxBuffer: 1 << 28 },
    );
    const lines = new Map<number, Line>();
    for (const match of output.matchAll(/^\s*([0-9a-f]+):\t((?:[0-9a-f]{2} )+)\s*(?:\t(.*))?$/gm)) {
      const address = Number.parseInt(match[1], 16);
      if (address % SLOT === 0)
        lines.set(address / SLOT, { length: match[2].trim().split(' ').length, text: match[3] ?? '' });
    }
    return lines;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** objdump's mnemonic: the first word that is no prefix. */
const mnemonicOf = (text: string): string =>
  text
    .replace(/\(.*? only\)/, '')
    .split(/\s+/)
    .find(
      (word) => !/^(lock|rep\w*|data16|data32|addr\d+|rex(\.\w+)?|[c-gs]s|bnd|notrack|xacquire|xrelease)$/.test(word),
    ) ?? '';

/** Where objdump names things its own way. */
function isName(pattern: EncodingPattern, word: string): boolean {
  const own = names.get(pattern)!;
  return (
    own.has(word) ||
    (word === 'movabs' && own.has('mov')) ||
    [...own].some((name) => /^[a-z0-9]+[bwdq]$/.test(name) && name.slice(0, -1) === word) ||
    (/[wdlq]$/.test(word) && own.has(word.slice(0, -1)))
  );
}

/** Rows that objdump knows less of than CPUs and iced-x86 do: SALC, WBINVD after 66, FWAIT after REX.W, most hints, names of NOP. */
const UNKNOWN = new Set(['salc', 'reservednop', 'nop', 'wbinvd', 'fwait']);
/** Undocumented second encodings of x87 instructions, which objdump calls bad. */
const UNKNOWN_OPCODE = /^(D9 D8|DC D0|DC D8|DD C8|DE D0|DF C8|DF D0|DF D8)\+i$/;

describe('objdump splits and names the code that we encode', () => {
  it.each([16, 32, 64] as const)(
    'in %i-bit mode',
    (mode) => {
      const random = new Random(200 + mode);
      const expected: { pattern: EncodingPattern; bytes: number[] }[] = [];
      for (const pattern of patterns) {
        if (UNKNOWN.has(pattern.row.mnemonic) || UNKNOWN_OPCODE.test(pattern.encoding[0])) continue;
        for (const fields of fieldsOf(pattern, mode, 3, random)) {
          const bytes = encodePattern(pattern, fields);
          if (typeof bytes !== 'string' && bytes.length <= SLOT) expected.push({ pattern, bytes });
        }
      }
      const code = new Uint8Array(expected.length * SLOT).fill(0x90);
      for (const [slot, { bytes }] of expected.entries()) code.set(bytes, slot * SLOT);
      const lines = runObjdump(code, mode);
      const wrong = expected.flatMap(({ pattern, bytes }, slot) => {
        const line = lines.get(slot);
        if (line && line.length === bytes.length && isName(pattern, mnemonicOf(line.text))) return [];
        const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
        return [
          `${hex}: ${pattern.row.mnemonic} '${pattern.encoding.join(', ')}', objdump: ${line?.length} ${line?.text}`,
        ];
      });
      console.log(`${mode}-bit: ${expected.length} instructions held against objdump`);
      expect(wrong.slice(0, 40)).toEqual([]);
      expect(expected.length).toBeGreaterThan(7_000);
    },
    60_000,
  );
});
