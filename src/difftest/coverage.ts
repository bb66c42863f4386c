/** What the vectors covered, per form, row and flag; and where that is too little. */
import type { ReferenceOutcome } from './reference-oracle.ts';
import { constantFlags, type TestForm } from './test-form.ts';

const FLAG_BITS = { CF: 0x1, PF: 0x4, AF: 0x10, ZF: 0x40, SF: 0x80, DF: 0x400, OF: 0x800 } as const;
type Flag = keyof typeof FLAG_BITS;

/** In this share of a row's vectors at least, each flag that it writes should come out 0, and 1. */
export const FLAG_SHARE = 0.002;

export interface RowCoverage {
  readonly mnemonic: string;
  forms: number;
  vectors: number;
  faults: number;
  /** Per flag that the row writes: how often it came out 0 and 1, defined. */
  readonly flags: Map<Flag, [zeros: number, ones: number]>;
  /** Flags that every form leaves constant. */
  constant: Set<string> | undefined;
}

export class Coverage {
  readonly rows = new Map<string, RowCoverage>();
  readonly #shortForms: string[] = [];
  readonly #constants = new Map<TestForm, ReadonlySet<string>>();

  add(form: TestForm, { ending, final, undefinedFlags }: ReferenceOutcome): void {
    const row = this.#row(form);
    row.vectors++;
    if (ending.kind === 'fault') {
      row.faults++;
      return;
    }
    for (const flag of form.pattern.row.flags.writes ?? []) {
      const bit = FLAG_BITS[flag];
      if (undefinedFlags & bit) continue;
      const counts = row.flags.get(flag) ?? [0, 0];
      counts[final.flags & bit ? 1 : 0]++;
      row.flags.set(flag, counts);
    }
  }

  finishForm(form: TestForm, made: number, wanted: number): void {
    const row = this.#row(form);
    row.forms++;
    if (made < wanted) this.#shortForms.push(`${form.name}: ${made} of ${wanted} vectors`);
    const constant = this.#constants.get(form) ?? constantFlags(form.form);
    row.constant = new Set([...(row.constant ?? constant)].filter((flag) => constant.has(flag)));
  }

  #row({ pattern }: TestForm): RowCoverage {
    const { mnemonic } = pattern.row;
    let row = this.rows.get(mnemonic);
    if (row === undefined) {
      row = { mnemonic, forms: 0, vectors: 0, faults: 0, flags: new Map(), constant: undefined };
      this.rows.set(mnemonic, row);
    }
    return row;
  }

  /**
   * What fell short of the floors: vectors of each form; some vector without an exception; each flag that a row writes,
   * seen as 0 and as 1 in at least `share` of the vectors that define it (rounded down).
   */
  shortfalls({ share }: { readonly share: number }): string[] {
    const found = [...this.#shortForms];
    for (const { mnemonic, flags, constant, vectors, faults } of this.rows.values()) {
      if (vectors > 0 && faults === vectors && !ALWAYS_FAULT.has(mnemonic)) {
        found.push(`${mnemonic}: every vector raised an exception`);
      }
      for (const [flag, [zeros, ones]] of flags) {
        const floor = Math.floor((zeros + ones) * share);
        if (!constant?.has(flag) && Math.min(zeros, ones) < floor) {
          found.push(`${mnemonic}: ${flag} was 0 ${zeros} times, 1 ${ones} times; floor ${floor}`);
        }
      }
    }
    return found;
  }

  /** A table, one line per row. */
  report(): string {
    const lines = [...this.rows.values()].map(({ mnemonic, forms, vectors, faults, flags }) => {
      const columns = [...flags].map(([flag, [zeros, ones]]) => `${flag} ${zeros}/${ones}`);
      return `${mnemonic.padEnd(12)} ${String(forms).padStart(4)} forms ${String(vectors).padStart(8)} vectors ${String(faults).padStart(7)} faults  ${columns.join('  ')}`;
    });
    return ['row, forms, vectors, exceptions, flags (0/1)', ...lines].join('\n');
  }
}

/** Rows that user mode may not execute, or whose purpose is to fault. */
const ALWAYS_FAULT: ReadonlySet<string> = new Set([
  'ud2',
  'ud1',
  'ud0',
  'hlt',
  'cli',
  'sti',
  'clts',
  'lmsw',
  'invd',
  'wbinvd',
  'invlpg',
  'lgdt',
  'lidt',
  'lldt',
  'ltr',
  'rdmsr',
  'wrmsr',
  'in',
  'out',
  'insb',
  'insw',
  'outsb',
  'outsw',
  'sysexit',
  'sysret',
  'swapgs',
  'int3',
  'rsm',
]);
