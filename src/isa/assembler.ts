/**
 * The assembler: Intel syntax as NASM has it, and nothing that the instruction table does not know.
 *
 * Lines: `label: mnemonic operands ; comment`. Labels that start with a dot belong to the label before them.
 * Directives: `bits 16|32|64`, `org`, `db dw dd dq dt` (numbers, strings, floating point), `resb resw resd resq`
 * (zeros), `times count …`, `align n[, fill]`, `name equ value`, `default rel|abs`, `%include "file"`.
 * Prefix words: `lock rep repe repz repne repnz`, a segment register, `o16 o32 o64`, `a16 a32 a64`.
 * Expressions: see `assembler-expression.ts`. The shortest encoding is chosen; jumps grow only where they must.
 *
 * Passes are repeated until no address changes: in each, forward references have the addresses of the pass before, and
 * no instruction becomes shorter than it was.
 */
import { UserError } from '../base/errors.ts';
import { refuseCircles } from './assembler-circles.ts';
import { evaluate, type Scope } from './assembler-expression.ts';
import { encodeText } from './assembler-match.ts';
import { evaluateOperand } from './assembler-operand.ts';
import { atLine, type OpenInclude, place, readLines, type SourceLine } from './assembler-source.ts';
import { type Body, type DataItem, parseSource, type Statement } from './assembler-statement.ts';
import { type Mode, parseEncodings } from './encoding.ts';
import type { InstructionRow } from './instruction.ts';
import { createMnemonicIndex } from './mnemonics.ts';

export interface AssembleOptions {
  /** Address of the first byte; default 0. `org` in the source does the same. */
  readonly origin?: number;
  /** Code width at the start; default 32. */
  readonly bits?: Mode;
  /** The source's name, for messages. */
  readonly file?: string;
  /** Opens what `%include` names; without it nothing can be included. */
  readonly include?: OpenInclude;
}

/** Where a source line's bytes lie. */
export interface AssembledLine {
  readonly source: SourceLine;
  readonly address: number;
  readonly length: number;
}

export interface Assembly {
  readonly bytes: Uint8Array;
  readonly origin: number;
  /** Addresses by full name (`main`, `main.loop`); `equ` names are not among them. */
  readonly labels: Map<string, number>;
  /** Lines that produced bytes, by address. */
  readonly lines: readonly AssembledLine[];
  /** All lines, those of included files in their places. */
  readonly source: readonly SourceLine[];
}

export interface Assembler {
  /** @throws UserError naming file, line and text for anything wrong in the source */
  assemble(source: string, options?: AssembleOptions): Assembly;
}

/** @throws TypeError when the table is wrong. */
export function createAssembler(rows: readonly InstructionRow[]): Assembler {
  const mnemonics = createMnemonicIndex(parseEncodings(rows));
  return {
    assemble(text, options = {}) {
      const source = readLines(text, options);
      return { ...assembleStatements(parseSource(source, mnemonics), options), source };
    },
  };
}

const MAX_OUTPUT = 64 * 1024 * 1024;
/** Repetitions by `times` that have to be assembled one by one. */
const MAX_REPETITIONS = 65_536;
const MAX_PASSES = 64;

/** What stays from one pass to the next. */
interface Layout {
  readonly symbols: Map<string, bigint>;
  /** Bytes of each instruction statement (all its repetitions): a lower bound for the next pass. */
  readonly lengths: number[];
}

function assembleStatements(statements: readonly Statement[], options: AssembleOptions): Omit<Assembly, 'source'> {
  checkLabels(statements);
  refuseCircles(statements);
  let layout: Layout = { symbols: new Map(), lengths: [] };
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const run = new Pass(layout, { first: pass === 0, options });
    for (const [index, statement] of statements.entries()) run.add(statement, index);
    const settled = pass > 0 && run.settled;
    if (settled) {
      if (run.error) throw run.error;
      return run.finish(statements);
    }
    layout = run.layout;
  }
  const where = options.file === undefined ? '' : `${options.file}: `;
  throw new UserError(`${where}the addresses do not settle: sizes depend on themselves`);
}

function checkLabels(statements: readonly Statement[]): void {
  const seen = new Map<string, SourceLine>();
  for (const { label, source } of statements) {
    if (label === undefined) continue;
    const first = seen.get(label);
    if (first) {
      atLine(source, () => {
        throw new UserError(`'${label}' is defined twice, first at ${place(first)}`);
      });
    }
    seen.set(label, source);
  }
}

class Pass {
  readonly layout: Layout = { symbols: new Map(), lengths: [] };
  readonly #before: Layout;
  readonly #first: boolean;
  readonly #lines: AssembledLine[] = [];
  #output = new Uint8Array(4096);
  #size = 0;
  #origin: bigint;
  #mode: Mode;
  #defaultRelative = false;
  #changed = false;
  #repetitions = 0;
  /** Somebody asked for the address of the statement: another address may give other bytes. */
  #located = false;
  error: UserError | undefined;

  constructor(before: Layout, { first, options }: { first: boolean; options: AssembleOptions }) {
    this.#before = before;
    this.#first = first;
    this.#origin = BigInt(options.origin ?? 0);
    this.#mode = options.bits ?? 32;
  }

  /** Nothing moved since the pass before. */
  get settled(): boolean {
    return !this.#changed;
  }

  get #here(): bigint {
    return this.#origin + BigInt(this.#size);
  }

  #scope(): Scope {
    const here = this.#here;
    const locate = () => {
      this.#located = true;
      return here;
    };
    return {
      get here() {
        return locate();
      },
      start: this.#origin,
      symbol: (name) => {
        const value = this.layout.symbols.get(name) ?? this.#before.symbols.get(name);
        if (value !== undefined) return value;
        if (this.#first) return here; // a forward reference: something near, until it is known
        throw new UserError(`'${name}' is not defined`);
      },
    };
  }

  #define(name: string, value: bigint): void {
    if (this.#before.symbols.get(name) !== value) this.#changed = true;
    this.layout.symbols.set(name, value);
  }

  add(statement: Statement, index: number): void {
    const { body, label, times, source } = statement;
    try {
      atLine(source, () => {
        if (label !== undefined)
          this.#define(label, body.kind === 'equ' ? evaluate(body.value, this.#scope()) : this.#here);
        const count = times === undefined ? 1n : evaluate(times, this.#scope());
        if (count < 0n || count > MAX_OUTPUT)
          throw new UserError(`the count of times must be from 0 to ${MAX_OUTPUT}, not ${count}`);
        const start = this.#size;
        const address = Number(this.#here);
        const longest = this.#repeat(body, index, Number(count));
        if (longest !== (this.#before.lengths[index] ?? 0)) this.#changed = true;
        this.layout.lengths[index] = longest;
        if (this.#size > start) this.#lines.push({ source, address, length: this.#size - start });
      });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.error ??= error;
      this.layout.lengths[index] = this.#before.lengths[index] ?? 0;
    }
  }

  /** @returns the length of the longest repetition */
  #repeat(body: Body, index: number, count: number): number {
    let longest = 0;
    for (let done = 0; done < count; ) {
      this.#located = false;
      const bytes = this.#bytesOf(body, index);
      // What does not depend on its address is the same each time.
      const equal = this.#located ? 1 : count;
      if (this.#located && done === 0 && count > 1 && (this.#repetitions += count) > MAX_REPETITIONS) {
        throw new UserError(`times repeats what depends on its address more than ${MAX_REPETITIONS} times, in all`);
      }
      longest = Math.max(longest, bytes.length);
      this.#append(bytes, equal);
      done += equal;
    }
    return longest;
  }

  #append(bytes: ArrayLike<number>, count: number): void {
    const end = this.#size + bytes.length;
    const size = this.#size + bytes.length * count;
    if (size > MAX_OUTPUT) throw tooLarge();
    if (size > this.#output.length) {
      const larger = new Uint8Array(Math.max(size, this.#output.length * 2));
      larger.set(this.#output);
      this.#output = larger;
    }
    if (size > this.#size) this.#output.set(bytes, this.#size);
    // Each copy doubles what is there.
    for (let done = end; done < size; ) {
      const length = Math.min(done - this.#size, size - done);
      this.#output.copyWithin(done, this.#size, this.#size + length);
      done += length;
    }
    this.#size = size;
  }

  #bytesOf(body: Body, index: number): ArrayLike<number> {
    const scope = this.#scope();
    switch (body.kind) {
      case 'nothing':
      case 'equ':
        return [];
      case 'bits':
        this.#mode = body.mode;
        return [];
      case 'default':
        this.#defaultRelative = body.relative;
        return [];
      case 'org':
        if (this.#size > 0) throw new UserError('org must come before the first byte');
        this.#origin = evaluate(body.origin, scope);
        return [];
      case 'reserve':
        return new Uint8Array(sizeOf(evaluate(body.count, scope) * BigInt(body.unit)));
      case 'align': {
        const boundary = evaluate(body.boundary, scope);
        if (boundary <= 0n || (boundary & (boundary - 1n)) !== 0n)
          throw new UserError(`align takes a power of two, not ${boundary}`);
        const length = sizeOf((boundary - (scope.here % boundary)) % boundary);
        const fill = body.fill === undefined ? 0x90n : evaluate(body.fill, scope);
        return new Uint8Array(length).fill(Number(BigInt.asUintN(8, fill)));
      }
      case 'data':
        return body.items.flatMap((item) => dataBytes(item, body.unit, scope));
      case 'instruction': {
        const { mnemonic, uses, prefixes } = body;
        const context = {
          mode: this.#mode,
          scope,
          defaultRelative: this.#defaultRelative,
          addressSize: prefixes.addressSize,
        };
        return encodeText({
          mnemonic,
          uses,
          prefixes,
          operands: body.operands.map((operand) => evaluateOperand(operand, context)),
          mode: this.#mode,
          get address() {
            return scope.here;
          },
          minimumLength: this.#before.lengths[index] ?? 0,
        });
      }
    }
  }

  finish(statements: readonly Statement[]): Omit<Assembly, 'source'> {
    const labels = new Map<string, number>();
    for (const { label, body } of statements) {
      if (label !== undefined && body.kind !== 'equ') labels.set(label, Number(this.layout.symbols.get(label)!));
    }
    return {
      bytes: this.#output.slice(0, this.#size),
      origin: Number(this.#origin),
      labels,
      lines: this.#lines,
    };
  }
}

function sizeOf(count: bigint): number {
  if (count < 0n) throw new UserError(`negative size ${count}`);
  if (count > MAX_OUTPUT) throw tooLarge();
  return Number(count);
}

const tooLarge = (): UserError => new UserError(`the output is too large: it may have ${MAX_OUTPUT} bytes`);

function dataBytes(item: DataItem, unit: number, scope: Scope): number[] {
  switch (item.kind) {
    case 'string': {
      const padding = (unit - (item.bytes.length % unit)) % unit;
      return [...item.bytes, ...new Array<number>(padding).fill(0)];
    }
    case 'float':
      return floatBytes(item.value, unit);
    case 'value': {
      const bits = unit * 8;
      const value = evaluate(item.expression, scope);
      if (value >= 1n << BigInt(bits) || value < -(1n << BigInt(bits - 1))) {
        throw new UserError(`${value} does not fit ${unit} ${unit === 1 ? 'byte' : 'bytes'}`);
      }
      return littleEndian(BigInt.asUintN(bits, value), unit);
    }
  }
}

const littleEndian = (value: bigint, count: number): number[] =>
  Array.from({ length: count }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));

/** Single, double or extended precision by the unit's size. */
function floatBytes(value: number, unit: number): number[] {
  const view = new DataView(new ArrayBuffer(8));
  if (unit === 4) {
    view.setFloat32(0, value, true);
    return littleEndian(BigInt(view.getUint32(0, true)), 4);
  }
  view.setFloat64(0, value, true);
  const double = view.getBigUint64(0, true);
  if (unit === 8) return littleEndian(double, 8);
  if (unit !== 10) throw new UserError('floating-point numbers take dd, dq or dt');
  // Literals are finite; only zero and normal numbers are converted to extended precision.
  const exponent = (double >> 52n) & 0x7ffn;
  const sign = (double >> 63n) << 79n;
  if (exponent === 0n) return littleEndian(sign, 10);
  const significand = (1n << 63n) | ((double & ((1n << 52n) - 1n)) << 11n);
  return littleEndian(sign | ((exponent - 1023n + 16383n) << 64n) | significand, 10);
}
