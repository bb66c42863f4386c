/**
 * All forms that guests have used, by number. A form is a row's encoding specialised to sizes, to register or memory,
 * to a repeat prefix and a condition. Forms are traced when they are first met.
 */
import { InternalError } from '../../base/errors.ts';
import { findNeededInSequence } from '../../ir/liveness.ts';
import { ValueInterner } from '../../ir/value-interner.ts';
import type { DecodedInstruction } from '../../isa/decoded-instruction.ts';
import type { Encoding, InstructionRow } from '../../isa/instruction.ts';
import { OPERAND_KINDS, type OperandKind } from '../../isa/operand-kind.ts';
import { type Form, type FormKey, traceForm } from '../../isa/trace.ts';
import type { FormStatement } from '../lowering/form-lowering.ts';
import { PLACE_LOCATIONS } from '../lowering/place-locations.ts';
import { isRestartable } from '../lowering/restartable.ts';
import type { ColdForm } from './cold-lowering.ts';
import { FREQUENT_PAIRS, FREQUENT_WITH_SEGMENT } from './frequent-pairs.ts';
import { fusableConditions, fuse, isFlagBranch } from './fusion.ts';
import { PSEUDO } from './pseudo-handlers.ts';

/** A handler of the loop. */
export interface HotHandler {
  /** Statements of one form, or of two that follow each other. */
  readonly forms: readonly (readonly FormStatement[])[];
  /** For a memory operand in FS or GS, or in any segment that is not flat. */
  readonly segmented: boolean;
}

export interface CatalogForm extends ColdForm {
  readonly key: FormKey | undefined;
  /** Index of the form's function in the table. */
  readonly number: number;
  /** Index of its handler in the loop, if it has one. */
  readonly hotNumber: number | undefined;
  /** Likewise, with a memory operand in FS or GS. */
  readonly segmentedNumber: number | undefined;
  /** Instructions it stands for. */
  readonly count: 1 | 2;
  readonly wide: boolean;
}

/** Handler numbers are below it. */
const PAIR_KEY = 1 << 16;

const SIZE_CODE = { 16: 0, 32: 1, 64: 2 } as const;
const REPEAT_CODE = { none: 0, repe: 1, repne: 2 } as const;

export class FormCatalog {
  /** Handlers of the loop, in the order of their numbers. */
  readonly hotHandlers: readonly HotHandler[];
  readonly #encodingNumbers = new Map<Encoding, number>();
  readonly #byVariant = new Map<number, CatalogForm>();
  readonly #byKey = new Map<string, CatalogForm>();
  readonly #hotNumbers = new Map<string, number>();
  readonly #segmentedNumbers = new Map<string, number>();
  /** Handlers of pairs, by the numbers of the two. */
  readonly #pairs = new Map<number, number>();
  readonly #firstOfPair = new Map<number, number>();
  /** By `fusedKey`: handlers, and forms that were met. */
  readonly #fusedNumbers = new Map<number, number>();
  readonly #fused = new Map<number, CatalogForm>();
  /** By the numbers of their functions and handlers. */
  readonly #byNumber = new Map<number, CatalogForm>();
  /** Of all forms: they have most of their values in common. */
  readonly #interner = new ValueInterner();
  #next: number;

  /** @param pairs which two handlers there are one for: see `FREQUENT_PAIRS`. @throws TypeError for an unknown one */
  constructor(rows: readonly InstructionRow[], pairs = FREQUENT_PAIRS) {
    for (const row of rows)
      for (const encoding of row.encodings) this.#encodingNumbers.set(encoding, this.#encodingNumbers.size);
    const hot: { name: string; label: string; statements: readonly FormStatement[] }[] = [];
    const producers: typeof hot = [];
    const branches = new Map<number, readonly FormStatement[]>();
    for (const { row, key } of hotKeys(rows)) {
      const { statements, uses } = traceForm(key, this.#interner);
      if (row.repeat || !isRestartable(statements)) continue;
      const name = this.#name(key, 'none', uses);
      const condition = key.encoding[0].includes('+cc') ? `|${key.condition}` : '';
      const form = { name, label: `${key.encoding.join(' ')}|${key.memory ? 'm' : 'r'}${condition}`, statements };
      hot.push(form);
      producers.push(form);
      if (isFlagBranch(statements)) branches.set(key.condition, statements);
    }
    for (const [index, { name, label, statements }] of producers.entries()) {
      this.#hotNumbers.set(name, PSEUDO.COUNT + index);
      for (const condition of fusableConditions(statements)) {
        const fused = fuse(statements, branches.get(condition)!, this.#interner);
        this.#fusedNumbers.set(fusedKey(PSEUDO.COUNT + index, condition), PSEUDO.COUNT + hot.length);
        hot.push({ name: `${name}+${condition}`, label: `${label}+${condition}`, statements: fused });
      }
    }
    const handlers: HotHandler[] = hot.map(({ statements }) => ({ forms: [statements], segmented: false }));
    const byLabel = new Map(hot.map((form, index) => [form.label, { ...form, number: PSEUDO.COUNT + index }]));
    const labelled = (label: string) => {
      const form = byLabel.get(label);
      if (!form) throw new TypeError(`no hot form is written ${label}`);
      return form;
    };
    for (const [label, followers] of Object.entries(pairs)) {
      const first = labelled(label);
      for (const second of followers.map(labelled)) {
        const pair = PSEUDO.COUNT + handlers.length;
        handlers.push({ forms: pairOfForms(first.statements, second.statements), segmented: false });
        this.#pairs.set(first.number * PAIR_KEY + second.number, pair);
        this.#firstOfPair.set(pair, first.number);
      }
    }
    for (const { name, statements } of FREQUENT_WITH_SEGMENT.map(labelled)) {
      handlers.push({ forms: [statements], segmented: true });
      this.#segmentedNumbers.set(name, PSEUDO.COUNT + handlers.length - 1);
    }
    this.hotHandlers = handlers;
    this.#next = PSEUDO.COUNT + handlers.length;
  }

  /** Forms numbered so far, from `firstNumber` on. */
  get size(): number {
    return this.#next;
  }

  /** The handler that does the work of two that follow each other in a block. */
  pairOf(first: number, second: number): number | undefined {
    return this.#pairs.get(first * PAIR_KEY + second);
  }

  /** The handler of the first alone where `number` is that of a pair, else the same number. */
  firstOf(number: number): number {
    return this.#firstOfPair.get(number) ?? number;
  }

  /** The form whose function or handler has a number; of a pair's handler, the first of the two. @throws InternalError if there is none */
  numbered(number: number): CatalogForm {
    const form = this.#byNumber.get(this.firstOf(number));
    if (form === undefined) throw new InternalError(`no form has the handler ${number}`);
    return form;
  }

  /** Different values in the statements of all forms so far. */
  get valueCount(): number {
    return this.#interner.size;
  }

  /** How many pairs have a handler. */
  get pairCount(): number {
    return this.#pairs.size;
  }

  /** The form of a decoded instruction in a mode. */
  formOf(
    instruction: DecodedInstruction,
    mode: { readonly stackSize: 16 | 32 | 64; readonly longMode: boolean },
  ): CatalogForm {
    const { row, encoding, operandSize, addressSize, condition } = instruction;
    const repeat = row.repeat ? instruction.repeat : 'none';
    const memory = instruction.memory !== undefined;
    const variant =
      (((((this.#encodingNumbers.get(encoding)! * 3 + SIZE_CODE[operandSize]) * 3 + SIZE_CODE[addressSize]) * 3 +
        SIZE_CODE[mode.stackSize]) *
        3 +
        REPEAT_CODE[repeat]) *
        2 +
        (memory ? 1 : 0)) *
        32 +
      condition * 2 +
      (mode.longMode ? 1 : 0);
    let form = this.#byVariant.get(variant);
    if (!form) {
      form = this.#add(
        {
          row,
          encoding,
          memory,
          operandSize,
          addressSize,
          stackSize: mode.stackSize,
          longMode: mode.longMode,
          condition,
        },
        repeat,
      );
      this.#byVariant.set(variant, form);
    }
    return form;
  }

  /** The fused form of a compare and the branch that follows, if there is one. */
  fusedForm(first: CatalogForm, second: CatalogForm): CatalogForm | undefined {
    if (first.hotNumber === undefined || second.hotNumber === undefined || !first.key || !second.key) return undefined;
    const key = fusedKey(first.hotNumber, second.key.condition);
    const hotNumber = this.#fusedNumbers.get(key);
    if (hotNumber === undefined || !isFlagBranch(second.statements)) return undefined;
    const known = this.#fused.get(key);
    if (known) return known;
    const form: CatalogForm = {
      key: undefined,
      number: this.#next++,
      hotNumber,
      segmentedNumber: undefined,
      count: 2,
      wide: false,
      statements: this.hotHandlers[hotNumber - PSEUDO.COUNT].forms[0],
      repeat: 'none',
      bulk: undefined,
      addressSize: 32,
      endsBlock: false,
    };
    this.#fused.set(key, form);
    return this.#enter(form);
  }

  /** A form that is no instruction of the table: it only raises a fault. */
  faultForm(vector: number, cause: string, options: { wide: boolean; errorCode?: number }): CatalogForm {
    const name = `fault ${vector} ${cause} ${options.wide}`;
    const known = this.#byKey.get(name);
    if (known) return known;
    const error = options.errorCode === undefined ? {} : { errorCode: options.errorCode };
    return this.#register(name, {
      key: undefined,
      number: this.#next++,
      hotNumber: undefined,
      segmentedNumber: undefined,
      count: 1,
      wide: options.wide,
      statements: [{ kind: 'raise', vector, ...error, cause }],
      repeat: 'none',
      bulk: undefined,
      addressSize: 32,
      endsBlock: true,
    });
  }

  #add(key: FormKey, repeat: 'none' | 'repe' | 'repne'): CatalogForm {
    const { row, addressSize } = key;
    const form = traceForm(key, this.#interner);
    // Parts of the context that the semantics never looked at make no difference.
    const name = this.#name(key, repeat, form.uses);
    const known = this.#byKey.get(name);
    if (known) return known;
    // A block goes on behind a conditional branch.
    const last = form.statements.at(-1);
    const endsBlock = last?.kind === 'jump' ? last.condition === undefined : Boolean(row.endsBlock);
    return this.#register(name, {
      key,
      number: this.#next++,
      hotNumber: this.#hotNumbers.get(name),
      segmentedNumber: this.#segmentedNumbers.get(name),
      count: 1,
      wide: key.longMode,
      statements: form.statements,
      repeat: repeat === 'none' ? 'none' : row.repeat === 'repe' ? repeat : 'rep',
      bulk: repeat === 'none' ? undefined : row.bulk,
      addressSize,
      endsBlock,
    });
  }

  #register(name: string, form: CatalogForm): CatalogForm {
    this.#byKey.set(name, form);
    return this.#enter(form);
  }

  #enter(form: CatalogForm): CatalogForm {
    for (const number of [form.number, form.hotNumber, form.segmentedNumber]) {
      if (number !== undefined) this.#byNumber.set(number, form);
    }
    return form;
  }

  #name(key: FormKey, repeat: string, uses: Form['uses']): string {
    return [
      this.#encodingNumbers.get(key.encoding),
      key.operandSize,
      uses.addressSize || key.row.repeat ? key.addressSize : 0,
      uses.stackSize ? key.stackSize : 0,
      key.memory,
      key.condition,
      repeat,
      key.longMode,
    ].join(' ');
  }
}

/** Of a compare, by the number of its handler, and the branch on a condition behind it. */
const fusedKey = (hotNumber: number, condition: number): number => hotNumber * 16 + condition;

/** Two forms that follow each other. Nobody sees the first's flags if the second sets them anew before it could leave. */
function pairOfForms(first: readonly FormStatement[], second: readonly FormStatement[]): HotHandler['forms'] {
  const both = [first, second];
  const mayGain = both.every((statements) => statements.some(({ kind }) => kind === 'flags'));
  return mayGain ? findNeededInSequence(both, PLACE_LOCATIONS.all, PLACE_LOCATIONS) : both;
}

/** The forms of 32-bit code with 32-bit operands and addresses. */
function* hotKeys(rows: readonly InstructionRow[]): Generator<{ row: InstructionRow; key: FormKey }> {
  for (const row of rows) {
    if (row.privileged || row.protectedOnly || row.x87) continue;
    for (const encoding of row.encodings) {
      const words = encoding[0].split(' ');
      if (words.some((word) => word === 'n64' || word === 'o16' || word === 'o64' || word === 'a16' || word === 'a64'))
        continue;
      const kinds = encoding.slice(1).map((name) => OPERAND_KINDS[name as keyof typeof OPERAND_KINDS] as OperandKind);
      if (kinds.some(({ source }) => source === 'segment')) continue;
      const conditions = encoding[0].includes('+cc') ? 16 : 1;
      const choices = kinds.some(({ source }) => source === 'rm')
        ? [false, true]
        : [kinds.some(({ source }) => source === 'memory' || source === 'memoryOffset')];
      for (const memory of choices) {
        for (let condition = 0; condition < conditions; condition++) {
          yield {
            row,
            key: { row, encoding, memory, condition, operandSize: 32, addressSize: 32, stackSize: 32, longMode: false },
          };
        }
      }
    }
  }
}
