/** Operands in assembly text: parsed once, evaluated in each pass. */
import { UserError } from '../base/errors.ts';
import { defaultSegment } from './address-form.ts';
import {
  describeToken,
  type Expression,
  evaluate,
  evaluateLinear,
  type LinearValue,
  parseExpression,
  type Scope,
  type TokenReader,
} from './assembler-expression.ts';
import type { MemoryOperand } from './decoded-instruction.ts';
import type { Mode, Size } from './encoding.ts';
import { REGISTERS, type RegisterName } from './register-names.ts';

/** Size keywords, in bits. */
export const SIZE_KEYWORDS: Readonly<Record<string, number>> = {
  byte: 8,
  word: 16,
  dword: 32,
  qword: 64,
  tword: 80,
  tbyte: 80,
  oword: 128,
};

export type ParsedOperand =
  | { readonly kind: 'register'; readonly register: RegisterName }
  | {
      readonly kind: 'memory';
      readonly expression: Expression;
      readonly size: number | undefined;
      readonly far: boolean;
      readonly segment: number | undefined;
      /** Size keyword inside the brackets: of the address if it has no register, else of the displacement. */
      readonly inner: number | undefined;
      readonly relative: boolean | undefined;
    }
  | {
      readonly kind: 'immediate';
      readonly expression: Expression;
      readonly size: number | undefined;
      readonly distance: 'short' | 'near' | undefined;
    }
  | {
      readonly kind: 'far';
      readonly selector: Expression;
      readonly offset: Expression;
      readonly size: number | undefined;
    };

const SIZE_NAMES = Object.keys(SIZE_KEYWORDS);

/** @throws UserError for what is no operand */
export function parseOperand(reader: TokenReader, symbolName: (name: string) => string): ParsedOperand {
  let size: number | undefined;
  let far = false;
  let distance: 'short' | 'near' | undefined;
  for (;;) {
    const keyword = reader.acceptName([...SIZE_NAMES, 'far', 'near', 'short', 'ptr']);
    if (keyword === undefined) break;
    if (keyword === 'far') far = true;
    else if (keyword === 'near' || keyword === 'short') distance = keyword;
    else if (keyword !== 'ptr') size = SIZE_KEYWORDS[keyword];
  }
  if (reader.accept('[')) return parseMemory(reader, symbolName, { size, far, segment: undefined });

  const name = reader.peekName();
  const register = name === undefined ? undefined : REGISTERS.get(name);
  if (register !== undefined) {
    reader.next();
    if (register.class === 'segment' && reader.accept(':')) {
      reader.expect('[');
      return parseMemory(reader, symbolName, { size, far, segment: register.number });
    }
    const numbered = register.class === 'stack87' && name === 'st' ? parseStackNumber(reader) : undefined;
    if (size !== undefined && size !== register.width) throw new UserError(`${name} has another size`);
    return { kind: 'register', register: numbered ?? register };
  }

  const expression = parseExpression(reader, symbolName);
  if (reader.accept(':')) {
    return { kind: 'far', selector: expression, offset: parseExpression(reader, symbolName), size };
  }
  if (far) throw new UserError("a far pointer is written 'selector:offset'");
  return { kind: 'immediate', expression, size, distance };
}

/** The `(1)` of `st(1)`. */
function parseStackNumber(reader: TokenReader): RegisterName | undefined {
  if (!reader.accept('(')) return undefined;
  const token = reader.next();
  const register = token?.kind === 'number' ? REGISTERS.get(`st${token.value}`) : undefined;
  if (register === undefined) throw new UserError(`x87 register number expected, found ${describeToken(token)}`);
  reader.expect(')');
  return register;
}

function parseMemory(
  reader: TokenReader,
  symbolName: (name: string) => string,
  before: { readonly size: number | undefined; readonly far: boolean; readonly segment: number | undefined },
): ParsedOperand {
  let inner: number | undefined;
  let relative: boolean | undefined;
  let { segment } = before;
  for (;;) {
    const keyword = reader.acceptName([...SIZE_NAMES, 'rel', 'abs']);
    if (keyword === 'rel' || keyword === 'abs') relative = keyword === 'rel';
    else if (keyword !== undefined) inner = SIZE_KEYWORDS[keyword];
    else {
      const name = reader.peekName();
      const register = name === undefined ? undefined : REGISTERS.get(name);
      const colon = reader.peek(1);
      if (register?.class !== 'segment' || colon?.kind !== 'punctuation' || colon.text !== ':') break;
      segment = register.number;
      reader.next();
      reader.next();
    }
  }
  const expression = parseExpression(reader, symbolName);
  reader.expect(']');
  return { kind: 'memory', expression, size: before.size, far: before.far, segment, inner, relative };
}

/** An operand whose expressions have values. */
export type OperandValue =
  | { readonly kind: 'register'; readonly register: RegisterName }
  | {
      readonly kind: 'memory';
      readonly memory: MemoryOperand;
      readonly size: number | undefined;
      readonly far: boolean;
      readonly addressSize: Size;
      readonly displacementSize: 0 | 8 | 16 | 32;
      /** The exact address, where it is a plain one (no registers, not relative): a memory offset is possible. */
      readonly offset: bigint | undefined;
      /** RIP-relative: the address meant; the displacement depends on the instruction's length. */
      readonly target: bigint | undefined;
    }
  | {
      readonly kind: 'immediate';
      readonly value: bigint;
      readonly size: number | undefined;
      readonly distance: 'short' | 'near' | undefined;
    }
  | { readonly kind: 'far'; readonly selector: bigint; readonly offset: bigint; readonly size: number | undefined };

export interface OperandContext {
  readonly mode: Mode;
  readonly scope: Scope;
  /** `default rel`: memory operands without registers are RIP-relative in 64-bit mode. */
  readonly defaultRelative: boolean;
  /** `a16`, `a32`, `a64` before the instruction. */
  readonly addressSize: Size | undefined;
}

/** @throws UserError when the expressions have no value or do not form an address */
export function evaluateOperand(operand: ParsedOperand, context: OperandContext): OperandValue {
  const { scope } = context;
  switch (operand.kind) {
    case 'register':
      return operand;
    case 'immediate':
      return {
        kind: 'immediate',
        value: evaluate(operand.expression, scope),
        size: operand.size,
        distance: operand.distance,
      };
    case 'far':
      return {
        kind: 'far',
        selector: evaluate(operand.selector, scope),
        offset: evaluate(operand.offset, scope),
        size: operand.size,
      };
    case 'memory':
      return evaluateMemory(operand, context);
  }
}

function evaluateMemory(operand: ParsedOperand & { kind: 'memory' }, context: OperandContext): OperandValue {
  const linear = evaluateLinear(operand.expression, context.scope);
  const { constant, registers } = linear;
  const { size, far, inner } = operand;
  const shape = addressShape(linear);
  const plain = registers.length === 0;
  const innerAddress = plain && inner !== undefined ? toSize(inner) : undefined;
  const addressSize = shape.width ?? context.addressSize ?? innerAddress ?? context.mode;
  if (context.addressSize !== undefined && context.addressSize !== addressSize) {
    throw new UserError('the registers do not have the address size asked for');
  }
  const relative =
    plain &&
    context.mode === 64 &&
    addressSize !== 16 &&
    (operand.relative ?? (context.defaultRelative && inner === undefined && operand.segment === undefined));
  const limit = 1n << BigInt(addressSize);
  if (constant >= limit || constant < -limit / 2n) throw new UserError(`the address does not fit ${addressSize} bits`);
  const base = relative ? 'ip' : shape.base;
  // Wrapped to the address size; a plain address of more than 32 bits is kept exact in `offset`.
  const displacement = Number(BigInt.asIntN(addressSize, constant));
  return {
    kind: 'memory',
    memory: {
      base,
      index: shape.index,
      scale: shape.scale,
      displacement,
      segment: operand.segment ?? defaultSegment(base),
    },
    size,
    far,
    addressSize,
    displacementSize: plain || inner === undefined ? 0 : inner === 8 ? 8 : 32,
    offset: plain && !relative ? constant : undefined,
    target: relative ? constant : undefined,
  };
}

function toSize(bits: number): Size {
  if (bits === 16 || bits === 32 || bits === 64) return bits;
  throw new UserError('an address has 16, 32 or 64 bits');
}

/** Which register is base, which is index: what is scaled is the index; rSP is never one. */
function addressShape({ registers }: LinearValue): {
  width: Size | undefined;
  base: MemoryOperand['base'];
  index: number | undefined;
  scale: number;
} {
  const fail = (): never => {
    throw new UserError('this is not an address: base + index * 1, 2, 4 or 8 + displacement');
  };
  const none = { width: undefined, base: undefined, index: undefined, scale: 0 };
  const [first, second] = registers;
  if (first === undefined) return none;
  if (registers.length > 2) return fail();
  const { width } = first.register;
  if ((width !== 16 && width !== 32 && width !== 64) || (second && second.register.width !== width)) return fail();
  if (first.register.class === 'ip') {
    return second || first.factor !== 1n || first.scaled ? fail() : { ...none, width, base: 'ip' };
  }
  if (registers.some(({ register }) => register.class !== 'gpr')) return fail();

  if (second === undefined) {
    if (!first.scaled) return { ...none, width, base: first.register.number };
    // 3, 5, 9 times a register is the register as base and 2, 4, 8 times as index.
    if (first.factor === 3n || first.factor === 5n || first.factor === 9n) {
      const { number } = first.register;
      return { width, base: number, index: number, scale: log2(first.factor - 1n)! };
    }
    const scale = log2(first.factor);
    return scale === undefined ? fail() : { ...none, width, index: first.register.number, scale };
  }
  let [base, index] = first.scaled && !second.scaled ? [second, first] : [first, second];
  if ((index.register.number === 4 && index.factor === 1n) || (base.factor !== 1n && index.factor === 1n)) {
    [base, index] = [index, base];
  }
  const scale = log2(index.factor);
  if (base.factor !== 1n || scale === undefined) return fail();
  return { width, base: base.register.number, index: index.register.number, scale };
}

const log2 = (factor: bigint): number | undefined => {
  const scale = [1n, 2n, 4n, 8n].indexOf(factor);
  return scale < 0 ? undefined : scale;
};
