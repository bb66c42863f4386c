/** Names of instructions in assembly text, both ways: all of them come from the rows. */
import { type EncodingPattern, type Mode, operandSizeOf, SIZES, type Size } from './encoding.ts';
import type { InstructionRow } from './instruction.ts';

/** Names of the 16 conditions; the first is the one that is printed. SDM Vol. 1, "EFLAGS Condition Codes". */
const CONDITIONS: readonly (readonly string[])[] = [
  ['o'],
  ['no'],
  ['b', 'c', 'nae'],
  ['ae', 'nb', 'nc'],
  ['e', 'z'],
  ['ne', 'nz'],
  ['be', 'na'],
  ['a', 'nbe'],
  ['s'],
  ['ns'],
  ['p', 'pe'],
  ['np', 'po'],
  ['l', 'nge'],
  ['ge', 'nl'],
  ['le', 'ng'],
  ['g', 'nle'],
];

/** What a name in assembly text may mean. */
export interface MnemonicUse {
  readonly pattern: EncodingPattern;
  readonly condition: number;
  /** Operand sizes that the name stands for; undefined: it says nothing about the size. */
  readonly operandSizes: readonly Size[] | undefined;
  /** The name includes an FWAIT before the instruction. */
  readonly waits: boolean;
}

const isConditional = (row: InstructionRow): boolean => row.mnemonic.endsWith('cc');

/** All names of a table with what they may mean, in the order of the table. */
export function createMnemonicIndex(patterns: readonly EncodingPattern[]): Map<string, MnemonicUse[]> {
  const index = new Map<string, MnemonicUse[]>();
  const add = (name: string, use: MnemonicUse) => {
    const uses = index.get(name);
    if (uses) uses.push(use);
    else index.set(name, [use]);
  };
  for (const pattern of patterns) {
    const { row } = pattern;
    if (isConditional(row)) {
      for (const name of [row.mnemonic, ...(row.aliases ?? [])]) {
        const stem = name.endsWith('cc') ? name.slice(0, -2) : name;
        CONDITIONS.forEach((suffixes, condition) => {
          for (const suffix of suffixes)
            add(stem + suffix, { pattern, condition, operandSizes: undefined, waits: false });
        });
      }
      continue;
    }
    const sized = new Map<string, Size[]>();
    for (const size of SIZES) {
      const name = row.mnemonics?.[size];
      if (name !== undefined) sized.set(name, [...(sized.get(name) ?? []), size]);
    }
    for (const [name, operandSizes] of sized) add(name, { pattern, condition: 0, operandSizes, waits: false });
    for (const name of [row.mnemonic, ...(row.aliases ?? [])]) {
      if (!sized.has(name)) add(name, { pattern, condition: 0, operandSizes: undefined, waits: false });
      // FINIT is FWAIT and FNINIT: the manual lists both names for instructions that do not wait.
      if (row.x87 === 'noWait' && name.startsWith('fn')) {
        add(`f${name.slice(2)}`, { pattern, condition: 0, operandSizes: undefined, waits: true });
      }
    }
  }
  return index;
}

/** The name to print for an instruction, and whether it tells the operand size. */
export function mnemonicOf(
  pattern: EncodingPattern,
  { condition, operandSize, mode }: { condition: number; operandSize: Size; mode: Mode },
): { readonly name: string; readonly tellsSize: boolean } {
  const { row } = pattern;
  if (isConditional(row)) return { name: row.mnemonic.slice(0, -2) + CONDITIONS[condition][0], tellsSize: false };
  const sized = row.mnemonics?.[operandSize];
  if (sized === undefined) return { name: row.mnemonic, tellsSize: false };
  const neutral = !Object.values(row.mnemonics!).includes(row.mnemonic);
  if (neutral && operandSize === operandSizeOf(pattern, mode, false, false)) {
    return { name: row.mnemonic, tellsSize: true };
  }
  return { name: sized, tellsSize: true };
}
