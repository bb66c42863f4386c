/**
 * Expressions of the assembler: integers of any size. Precedence as in C, from loose to tight:
 * `|| && (== != < <= > >=) | ^ & (<< >>) (+ -) (* / %)`, then unary `- + ~ !`. `/` and `%` round towards zero.
 * `$` is the address of the statement, `$$` that of the first byte.
 */
import { UserError } from '../base/errors.ts';
import type { Token } from './assembler-lexer.ts';
import { REGISTERS, type RegisterName } from './register-names.ts';

export type Expression =
  | { readonly kind: 'constant'; readonly value: bigint }
  | { readonly kind: 'symbol'; readonly name: string }
  | { readonly kind: 'here' }
  | { readonly kind: 'start' }
  | { readonly kind: 'register'; readonly register: RegisterName }
  | { readonly kind: 'unary'; readonly operator: string; readonly operand: Expression }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression };

/** Of parentheses and signs in each other. */
const MAX_NESTING = 200;

/** Walks along the tokens of a line. */
export class TokenReader {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;
  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }
  peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#at + ahead];
  }
  next(): Token | undefined {
    return this.#tokens[this.#at++];
  }
  get atEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }
  /** Takes the next token if it is this punctuation. */
  accept(text: string): boolean {
    const token = this.peek();
    if (token?.kind !== 'punctuation' || token.text !== text) return false;
    this.#at++;
    return true;
  }
  expect(text: string): void {
    if (!this.accept(text)) throw new UserError(`'${text}' expected, found ${describeToken(this.peek())}`);
  }
  /** Parses what stands inside an expression: in parentheses, behind a sign. @throws UserError if it is too deep */
  nested(parse: () => Expression): Expression {
    if (++this.#depth > MAX_NESTING)
      throw new UserError(`expression nested too deeply: more than ${MAX_NESTING} levels`);
    const expression = parse();
    this.#depth--;
    return expression;
  }
  /** The next token, in lower case, if it is a name. */
  peekName(ahead = 0): string | undefined {
    const token = this.peek(ahead);
    return token?.kind === 'name' ? token.text.toLowerCase() : undefined;
  }
  /** Takes the next token if it is one of these names. */
  acceptName<Name extends string>(names: readonly Name[]): Name | undefined {
    const name = this.peekName();
    const found = names.find((each) => each === name);
    if (found !== undefined) this.#at++;
    return found;
  }
}

export const describeToken = (token: Token | undefined): string =>
  token === undefined ? 'the end of the line' : token.kind === 'string' ? 'a string' : `'${token.text}'`;

const LEVELS: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['=', '==', '!=', '<>', '<', '<=', '>', '>='],
  ['|'],
  ['^'],
  ['&'],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
];

/**
 * Parses an expression.
 * @param symbolName completes the name of a symbol (local labels)
 */
export function parseExpression(reader: TokenReader, symbolName: (name: string) => string, level = 0): Expression {
  const operators = LEVELS[level];
  if (operators === undefined) return parseUnary(reader, symbolName);
  let left = parseExpression(reader, symbolName, level + 1);
  for (;;) {
    const token = reader.peek();
    if (token?.kind !== 'punctuation' || !operators.includes(token.text)) return left;
    reader.next();
    left = { kind: 'binary', operator: token.text, left, right: parseExpression(reader, symbolName, level + 1) };
  }
}

function parseUnary(reader: TokenReader, symbolName: (name: string) => string): Expression {
  const token = reader.next();
  switch (token?.kind) {
    case 'number':
      return { kind: 'constant', value: token.value };
    case 'string':
      return { kind: 'constant', value: characterConstant(token.text) };
    case 'name': {
      const register = REGISTERS.get(token.text.toLowerCase());
      return register ? { kind: 'register', register } : { kind: 'symbol', name: symbolName(token.text) };
    }
    case 'punctuation':
      if (token.text === '$') return { kind: 'here' };
      if (token.text === '$$') return { kind: 'start' };
      if (token.text === '(') {
        const inner = reader.nested(() => parseExpression(reader, symbolName));
        reader.expect(')');
        return inner;
      }
      if (['-', '+', '~', '!'].includes(token.text)) {
        return { kind: 'unary', operator: token.text, operand: reader.nested(() => parseUnary(reader, symbolName)) };
      }
  }
  throw new UserError(`expression expected, found ${describeToken(token)}`);
}

/** 'ab' is 6261h: the bytes as they lie in memory. */
function characterConstant(text: string): bigint {
  if (text.length > 8) throw new UserError('a character constant has at most 8 bytes');
  let value = 0n;
  for (let index = text.length - 1; index >= 0; index--) value = (value << 8n) | BigInt(text.charCodeAt(index));
  return value;
}

/** Names of all symbols in an expression. */
export function* symbolsOf(expression: Expression): Generator<string> {
  const left: Expression[] = [expression];
  for (let node = left.pop(); node !== undefined; node = left.pop()) {
    if (node.kind === 'symbol') yield node.name;
    else if (node.kind === 'unary') left.push(node.operand);
    else if (node.kind === 'binary') left.push(node.right, node.left);
  }
}

/** What symbols and `$` stand for while an expression is evaluated. */
export interface Scope {
  symbol(name: string): bigint;
  readonly here: bigint;
  readonly start: bigint;
}

/** A constant plus registers, each times a factor; `scaled`: the factor was written. */
export interface LinearValue {
  readonly constant: bigint;
  readonly registers: readonly { readonly register: RegisterName; readonly factor: bigint; readonly scaled: boolean }[];
}

/** Evaluates an expression in which registers may be added (an address). */
export function evaluateLinear(expression: Expression, scope: Scope): LinearValue {
  const constant = (value: bigint): LinearValue => ({ constant: value, registers: [] });
  switch (expression.kind) {
    case 'constant':
      return constant(expression.value);
    case 'symbol':
      return constant(scope.symbol(expression.name));
    case 'here':
      return constant(scope.here);
    case 'start':
      return constant(scope.start);
    case 'register':
      return { constant: 0n, registers: [{ register: expression.register, factor: 1n, scaled: false }] };
    case 'unary':
      if (expression.operator === '+') return evaluateLinear(expression.operand, scope);
      return constant(UNARY[expression.operator](evaluate(expression.operand, scope)));
    case 'binary': {
      // A sum of many terms is a tree as deep to the left: that is walked, not recursed into.
      const chain: (Expression & { kind: 'binary' })[] = [];
      let leftmost: Expression = expression;
      for (; leftmost.kind === 'binary'; leftmost = leftmost.left) chain.push(leftmost);
      let value = evaluateLinear(leftmost, scope);
      for (const { operator, right } of chain.reverse()) value = combine(operator, value, evaluateLinear(right, scope));
      return value;
    }
  }
}

function combine(operator: string, left: LinearValue, right: LinearValue): LinearValue {
  if (operator === '+') {
    return { constant: left.constant + right.constant, registers: [...left.registers, ...right.registers] };
  }
  if (operator === '-' && right.registers.length === 0) {
    return { constant: left.constant - right.constant, registers: left.registers };
  }
  if (operator === '*' && (left.registers.length === 0 || right.registers.length === 0)) {
    const [scale, scaled] = left.registers.length === 0 ? [left.constant, right] : [right.constant, left];
    return {
      constant: scaled.constant * scale,
      registers: scaled.registers.map(({ register, factor }) => ({ register, factor: factor * scale, scaled: true })),
    };
  }
  if (left.registers.length > 0 || right.registers.length > 0) {
    throw new UserError(`registers cannot be combined with '${operator}'`);
  }
  return { constant: BINARY[operator](left.constant, right.constant), registers: [] };
}

/** Evaluates an expression without registers. */
export function evaluate(expression: Expression, scope: Scope): bigint {
  const { constant, registers } = evaluateLinear(expression, scope);
  if (registers.length > 0) throw new UserError('a register cannot stand here');
  return constant;
}

const truth = (condition: boolean): bigint => (condition ? 1n : 0n);
const shiftCount = (count: bigint): bigint => {
  if (count < 0n || count > 1024n) throw new UserError(`shift by ${count}`);
  return count;
};
const nonZero = (divisor: bigint): bigint => {
  if (divisor === 0n) throw new UserError('division by zero');
  return divisor;
};
const UNARY: Readonly<Record<string, (operand: bigint) => bigint>> = {
  '-': (operand) => -operand,
  '~': (operand) => ~operand,
  '!': (operand) => truth(operand === 0n),
};
const BINARY: Readonly<Record<string, (left: bigint, right: bigint) => bigint>> = {
  '||': (left, right) => truth(left !== 0n || right !== 0n),
  '&&': (left, right) => truth(left !== 0n && right !== 0n),
  '=': (left, right) => truth(left === right),
  '==': (left, right) => truth(left === right),
  '!=': (left, right) => truth(left !== right),
  '<>': (left, right) => truth(left !== right),
  '<': (left, right) => truth(left < right),
  '<=': (left, right) => truth(left <= right),
  '>': (left, right) => truth(left > right),
  '>=': (left, right) => truth(left >= right),
  '|': (left, right) => left | right,
  '^': (left, right) => left ^ right,
  '&': (left, right) => left & right,
  '<<': (left, right) => left << shiftCount(right),
  '>>': (left, right) => left >> shiftCount(right),
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / nonZero(right),
  '%': (left, right) => left % nonZero(right),
};
