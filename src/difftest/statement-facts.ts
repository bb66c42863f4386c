/** What the statements of a form tell the generator: which registers are addresses, whether it jumps, what it calls. */
import type { Place } from '../isa/operand.ts';
import { GPR } from '../isa/semantics.ts';
import type { Form } from '../isa/trace.ts';

export type FormStatement = Form['statements'][number];
export type FormValue = Extract<FormStatement, { kind: 'write' }>['value'];

export interface StatementFacts {
  /** General registers whose value is (part of) an address. */
  readonly pointers: ReadonlySet<number>;
  /** Byte registers that are added to an address (XLAT). */
  readonly byteIndexes: ReadonlySet<number>;
  /** Registers chosen by a field that are added to an address (bit offsets of BT and its kin). */
  readonly indexFields: ReadonlySet<'reg' | 'rm'>;
  readonly jumps: boolean;
  readonly helpers: ReadonlySet<string>;
}

export function statementFacts(statements: readonly FormStatement[]): StatementFacts {
  const places = new Map<number, Place>();
  const pointers = new Set<number>();
  const byteIndexes = new Set<number>();
  const indexFields = new Set<'reg' | 'rm'>();
  const helpers = new Set<string>();
  let jumps = false;

  const address = (value: FormValue): void => {
    if (value.op === 'temporary') {
      const place = places.get(value.id);
      if (place?.space === 'gpr') (place.width === 8 ? byteIndexes : pointers).add(place.register);
      if (place?.space === 'field') indexFields.add(place.field);
    } else if ('args' in value) value.args.forEach(address);
  };
  const visit = (list: readonly FormStatement[]): void => {
    for (const statement of list) {
      switch (statement.kind) {
        case 'read':
          places.set(statement.result.id, statement.place);
          break;
        case 'load':
        case 'store':
          address(statement.offset);
          break;
        case 'jump':
          jumps = true;
          break;
        case 'call':
          helpers.add(statement.helper);
          break;
        case 'when':
          visit(statement.then);
          visit(statement.otherwise);
          break;
      }
    }
  };
  visit(statements);
  if (helpers.has('enterFrame')) pointers.add(GPR.rSP).add(GPR.rBP);
  return { pointers, byteIndexes, indexFields, jumps, helpers };
}
