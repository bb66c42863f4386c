/**
 * What an instruction does, bound to its operands, wherever it stands: the instruction pointer is the input `ip`. What
 * the translator wants to know of it is worked out once, for all places where the same bytes are met.
 */
import { findNeeded } from '../../../ir/liveness.ts';
import { Simplifier } from '../../../ir/simplify.ts';
import { isOperation, type Temporary, type Value } from '../../../ir/value.ts';
import { forEachStatement, forEachUse, resultsOf, someStatement } from '../../../ir/visit.ts';
import { bindForm } from '../../../isa/bind-form.ts';
import type { DecodedInstruction } from '../../../isa/decoded-instruction.ts';
import type { Place, SegmentRef } from '../../../isa/operand.ts';
import { STATUS_FLAGS } from '../../../isa/semantics.ts';
import { partialHelper } from '../../lowering/emitted-helpers.ts';
import type { FormStatement } from '../../lowering/form-lowering.ts';
import { FLAG_WORDS, PLACE_LOCATIONS } from '../../lowering/place-locations.ts';
import { isRestartable } from '../../lowering/restartable.ts';
import { countUses } from '../../lowering/value-lowering.ts';
import { findX87Effect, type X87Effect } from '../lowering/x87/x87-effect.ts';

/** What an instruction does with control. */
export type Transfer =
  | { readonly kind: 'none' }
  /** To an instruction `distance` bytes from this one. */
  | { readonly kind: 'direct'; readonly distance: number; readonly conditional: boolean; readonly returns: boolean }
  /** `returns`: as a call does, it leaves in memory where to come back to. */
  | { readonly kind: 'computed'; readonly conditional: boolean; readonly returns: boolean };

/** Temporaries from here on are those of the instruction that has set the flags. */
export const FOREIGN = 1 << 16;
/** Sets of status flags as bits. */
export type FlagSet = number;
export const ALL_FLAGS: FlagSet = 2 ** STATUS_FLAGS.length - 1;

/** Statements that somebody needs, and the flags that somebody may look at before them. */
export interface NeededForm {
  readonly statements: readonly FormStatement[];
  /** How often values are used in them. */
  readonly uses: ReadonlyMap<Value, number>;
  readonly liveBefore: FlagSet;
}

const NO_FLAGS: ReadonlyMap<string, Value> = new Map();
const NO_TEMPORARIES: ReadonlySet<number> = new Set();

/** Instructions for which it is kept what comes of their flags; then all are forgotten. */
const MOST_GIVERS = 32;

export class BoundForm {
  readonly statements: readonly FormStatement[];
  readonly transfer: Transfer;
  /** Nothing that it does can fail half-way. */
  readonly isRestartable: boolean;
  /** It does nothing but raise a fault. */
  readonly onlyFaults: boolean;
  /** Flags that it gives values which others may use in its stead. */
  readonly gives: ReadonlyMap<string, Value>;
  /** It changes flags in ways that `gives` does not say. */
  readonly changesFlags: boolean;
  /** It gives flags of a vector of carries, but keeps CF. */
  readonly keepsCarry: boolean;
  /** General registers that it reads or writes, and that it writes, as bits. */
  readonly registers: number;
  readonly registersWritten: number;
  /** What it does with the x87's register stack; undefined: nothing. */
  readonly x87: X87Effect | undefined;
  readonly #readsFlags: boolean;
  readonly #needed = new Map<number, NeededForm>();
  readonly #withFlags = new Map<BoundForm, BoundForm>();
  #temporaries: ReadonlySet<number> | undefined;

  private constructor(statements: readonly FormStatement[]) {
    this.statements = statements;
    const traits = traitsOf(statements);
    this.registersWritten = traits.written;
    this.registers = traits.written | traits.read;
    this.onlyFaults = traits.onlyFaults;
    this.keepsCarry = traits.keepsCarry;
    this.changesFlags = traits.changesFlags;
    this.#readsFlags = traits.readsFlags;
    this.transfer = transferOf(statements);
    this.isRestartable = isRestartable(statements, partialHelper);
    this.x87 = this.isRestartable && traits.calls ? findX87Effect(statements) : undefined;
    this.gives = traits.changesFlags ? flagsGiven(statements) : NO_FLAGS;
  }

  static bind(form: readonly FormStatement[], instruction: DecodedInstruction): BoundForm {
    const bound = bindForm(form, instruction, { op: 'input', width: 32, name: 'ip' });
    // In a flat segment every target can be reached.
    return new BoundForm(withoutRefusals(bound.filter(({ kind }) => kind !== 'checkTarget')));
  }

  /** `live`: status flags that somebody may look at behind it. `lends`: its temporaries are used behind it. */
  needed(live: FlagSet, { lends }: { readonly lends: boolean }): NeededForm {
    const key = live * 2 + (lends ? 1 : 0);
    let needed = this.#needed.get(key);
    if (needed === undefined) this.#needed.set(key, (needed = this.#findNeeded(live, lends)));
    return needed;
  }

  /** The same with the values for flags that an instruction before it gives, in place of reading them. */
  withFlagsOf(giver: BoundForm): BoundForm {
    if (!this.#readsFlags) return this;
    let form = this.#withFlags.get(giver);
    if (form === undefined) {
      if (this.#withFlags.size >= MOST_GIVERS) this.#withFlags.clear();
      this.#withFlags.set(giver, (form = this.#substitute(giver)));
    }
    return form;
  }

  /** It uses temporaries of another. */
  get borrows(): boolean {
    let borrows = false;
    forEachUse(this.statements, (value) => {
      if (value.op === 'temporary' && value.id >= FOREIGN) borrows = true;
    });
    return borrows;
  }

  #findNeeded(live: FlagSet, lends: boolean): NeededForm {
    let locations = PLACE_LOCATIONS.all;
    for (let index = 0; index < STATUS_FLAGS.length; index++)
      if ((live & (1 << index)) === 0) locations &= ~PLACE_LOCATIONS.flags[STATUS_FLAGS[index]];
    // Words that hold flags are looked at when something leaves; that is said by the flags themselves.
    if (live !== ALL_FLAGS) locations &= ~FLAG_WORDS;
    const temporaries = lends ? (this.#temporaries ??= temporariesOf(this.statements)) : NO_TEMPORARIES;
    const after = { locations, temporaries };
    const { statements, before } = findNeeded(this.statements, after, PLACE_LOCATIONS);
    let liveBefore = 0;
    for (let index = 0; index < STATUS_FLAGS.length; index++)
      if ((before.locations & PLACE_LOCATIONS.flags[STATUS_FLAGS[index]]) !== 0) liveBefore |= 1 << index;
    return { statements, uses: countUses(statements), liveBefore };
  }

  #substitute(giver: BoundForm): BoundForm {
    if (giver.gives.size === 0) return this;
    const values = new Map<number, Value>();
    const kept = this.statements.filter((one) => {
      const value = one.kind === 'read' && one.place.space === 'flag' ? giver.gives.get(one.place.flag) : undefined;
      if (value === undefined || one.kind !== 'read') return true;
      values.set(one.result.id, value);
      return false;
    });
    if (values.size === 0) return this;
    const foreign = new Simplifier<Place, SegmentRef>({
      leaf: (value) => (value.op === 'temporary' ? { ...value, id: value.id + FOREIGN } : undefined),
    });
    for (const [id, value] of values) values.set(id, foreign.value(value));
    const leaf = (value: Value) => (value.op === 'temporary' ? values.get(value.id) : undefined);
    return new BoundForm(new Simplifier<Place, SegmentRef>({ leaf }).statements(kept));
  }
}

/** What statements do, in branches or not. */
function traitsOf(statements: readonly FormStatement[]) {
  // General registers read and written, as bits.
  const traits = {
    read: 0,
    written: 0,
    onlyFaults: false,
    keepsCarry: false,
    changesFlags: false,
    readsFlags: false,
    calls: false,
  };
  forEachStatement(statements, (one) => {
    if (mayChangeFlags(one)) traits.changesFlags = true;
    switch (one.kind) {
      case 'read':
        if (one.place.space === 'gpr') traits.read |= 1 << one.place.register;
        if (one.place.space === 'flag') traits.readsFlags = true;
        break;
      case 'write':
        if (one.place.space === 'gpr') traits.written |= 1 << one.place.register;
        break;
      case 'flags':
        if (one.values.OF?.op === 'overflow' && one.values.CF === undefined) traits.keepsCarry = true;
        break;
      case 'raise':
        if (one.condition === undefined) traits.onlyFaults = true;
        break;
      case 'call':
        traits.calls = true;
        break;
    }
  });
  return traits;
}

/** Helpers whose code is part of the form either do all of their work, as the first result says, or decline before. */
function withoutRefusals(statements: readonly FormStatement[]): readonly FormStatement[] {
  const granted = new Set<number>();
  for (const one of statements) {
    if (one.kind === 'call' && one.results.length > 0 && partialHelper(one.helper)) granted.add(one.results[0].id);
  }
  if (granted.size === 0) return statements;
  return statements.flatMap((one) =>
    one.kind === 'when' && one.condition.op === 'temporary' && granted.has(one.condition.id) ? one.then : [one],
  );
}

function temporariesOf(statements: readonly FormStatement[]): ReadonlySet<number> {
  const all = new Set<number>();
  forEachStatement(statements, (one) => {
    for (const { id } of resultsOf(one) as readonly Temporary[]) all.add(id);
  });
  return all;
}

function transferOf(statements: readonly FormStatement[]): Transfer {
  const last = statements.at(-1);
  if (last?.kind !== 'jump') return { kind: 'none' };
  const conditional = last.condition !== undefined;
  // What is stored before a jump is, as a rule, where to come back to.
  const returns = statements.some(({ kind }) => kind === 'store');
  const distance = distanceOf(last.target);
  return distance === undefined
    ? { kind: 'computed', conditional, returns }
    : { kind: 'direct', distance, conditional, returns };
}

/** Of a target that is the instruction pointer plus a constant. */
function distanceOf(value: Value): number | undefined {
  if (value.op === 'input' && value.name === 'ip') return 0;
  if (!isOperation(value) || value.op !== 'add') return undefined;
  const [base, distance] = value.args;
  if (base.op !== 'input' || base.name !== 'ip' || distance.op !== 'constant') return undefined;
  return Number(BigInt.asIntN(32, distance.value));
}

/** Values that are the flags' behind the instruction. */
function flagsGiven(statements: readonly FormStatement[]): ReadonlyMap<string, Value> {
  const last = statements.findLast(({ kind }) => kind === 'flags');
  if (last?.kind !== 'flags' || statements.some((one) => one !== last && someStatement([one], mayChangeFlags))) {
    return new Map();
  }
  return new Map(Object.entries(last.values).filter(([, value]) => value.op !== 'undefined'));
}

function mayChangeFlags(statement: FormStatement): boolean {
  if (statement.kind === 'call') return partialHelper(statement.helper) === undefined;
  if (statement.kind === 'flags') return true;
  return statement.kind === 'write' && (statement.place.space === 'flag' || statement.place.space === 'state');
}
