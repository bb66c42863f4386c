/**
 * What an instruction does, as text for people: the statements of a traced form, one a line, in the order in which they
 * happen. Values used more than once get a name of their own.
 */
import type { Statement } from '../ir/statement.ts';
import { isOperation, type Operation, type Operator, type Value } from '../ir/value.ts';
import { forEachUse } from '../ir/visit.ts';
import type { Place, SegmentRef } from './operand.ts';
import { gprName, SEGMENT_NAMES } from './register-names.ts';

type FormStatement = Statement<Place, SegmentRef>;

/** Names of the operands that the fields of an instruction stand for: `{ reg: 'src', rm: 'dst', … }`. */
export type FieldNames = Readonly<Record<string, string>>;

const INFIX: Readonly<Partial<Record<Operator, string>>> = {
  add: '+',
  sub: '-',
  mul: '*',
  udiv: '/',
  urem: 'mod',
  and: 'and',
  or: 'or',
  xor: 'xor',
  shl: '<<',
  shr: '>>',
  eq: '=',
  ne: '≠',
  ult: '<',
  ule: '≤',
};
const FUNCTIONS: Readonly<Partial<Record<Operator, string>>> = {
  sdiv: 'divideSigned',
  srem: 'remainderSigned',
  sar: 'shiftRightSigned',
  rotl: 'rotateLeft',
  rotr: 'rotateRight',
  slt: 'lessSigned',
  sle: 'lessOrEqualSigned',
  addCarries: 'carries',
  subBorrows: 'borrows',
  msb: 'topBit',
  select: 'choose',
};

const FAULTS: Readonly<Record<number, string>> = { 0: '#DE', 5: '#BR', 6: '#UD', 13: '#GP' };

export function printStatements(statements: readonly FormStatement[], fields: FieldNames): string[] {
  return new StatementPrinter(statements, fields).lines;
}

class StatementPrinter {
  readonly lines: string[] = [];
  readonly #fields: FieldNames;
  readonly #uses = new Map<Value, number>();
  readonly #names = new Map<Value, string>();
  readonly #temporaries = new Map<number, string>();
  #indent = '';

  constructor(statements: readonly FormStatement[], fields: FieldNames) {
    this.#fields = fields;
    forEachUse(statements, (value) => this.#uses.set(value, (this.#uses.get(value) ?? 0) + 1));
    this.#all(statements);
  }

  #all(statements: readonly FormStatement[]): void {
    for (const statement of statements) this.#statement(statement);
  }

  #statement(statement: FormStatement): void {
    switch (statement.kind) {
      case 'read':
        return this.#line(`${this.#temporary(statement.result.id)} := ${this.#place(statement.place)}`);
      case 'write': {
        const value = this.#value(statement.value);
        return this.#line(`${this.#place(statement.place)} := ${value}`);
      }
      case 'load': {
        const from = this.#memory(statement.segment, statement.offset, statement.width);
        const writable = statement.intent === 'modify' ? ', which must be writable' : '';
        return this.#line(`${this.#temporary(statement.result.id)} := ${from}${writable}`);
      }
      case 'store': {
        const value = this.#value(statement.value);
        const to = this.#memory(statement.segment, statement.offset, statement.value.width);
        return this.#line(`${to} := ${value}`);
      }
      case 'flags':
        for (const [flag, value] of Object.entries(statement.values)) this.#line(`${flag} := ${this.#value(value)}`);
        return;
      case 'jump': {
        const target = this.#value(statement.target);
        return this.#line(`${this.#condition(statement.condition)}go to ${target}`);
      }
      case 'checkTarget': {
        const { pushed, condition } = statement;
        const first = pushed && `${this.#memory(pushed.segment, pushed.offset, pushed.width)} must be writable, then `;
        const target = this.#value(statement.target);
        return this.#line(
          `${this.#condition(condition)}check: ${first ?? ''}${target} must be within the code segment`,
        );
      }
      case 'raise': {
        const { vector, errorCode } = statement;
        const fault = `${FAULTS[vector] ?? `exception ${vector}`}${errorCode === undefined ? '' : `(${errorCode})`}`;
        return this.#line(`${this.#condition(statement.condition)}raise ${fault}: ${statement.cause}`);
      }
      case 'call': {
        const args = statement.args.map((arg) => this.#value(arg));
        const results = statement.results.map(({ id }) => this.#temporary(id));
        const left = results.length === 0 ? '' : `${results.join(', ')} := `;
        return this.#line(`${left}${statement.helper}(${args.join(', ')})`);
      }
      case 'when': {
        const condition = this.#value(statement.condition);
        this.#line(`if ${condition}:`);
        this.#block(statement.then);
        if (statement.otherwise.length === 0) return;
        this.#line('otherwise:');
        return this.#block(statement.otherwise);
      }
    }
  }

  #block(statements: readonly FormStatement[]): void {
    const outer = this.#indent;
    this.#indent += '  ';
    this.#all(statements);
    this.#indent = outer;
  }

  #line(text: string): void {
    this.lines.push(this.#indent + text);
  }

  #condition(condition: Value | undefined): string {
    return condition === undefined ? '' : `if ${this.#value(condition)}: `;
  }

  #memory(segment: SegmentRef, offset: Value, width: number): string {
    const where = offset.op === 'input' && offset.name === 'ea' ? 'address' : this.#value(offset);
    const prefix = segment === 'operand' ? '' : `${SEGMENT_NAMES[segment]}:`;
    return `memory${width}[${prefix}${where}]`;
  }

  #place(place: Place): string {
    switch (place.space) {
      case 'gpr':
        if (place.high) return gprName(place.register + 4, 8, false);
        return gprName(place.register, place.width as 8 | 16 | 32 | 64, true);
      case 'field':
        return this.#fields[place.field] ?? place.field;
      case 'selector':
        return place.segment === 'reg' ? (this.#fields.reg ?? 'segment') : SEGMENT_NAMES[place.segment];
      case 'flag':
        return place.flag;
      case 'state':
        return place.name.toUpperCase();
    }
  }

  /** a, b, c, … in the order of their appearance. */
  #temporary(id: number): string {
    let name = this.#temporaries.get(id);
    if (name === undefined) {
      const number = this.#temporaries.size;
      name = String.fromCharCode(0x61 + (number % 26)) + (number < 26 ? '' : Math.floor(number / 26));
      this.#temporaries.set(id, name);
    }
    return name;
  }

  /** A value's text; what it shares with other values is named in lines of its own first. */
  #value(value: Value): string {
    if (!isOperation(value)) return this.#leaf(value);
    const known = this.#names.get(value);
    if (known !== undefined) return known;
    const text = this.#operation(value);
    if ((this.#uses.get(value) ?? 0) < 2) return text;
    const name = `v${this.#names.size + 1}`;
    this.#names.set(value, name);
    this.#line(`${name} = ${text}`);
    return name;
  }

  #leaf(value: Exclude<Value, Operation>): string {
    switch (value.op) {
      case 'constant':
        return showConstant(value.value);
      case 'temporary':
        return this.#temporary(value.id);
      case 'input':
        return value.name === 'ea' ? 'address' : (this.#fields[value.name] ?? value.name);
      case 'undefined':
        return value.pick === undefined ? 'undefined' : `undefined (in fact ${this.#value(value.pick)})`;
    }
  }

  #operation({ op, width, args }: Operation): string {
    const infix = INFIX[op];
    const isNegation = op === 'xor' && width === 1 && args[1].op === 'constant' && args[1].value === 1n;
    if (isNegation) return `not ${this.#argument(args[0])}`;
    if (infix !== undefined) return `${this.#argument(args[0])} ${infix} ${this.#argument(args[1])}`;
    const values = args.map((arg) => this.#value(arg)).join(', ');
    const sized = op === 'zeroExtend' || op === 'signExtend' || op === 'truncate' ? width : '';
    return `${FUNCTIONS[op] ?? op}${sized}(${values})`;
  }

  /** In brackets where it is an expression itself. */
  #argument(value: Value): string {
    const text = this.#value(value);
    return text.includes(' ') && !text.endsWith(')') ? `(${text})` : text;
  }
}

const showConstant = (value: bigint): string => (value < 10n ? `${value}` : `${value.toString(16).toUpperCase()}h`);
