/** Parses assembly text into statements: labels, directives, data, instructions. */
import { UserError } from '../base/errors.ts';
import { describeToken, type Expression, parseExpression, TokenReader } from './assembler-expression.ts';
import { type Token, tokenize } from './assembler-lexer.ts';
import type { InstructionPrefixes } from './assembler-match.ts';
import { type ParsedOperand, parseOperand } from './assembler-operand.ts';
import { atLine, isDirective, type SourceLine } from './assembler-source.ts';
import type { Mode, Size } from './encoding.ts';
import type { MnemonicUse } from './mnemonics.ts';
import { REGISTERS } from './register-names.ts';

export type DataItem =
  | { readonly kind: 'string'; readonly bytes: readonly number[] }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'value'; readonly expression: Expression };

export type Body =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'bits'; readonly mode: Mode }
  | { readonly kind: 'org'; readonly origin: Expression }
  | { readonly kind: 'default'; readonly relative: boolean }
  | { readonly kind: 'equ'; readonly value: Expression }
  | { readonly kind: 'data'; readonly unit: number; readonly items: readonly DataItem[] }
  | { readonly kind: 'reserve'; readonly unit: number; readonly count: Expression }
  | { readonly kind: 'align'; readonly boundary: Expression; readonly fill: Expression | undefined }
  | {
      readonly kind: 'instruction';
      readonly mnemonic: string;
      readonly uses: readonly MnemonicUse[];
      readonly prefixes: InstructionPrefixes;
      readonly operands: readonly ParsedOperand[];
    };

export interface Statement {
  readonly source: SourceLine;
  readonly label: string | undefined;
  readonly times: Expression | undefined;
  readonly body: Body;
}

const DATA_UNITS: Readonly<Record<string, number>> = { db: 1, dw: 2, dd: 4, dq: 8, dt: 10 };
const RESERVE_UNITS: Readonly<Record<string, number>> = { resb: 1, resw: 2, resd: 4, resq: 8 };

/** @throws UserError naming line and text */
export function parseSource(
  lines: readonly SourceLine[],
  mnemonics: ReadonlyMap<string, readonly MnemonicUse[]>,
): Statement[] {
  let scopeLabel = '';
  const fullName = (name: string): string => (name.startsWith('.') ? scopeLabel + name : name);
  return lines.flatMap((source) =>
    atLine(source, () => {
      if (isDirective(source)) return [];
      const tokens = tokenize(source.text);
      if (tokens.length === 0) return [];
      const reader = new TokenReader(tokens);
      const label = parseLabel(reader, tokens, mnemonics);
      if (label !== undefined && !label.startsWith('.')) {
        const equ = reader.peekName() === 'equ';
        if (!equ) scopeLabel = label;
      }
      const times = reader.acceptName(['times']) ? parseExpression(reader, fullName) : undefined;
      const body = parseBody(reader, fullName, mnemonics);
      if (!reader.atEnd) throw new UserError(`unexpected ${describeToken(reader.peek())}`);
      if (body.kind === 'equ' && label === undefined) throw new UserError('equ needs a name');
      return [{ source, label: label && fullName(label), times, body }];
    }),
  );
}

const DIRECTIVES = ['bits', 'use16', 'use32', 'use64', 'org', 'default', 'equ', 'align', 'times'];
const PREFIX_WORDS = ['lock', 'rep', 'repe', 'repz', 'repne', 'repnz', 'o16', 'o32', 'o64', 'a16', 'a32', 'a64'];

/** `name:`, or a name before something that starts a statement or before nothing. */
function parseLabel(
  reader: TokenReader,
  tokens: readonly Token[],
  mnemonics: ReadonlyMap<string, unknown>,
): string | undefined {
  const [first, second] = tokens;
  if (first?.kind !== 'name') return undefined;
  const starts = (name: string) =>
    mnemonics.has(name) ||
    DIRECTIVES.includes(name) ||
    PREFIX_WORDS.includes(name) ||
    Object.hasOwn(DATA_UNITS, name) ||
    Object.hasOwn(RESERVE_UNITS, name);
  const name = first.text.toLowerCase();
  if (second?.kind === 'punctuation' && second.text === ':') {
    reader.next();
    reader.next();
  } else if (!starts(name) && !REGISTERS.has(name) && second?.kind === 'name' && starts(second.text.toLowerCase())) {
    reader.next();
  } else return undefined;
  if (REGISTERS.has(name)) throw new UserError(`'${first.text}' is a register`);
  return first.text;
}

function parseBody(
  reader: TokenReader,
  symbolName: (name: string) => string,
  mnemonics: ReadonlyMap<string, readonly MnemonicUse[]>,
): Body {
  const expression = () => parseExpression(reader, symbolName);
  if (reader.atEnd) return { kind: 'nothing' };
  const name = reader.peekName();
  if (name === undefined) throw new UserError(`instruction expected, found ${describeToken(reader.peek())}`);
  if (Object.hasOwn(DATA_UNITS, name)) {
    reader.next();
    return { kind: 'data', unit: DATA_UNITS[name], items: parseData(reader, symbolName) };
  }
  if (Object.hasOwn(RESERVE_UNITS, name)) {
    reader.next();
    return { kind: 'reserve', unit: RESERVE_UNITS[name], count: expression() };
  }
  switch (name) {
    case 'bits': {
      reader.next();
      const token = reader.next();
      const mode = token?.kind === 'number' ? Number(token.value) : 0;
      if (mode !== 16 && mode !== 32 && mode !== 64) throw new UserError('bits takes 16, 32 or 64');
      return { kind: 'bits', mode };
    }
    case 'use16':
    case 'use32':
    case 'use64':
      reader.next();
      return { kind: 'bits', mode: Number(name.slice(3)) as Mode };
    case 'org':
      reader.next();
      return { kind: 'org', origin: expression() };
    case 'equ':
      reader.next();
      return { kind: 'equ', value: expression() };
    case 'default': {
      reader.next();
      const which = reader.acceptName(['rel', 'abs']);
      if (which === undefined) throw new UserError('default takes rel or abs');
      return { kind: 'default', relative: which === 'rel' };
    }
    case 'align': {
      reader.next();
      const boundary = expression();
      return { kind: 'align', boundary, fill: reader.accept(',') ? expression() : undefined };
    }
  }
  return parseInstruction(reader, symbolName, mnemonics);
}

function parseData(reader: TokenReader, symbolName: (name: string) => string): DataItem[] {
  const items: DataItem[] = [];
  do {
    const token = reader.peek();
    const after = reader.peek(1);
    const alone = after === undefined || (after.kind === 'punctuation' && after.text === ',');
    const negative = token?.kind === 'punctuation' && token.text === '-' && after?.kind === 'float';
    if (token?.kind === 'string' && alone) {
      reader.next();
      items.push({ kind: 'string', bytes: [...token.text].map((character) => character.charCodeAt(0)) });
    } else if (token?.kind === 'float' || negative) {
      if (negative) reader.next();
      const float = reader.next() as Token & { kind: 'float' };
      items.push({ kind: 'float', value: negative ? -float.value : float.value });
    } else items.push({ kind: 'value', expression: parseExpression(reader, symbolName) });
  } while (reader.accept(','));
  return items;
}

function parseInstruction(
  reader: TokenReader,
  symbolName: (name: string) => string,
  mnemonics: ReadonlyMap<string, readonly MnemonicUse[]>,
): Body {
  const prefixes: { -readonly [Key in keyof InstructionPrefixes]: InstructionPrefixes[Key] } = {
    lock: false,
    repeat: 'none',
    segment: undefined,
    operandSize: undefined,
    addressSize: undefined,
  };
  for (;;) {
    const name = reader.peekName();
    if (name === undefined) throw new UserError(`instruction expected, found ${describeToken(reader.peek())}`);
    const register = REGISTERS.get(name);
    if (name === 'lock') prefixes.lock = true;
    else if (name === 'rep' || name === 'repe' || name === 'repz') prefixes.repeat = 'repe';
    else if (name === 'repne' || name === 'repnz') prefixes.repeat = 'repne';
    else if (/^o(16|32|64)$/.test(name)) prefixes.operandSize = Number(name.slice(1)) as Size;
    else if (/^a(16|32|64)$/.test(name)) prefixes.addressSize = Number(name.slice(1)) as Size;
    else if (register?.class === 'segment') prefixes.segment = register.number;
    else break;
    reader.next();
  }
  const mnemonic = reader.peekName()!;
  const uses = mnemonics.get(mnemonic);
  if (uses === undefined) throw new UserError(`unknown instruction '${mnemonic}'`);
  reader.next();
  const operands: ParsedOperand[] = [];
  if (!reader.atEnd) {
    do operands.push(parseOperand(reader, symbolName));
    while (reader.accept(','));
  }
  return { kind: 'instruction', mnemonic, uses, prefixes, operands };
}
