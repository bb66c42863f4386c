/** What is to be tested: every row × encoding × operand size × register or memory × mode, and why some are left out. */

import { type EncodingPattern, operandSizeOf, parseEncodings } from '../isa/encoding.ts';
import type { InstructionRow } from '../isa/instruction.ts';
import { type Form, traceForm } from '../isa/trace.ts';
import type { VectorMode } from './address-space.ts';
import type { FormStatement, FormValue } from './statement-facts.ts';

export interface TestForm {
  readonly pattern: EncodingPattern;
  readonly mode: VectorMode;
  readonly operandSize: 16 | 32 | 64;
  /** ModR/M.rm is memory. */
  readonly memory: boolean;
  readonly condition: number;
  readonly repeat: 'none' | 'repe' | 'repne';
  readonly form: Form;
  readonly name: string;
}

/** Rows that are not run on the host, by mnemonic, with the reason. */
export const NOT_ON_HOST: Readonly<Record<string, string>> = {
  int: 'enters the host kernel',
  int1: 'a debug trap, which the host kernel may reinterpret',
  syscall: 'enters the host kernel',
  sysenter: 'enters the host kernel',
  sysret: 'exists on Intel CPUs in 64-bit mode only',
  reservednop: 'AMD CPUs have no register form of 0F 0D; Intel CPUs take it as NOP',
  retf: 'loads segments from the host kernel’s tables',
  iret: 'loads segments from the host kernel’s tables',
  lds: 'loads segments from the host kernel’s tables',
  les: 'loads segments from the host kernel’s tables',
  lss: 'loads segments from the host kernel’s tables',
  lfs: 'loads segments from the host kernel’s tables',
  lgs: 'loads segments from the host kernel’s tables',
  lar: 'reads the host kernel’s descriptors',
  lsl: 'reads the host kernel’s descriptors',
  verr: 'reads the host kernel’s descriptors',
  verw: 'reads the host kernel’s descriptors',
  sgdt: 'forbidden to user code by UMIP, or shows the host kernel’s tables',
  sidt: 'forbidden to user code by UMIP, or shows the host kernel’s tables',
  sldt: 'forbidden to user code by UMIP, or shows the host kernel’s tables',
  str: 'forbidden to user code by UMIP, or shows the host kernel’s tables',
  smsw: 'forbidden to user code by UMIP, or shows the host kernel’s CR0',
  cpuid: 'describes the host CPU',
  rdtsc: 'reads the host’s clock',
  rdtscp: 'reads the host’s clock',
  rdpmc: 'reads the host’s counters',
};

/** Why this form is not run on the host, or undefined. */
export function hostExclusion({ pattern }: { pattern: EncodingPattern }): string | undefined {
  const { row, operands } = pattern;
  const reason = NOT_ON_HOST[row.mnemonic];
  if (reason !== undefined) return reason;
  if (operands.some(({ kindName }) => kindName === 'mfar' || kindName === 'far')) {
    return 'loads segments from the host kernel’s tables';
  }
  if (
    pattern.writesSegment ||
    operands.some(({ kind, access }) => kind.fixedClass === 'segment' && access.includes('w'))
  ) {
    return 'loads segments from the host kernel’s tables';
  }
  if (operands.some(({ kind }) => kind.source === 'control' || kind.source === 'debug')) return undefined;
  return undefined;
}

/** All forms of the rows in some modes. */
export function enumerateForms(rows: readonly InstructionRow[], modes: readonly VectorMode[] = [32, 64]): TestForm[] {
  return parseEncodings(rows).flatMap((pattern) =>
    modes.filter((mode) => pattern.modes.includes(mode)).flatMap((mode) => formsOf(pattern, mode)),
  );
}

function formsOf(pattern: EncodingPattern, mode: VectorMode): TestForm[] {
  const forms: TestForm[] = [];
  if (!pattern.addressSizes.some((size) => (mode === 64 ? size !== 16 : size !== 64))) return forms;
  const seen = new Set<string>();
  const { row } = pattern;
  for (const operandSize of reachableSizes(pattern, mode)) {
    for (const memory of memoryChoices(pattern)) {
      for (const condition of pattern.low === 'condition' ? Array.from({ length: 16 }, (_, code) => code) : [0]) {
        const form = traceForm({
          row,
          encoding: pattern.encoding,
          memory: memory,
          operandSize,
          addressSize: pattern.addressSizes.includes(mode) ? mode : mode === 32 ? 16 : 32,
          stackSize: mode,
          longMode: mode === 64,
          condition,
        });
        // Forms whose semantics do not look at the operand size are one form.
        const shape = fingerprint(form.statements);
        if (seen.has(`${memory} ${condition} ${shape}`)) continue;
        seen.add(`${memory} ${condition} ${shape}`);
        const repeats =
          row.repeat === undefined
            ? (['none'] as const)
            : row.repeat === 'rep'
              ? (['none', 'repe'] as const)
              : (['none', 'repe', 'repne'] as const);
        for (const repeat of repeats) {
          const name = [
            ...(repeat === 'none' ? [] : [repeat]),
            row.mnemonic + (pattern.low === 'condition' ? `(${condition})` : ''),
            `'${pattern.encoding.join(', ')}'`,
            `o${operandSize}`,
            ...(memory ? ['memory'] : []),
            `${mode}-bit`,
          ].join(' ');
          forms.push({ pattern, mode, operandSize, memory, condition, repeat, form, name });
        }
      }
    }
  }
  return forms;
}

const hasImplicitMemory = (pattern: EncodingPattern): boolean =>
  pattern.operands.some(({ kind }) => kind.source === 'memoryOffset' || kind.source === 'stringSource');

function memoryChoices(pattern: EncodingPattern): boolean[] {
  if (pattern.modrm === 'none') return [hasImplicitMemory(pattern)];
  return pattern.form === 'either' ? [false, true] : [pattern.form === 'memory'];
}

/** The size without prefixes first, so that it names the form when the size does not matter. */
function reachableSizes(pattern: EncodingPattern, mode: VectorMode): (16 | 32 | 64)[] {
  const prefixes =
    mode === 64
      ? [
          [false, false],
          [true, false],
          [false, true],
        ]
      : [
          [false, false],
          [true, false],
        ];
  const sizes = prefixes
    .filter(([prefix66]) => !(prefix66 && (pattern.noPrefix || pattern.mandatoryPrefix === 0x66)))
    .map(([prefix66, rexW]) => operandSizeOf(pattern, mode, prefix66!, rexW!));
  return [...new Set(sizes)].filter((size) => pattern.operandSizes.includes(size));
}

/** Text that two statement lists share if and only if they mean the same. */
const fingerprint = (statements: readonly FormStatement[]): string =>
  JSON.stringify(statements, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));

/** Flags that a form leaves constant or undefined in every case: coverage asks nothing of them. */
export function constantFlags(form: Form): ReadonlySet<string> {
  const constant = new Set<string>();
  const visit = (statements: readonly FormStatement[]) => {
    for (const statement of statements) {
      if (statement.kind === 'flags') {
        for (const [name, value] of Object.entries(statement.values)) if (isConstant(value)) constant.add(name);
      } else if (statement.kind === 'when') {
        visit(statement.then);
        visit(statement.otherwise);
      }
    }
  };
  visit(form.statements);
  return constant;
}

const isConstant = (value: FormValue): boolean => value.op === 'constant' || value.op === 'undefined';
