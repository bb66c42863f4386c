/** The manual: a page of Markdown for each mnemonic, from the rows of the table alone. */
import { type EncodingPattern, parseEncodings, type Size } from './encoding.ts';
import type { InstructionRow } from './instruction.ts';
import { type FieldNames, printStatements } from './print-statements.ts';
import { type FormKey, traceForm } from './trace.ts';

/** Condition that the operation of `jcc` and its like is shown for: ZF = 1. */
const SHOWN_CONDITION = 4;

/** All mnemonics of a table, each once, in alphabetical order. */
export const manualMnemonics = (rows: readonly InstructionRow[]): string[] =>
  [...new Set(rows.map(({ mnemonic }) => mnemonic))].sort();

/** The page of a mnemonic: one section for each row. Empty if there is none. */
export function manualPage(rows: readonly InstructionRow[], mnemonic: string): string {
  return rows
    .filter((row) => row.mnemonic === mnemonic)
    .map((row) => section(row))
    .join('\n');
}

/** A list of all pages, as links to `<mnemonic>.md`. */
export function manualIndex(rows: readonly InstructionRow[]): string {
  const entries = manualMnemonics(rows).map((mnemonic) => {
    const summaries = rows.filter((row) => row.mnemonic === mnemonic).map(({ summary }) => summary);
    return `- [${mnemonic}](${mnemonic}.md): ${[...new Set(summaries)].join('; ')}`;
  });
  return ['# Instructions', '', ...LEGEND, '', ...entries, ''].join('\n');
}

const LEGEND = [
  "Encodings and operand kinds are in the notation of Intel's manual: `r` a register, `rm` a register or memory, `imm` an",
  'immediate, each followed by its width in bits, or by `v` for the operand size.',
  '',
  'In an operation, `a`, `b`, … are what was read, `v1`, `v2`, … values used more than once; `:=` changes the state. Numbers',
  'wrap at their width. `carries` and `borrows` are the carries out of all bits, `overflow` the two top bits xored,',
  '`choose(c, x, y)` is x if c holds, else y. Other functions (`loadSegment(…)`, `x87Check(…)`) are those of `src/cpu`.',
];

function section(row: InstructionRow): string {
  const patterns = parseEncodings([row]);
  const { key, note } = shownForm(patterns);
  const operation = printStatements(traceForm(key).statements, fieldNames(patterns, key));
  return [
    `# ${row.mnemonic.toUpperCase()}: ${row.summary}`,
    '',
    `${row.manual}.`,
    '',
    '| encoding | operands | code |',
    '|---|---|---|',
    ...patterns.map(encodingLine),
    '',
    ...[...notes(row), ...flagNotes(row)].map((line) => `- ${line}`),
    '',
    `Operation (${note}):`,
    '',
    '```',
    ...(operation.length > 0 ? operation : ['nothing']),
    '```',
    '',
  ].join('\n');
}

function encodingLine({ encoding, operands, modes }: EncodingPattern): string {
  const [opcode] = encoding;
  const shown = operands.map(({ name, kindName, implicit }) => `${name}: ${kindName}${implicit ? ' (implied)' : ''}`);
  const code = modes.length === 3 ? 'all' : modes.map((mode) => `${mode}-bit`).join(', ');
  return `| \`${opcode}\` | ${shown.join(', ') || 'none'} | ${code} |`;
}

/** What holds besides the operation. */
function notes(row: InstructionRow): string[] {
  const names = [...(row.aliases ?? []), ...Object.values(row.mnemonics ?? {})].filter((name) => name !== row.mnemonic);
  return [
    ...(names.length > 0 ? [`Also written: ${[...new Set(names)].join(', ')}.`] : []),
    ...(row.lockable ? ['LOCK may stand before it if the destination is memory.'] : []),
    ...(row.repeat === 'rep' ? ['REP repeats it while the count in rCX is not 0.'] : []),
    ...(row.repeat === 'repe' ? ['REPE and REPNE repeat it while rCX is not 0 and ZF is 1 or 0.'] : []),
    ...(row.privileged ? ['#GP(0) at CPL other than 0.'] : []),
    ...(row.protectedOnly ? ['#UD in real-address and virtual-8086 mode.'] : []),
    ...(row.x87 ? ['#NM if CR0.EM or CR0.TS is set.'] : []),
    ...(row.x87 === 'wait' ? ['#MF if an unmasked x87 exception is pending.'] : []),
    ...(row.feature ? [`#UD without the CPUID feature ${row.feature}.`] : []),
  ];
}

function flagNotes({ flags }: InstructionRow): string[] {
  const line = (what: string, names: readonly string[] | undefined) =>
    names === undefined || names.length === 0 ? [] : [`Flags ${what}: ${names.join(', ')}.`];
  const all = [
    ...line('read', flags.reads),
    ...line('written', flags.writes),
    ...line('undefined, left alone', flags.undefined),
  ];
  return all.length > 0 ? all : ['No flags are read or written.'];
}

/** The form whose operation is shown: 32-bit code, operands in registers if that can be. */
function shownForm(patterns: readonly EncodingPattern[]): { key: FormKey; note: string } {
  const hasOperandSize = ({ operands }: EncodingPattern) => operands.some(({ kind }) => kind.width === 'v');
  const pattern = patterns.find(hasOperandSize) ?? patterns[0];
  const mode = pattern.modes.includes(32) ? 32 : pattern.modes[0];
  const operandSize: Size = pattern.operandSizes.includes(32) ? 32 : pattern.operandSizes[0];
  const memory = pattern.form === 'memory';
  const key: FormKey = {
    row: pattern.row,
    encoding: pattern.encoding,
    memory,
    operandSize,
    addressSize: pattern.addressSizes.includes(mode) ? mode : pattern.addressSizes[0],
    stackSize: mode,
    longMode: mode === 64,
    condition: SHOWN_CONDITION,
  };
  const words = [
    `\`${pattern.encoding[0]}\` in ${mode}-bit code`,
    ...(hasOperandSize(pattern) ? [`operand size ${operandSize}`] : []),
    ...(pattern.operands.some(({ kind }) => kind.source === 'rm') ? ['operands in registers'] : []),
    ...(pattern.row.repeat ? ['one element'] : []),
    ...(pattern.low === 'condition' ? ['for the condition ZF = 1'] : []),
  ];
  return { key, note: words.join(', ') };
}

/** Operands by the field of the instruction that they are in. */
function fieldNames(patterns: readonly EncodingPattern[], key: FormKey): FieldNames {
  const names: Record<string, string> = {};
  let immediates = 0;
  for (const { name, kind } of patterns.find(({ encoding }) => encoding === key.encoding)!.operands) {
    switch (kind.source) {
      case 'reg':
      case 'segment':
      case 'control':
      case 'debug':
        names.reg = name;
        break;
      case 'rm':
      case 'rmReg':
      case 'opcode':
      case 'stack87':
        names.rm = name;
        break;
      case 'immediate':
      case 'relative':
        names[immediates++ === 0 ? 'immediate' : 'immediate2'] = name;
        break;
      case 'farPointer':
        names.immediate = `${name}.offset`;
        names.immediate2 = `${name}.selector`;
        break;
    }
  }
  return names;
}
