import { describe, expect, it } from 'vitest';
import type { Statement } from '../../../src/ir/statement.ts';
import { isOperation, type Value } from '../../../src/ir/value.ts';
import { createDecodeTables } from '../../../src/isa/decode-table.ts';
import { type EncodingPattern, type Mode, parseEncodings, SIZES, type Size } from '../../../src/isa/encoding.ts';
import { HELPER_SIGNATURES } from '../../../src/isa/helper-signature.ts';
import type { InstructionRow } from '../../../src/isa/instruction.ts';
import type { Place, SegmentRef } from '../../../src/isa/operand.ts';
import type { HelperSignature, HelperWidth } from '../../../src/isa/signature.ts';
import { INSTRUCTIONS } from '../../../src/isa/table.ts';
import { type Form, type FormKey, traceForm } from '../../../src/isa/trace.ts';

type AnyStatement = Statement<Place, SegmentRef>;

const MODES: readonly Mode[] = [16, 32, 64];
const ADDRESS_SIZES: Record<Mode, readonly Size[]> = { 16: [16, 32], 32: [16, 32], 64: [32, 64] };

/** Operand sizes that some prefixes of a code width give a pattern. */
function operandSizes(pattern: EncodingPattern, mode: Mode): readonly Size[] {
  const possible: readonly Size[] =
    mode !== 64 ? [16, 32] : pattern.size64 === 'forced' ? [64] : pattern.size64 === 'default' ? [16, 64] : SIZES;
  return possible.filter((size) => pattern.operandSizes.includes(size));
}

/** Every form: row × encoding × code width × operand, address and stack size × register or memory × condition. */
function* formKeys(patterns: readonly EncodingPattern[]): Generator<{ key: FormKey; pattern: EncodingPattern }> {
  for (const pattern of patterns) {
    const { row, encoding } = pattern;
    const conditions = pattern.low === 'condition' ? Array.from({ length: 16 }, (_, code) => code) : [0];
    const memoryForms = pattern.form === 'either' ? [false, true] : [pattern.form === 'memory'];
    for (const mode of pattern.modes)
      for (const operandSize of operandSizes(pattern, mode))
        for (const addressSize of ADDRESS_SIZES[mode].filter((size) => pattern.addressSizes.includes(size)))
          for (const stackSize of (mode === 64 ? [64] : [16, 32]) as Size[])
            for (const memory of memoryForms)
              for (const condition of conditions) {
                const key = {
                  row,
                  encoding,
                  memory,
                  operandSize,
                  addressSize,
                  stackSize,
                  longMode: mode === 64,
                  condition,
                };
                yield { key, pattern };
              }
  }
}

function* flatten(statements: readonly AnyStatement[]): Generator<AnyStatement> {
  for (const statement of statements) {
    yield statement;
    if (statement.kind === 'when') {
      yield* flatten(statement.then);
      yield* flatten(statement.otherwise);
    }
  }
}

const nameOf = ({ key }: Form): string =>
  `${key.row.mnemonic} '${key.encoding.join(', ')}' o${key.operandSize} a${key.addressSize} s${key.stackSize}` +
  `${key.longMode ? ' long' : ''}${key.memory ? ' memory' : ''}`;

/** Statements that may fault after something architectural has been written. */
function lateFaults(form: Form): string[] {
  const found: string[] = [];
  const checked = new Set<Value>();
  const walk = (statements: readonly AnyStatement[], before: { written: boolean; stored: boolean }) => {
    for (const statement of statements) {
      const { kind } = statement;
      if (kind === 'checkTarget') {
        checked.add(statement.target);
        if (before.written || before.stored) found.push('checkTarget after an effect');
      }
      if (kind === 'jump' && (before.written || before.stored) && !checked.has(statement.target))
        found.push('jump after an effect, its target unchecked');
      const faults =
        kind === 'load' || kind === 'raise' || kind === 'call' || (kind === 'store' && statement.after === undefined);
      if (faults && before.written) found.push(`${kind} after a register or flag was written`);
      if ((kind === 'load' || kind === 'raise' || kind === 'call') && before.stored)
        found.push(`${kind} after a store`);
      if (kind === 'write' || kind === 'flags') before.written = true;
      if (kind === 'store') before.stored = true;
      if (kind === 'when') {
        const [then, otherwise] = [{ ...before }, { ...before }];
        walk(statement.then, then);
        walk(statement.otherwise, otherwise);
        before.written = then.written || otherwise.written;
        before.stored = then.stored || otherwise.stored;
      }
    }
  };
  walk(form.statements, { written: false, stored: false });
  return found;
}

/** Values that a statement uses directly. */
function valuesOf(statement: AnyStatement): Value[] {
  switch (statement.kind) {
    case 'write':
      return [statement.value];
    case 'load':
      return [statement.offset];
    case 'store':
      return [statement.offset, statement.value, ...(statement.after ? [statement.after] : [])];
    case 'flags':
      return Object.values(statement.values);
    case 'jump':
      return [statement.target, ...(statement.condition ? [statement.condition] : [])];
    case 'checkTarget':
      return [statement.target, statement.condition, statement.pushed?.offset].filter((value) => value !== undefined);
    case 'raise':
      return statement.condition ? [statement.condition] : [];
    case 'call':
      return [...statement.args];
    case 'when':
      return [statement.condition];
    case 'read':
      return [];
  }
}

function* nodes(value: Value, seen: Set<Value>): Generator<Value> {
  if (seen.has(value)) return;
  seen.add(value);
  yield value;
  if (isOperation(value)) for (const arg of value.args) yield* nodes(arg, seen);
  if (value.op === 'undefined' && value.pick) yield* nodes(value.pick, seen);
}

/** Temporaries used where they are not (yet) defined; widths that loads and stores do not have. */
function illFormed(form: Form): string[] {
  const found: string[] = [];
  const walk = (statements: readonly AnyStatement[], outer: ReadonlySet<number>) => {
    const known = new Set(outer);
    for (const statement of statements) {
      const seen = new Set<Value>();
      for (const value of valuesOf(statement)) {
        for (const node of nodes(value, seen)) {
          if (node.op === 'temporary' && !known.has(node.id))
            found.push(`temporary ${node.id} is used before it is set`);
        }
      }
      if (statement.kind === 'read' || statement.kind === 'load') known.add(statement.result.id);
      if (statement.kind === 'call') for (const result of statement.results) known.add(result.id);
      if (statement.kind === 'load' && ![8, 16, 32, 64].includes(statement.width))
        found.push(`load of ${statement.width} bits`);
      if (statement.kind === 'store' && ![8, 16, 32, 64].includes(statement.value.width)) {
        found.push(`store of ${statement.value.width} bits`);
      }
      if (statement.kind === 'write' && 'width' in statement.place && statement.place.width !== statement.value.width) {
        found.push(`${statement.value.width} bits written to a place of ${statement.place.width}`);
      }
      if (statement.kind === 'when') {
        walk(statement.then, known);
        walk(statement.otherwise, known);
      }
    }
  };
  walk(form.statements, new Set());
  return found;
}

/** Calls that do not fit the helper's signature. */
function wrongCalls(form: Form): string[] {
  const pointer = form.key.longMode ? 64 : 32;
  const fits = (given: readonly Value[], wanted: readonly HelperWidth[]) =>
    given.length === wanted.length &&
    wanted.every((width, index) => given[index].width === (width === 'pointer' ? pointer : width));
  const signatures: Readonly<Record<string, HelperSignature>> = HELPER_SIGNATURES;
  return [...flatten(form.statements)].flatMap((statement) => {
    if (statement.kind !== 'call') return [];
    const signature = signatures[statement.helper];
    if (!signature) return [`unknown helper ${statement.helper}`];
    const widths = `(${statement.args.map(({ width }) => width)}) → (${statement.results.map(({ width }) => width)})`;
    const good = fits(statement.args, signature.args) && fits(statement.results, signature.results);
    return good ? [] : [`${statement.helper} called as ${widths}`];
  });
}

/** Flags written otherwise than declared, or read without being declared. */
function wrongFlags(form: Form): string[] {
  const { reads = [], writes = [] } = form.key.row.flags;
  const found: string[] = [];
  let written = writes.length === 0;
  for (const statement of flatten(form.statements)) {
    if (statement.kind === 'flags') {
      written = true;
      const given = Object.keys(statement.values).sort().join(' ');
      if (given !== [...writes].sort().join(' ')) found.push(`writes ${given}`);
    }
    if (statement.kind === 'read' && statement.place.space === 'flag') {
      const { flag } = statement.place;
      if (!reads.some((name) => name === flag)) found.push(`reads ${flag}`);
    }
  }
  if (!written) found.push('declares flags as written and writes none');
  return found;
}

const patterns = parseEncodings(INSTRUCTIONS);
const forms = [...formKeys(patterns)].map(({ key }) => traceForm(key));
const complaints = (check: (form: Form) => string[]) =>
  forms.flatMap((form) => check(form).map((complaint) => `${nameOf(form)}: ${complaint}`)).slice(0, 10);

describe('the instruction table', () => {
  it('loads: every encoding is well-formed and no two have the same bytes', () => {
    expect(() => createDecodeTables(INSTRUCTIONS)).not.toThrow();
  });

  it('has no fewer rows, encodings and forms than it ought to', () => {
    expect(INSTRUCTIONS.length).toBeGreaterThanOrEqual(270);
    expect(patterns.length).toBeGreaterThanOrEqual(540);
    expect(forms.length).toBeGreaterThanOrEqual(20_000);
  });

  it('has summary and manual for every row', () => {
    const wrong = INSTRUCTIONS.filter(({ summary, manual }) => summary.length < 3 || manual.length < 10);
    expect(wrong.map(({ mnemonic }) => mnemonic)).toEqual([]);
  });

  it('reads and writes flags exactly as declared', () => {
    expect(complaints(wrongFlags)).toEqual([]);
  });

  it('reads every flag that it declares as read, in some form', () => {
    // PUSHF's helper reads them; x87 rows may declare more than one condition needs.
    const checked = INSTRUCTIONS.filter(({ mnemonic, x87 }) => mnemonic !== 'pushf' && x87 === undefined);
    const unread = checked.flatMap((row: InstructionRow) => {
      const read = new Set<string>();
      for (const form of forms) {
        if (form.key.row !== row) continue;
        for (const statement of flatten(form.statements)) {
          if (statement.kind === 'read' && statement.place.space === 'flag') read.add(statement.place.flag);
        }
      }
      return (row.flags.reads ?? []).filter((flag) => !read.has(flag)).map((flag) => `${row.mnemonic} ${flag}`);
    });
    expect(unread).toEqual([]);
  });

  it('calls helpers as their signatures say', () => {
    expect(complaints(wrongCalls)).toEqual([]);
  });

  it('uses temporaries after they are set, and only widths that memory and registers have', () => {
    expect(complaints(illFormed)).toEqual([]);
  });

  it('writes nothing before the last statement that can fault', () => {
    expect(complaints(lateFaults)).toEqual([]);
  });

  it('transfers control last, in rows that end a block', () => {
    const wrong = forms.filter(({ statements, key }) => {
      const jumps = [...flatten(statements)].filter(({ kind }) => kind === 'jump');
      if (jumps.length === 0) return false;
      return jumps.length > 1 || statements.at(-1) !== jumps[0] || key.row.endsBlock !== true;
    });
    expect(wrong.map(nameOf).slice(0, 10)).toEqual([]);
  });

  it('writes direct branch targets as the next instruction pointer plus the displacement', () => {
    const direct = forms.filter(({ key }) => key.encoding.some((word) => word === 'rel8' || word === 'relz'));
    const wrong = direct.filter(({ key, statements }) => {
      const jump = statements.at(-1)!;
      if (jump.kind !== 'jump') return true;
      if (key.operandSize === 16) return jump.target.op !== 'zeroExtend';
      if (jump.target.op !== 'add') return true;
      const [base, displacement] = jump.target.args as [Value, Value];
      return !(
        base.op === 'input' &&
        base.name === 'nextIp' &&
        displacement.op === 'input' &&
        displacement.name === 'immediate'
      );
    });
    expect(direct.length).toBeGreaterThan(100);
    expect(wrong.map(nameOf).slice(0, 10)).toEqual([]);
  });

  it('stores to memory only what it declares as written', () => {
    const wrong = forms.filter(({ key, statements }) => {
      const declares = Object.values(key.row.operands).some((access) => access.includes('w') || access === 'address');
      const stackSegment = 2;
      return (
        !declares && [...flatten(statements)].some((each) => each.kind === 'store' && each.segment !== stackSegment)
      );
    });
    expect(wrong.map(nameOf).slice(0, 10)).toEqual([]);
  });

  it('stores after a load that has checked write permission, wherever an operand is read and written', () => {
    const wrong = forms.filter(({ statements }) => {
      const all = [...flatten(statements)];
      const modified = all.flatMap((each) => (each.kind === 'load' && each.intent === 'modify' ? [each.result] : []));
      const stored = new Set(all.flatMap((each) => (each.kind === 'store' && each.after ? [each.after] : [])));
      return modified.some((result) => !stored.has(result));
    });
    expect(wrong.map(nameOf).slice(0, 10)).toEqual([]);
  });

  it.each(MODES)(
    'covers in %i-bit code every opcode that the manual gives general-purpose and system instructions',
    (mode) => {
      const [oneByte, twoByte] = createDecodeTables(INSTRUCTIONS)[mode] as [unknown[], unknown[]];
      const missing = (map: unknown[], absent: readonly number[]) =>
        map.flatMap((slot, opcode) => (slot === undefined && !absent.includes(opcode) ? [opcode.toString(16)] : []));
      const prefixes = [0x0f, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];
      const not64 = [
        0x06,
        0x07,
        0x0e,
        0x16,
        0x17,
        0x1e,
        0x1f,
        0x27,
        0x2f,
        0x37,
        0x3f,
        0x60,
        0x61,
        0x62,
        0x82,
        0x9a,
        0xc4,
        0xc5,
        0xce,
        0xd4,
        0xd5,
        0xd6,
        0xea,
        ...Array.from({ length: 16 }, (_, low) => 0x40 + low),
      ];
      expect(missing(oneByte, mode === 64 ? [...prefixes, ...not64] : prefixes)).toEqual([]);
      const wanted = [
        0x00, 0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0b, 0x0d, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e,
        0x1f, 0x20, 0x21, 0x22, 0x23, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa8,
        0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb9, 0xba, 0xbb,
        0xbc, 0xbd, 0xbe, 0xbf, 0xc0, 0xc1, 0xc3, 0xc7, 0xff,
      ];
      const rows = [0x40, 0x80, 0x90].flatMap((row) => Array.from({ length: 16 }, (_, low) => row + low));
      const swaps = Array.from({ length: 8 }, (_, low) => 0xc8 + low);
      expect([...wanted, ...rows, ...swaps].filter((opcode) => twoByte[opcode] === undefined)).toEqual([]);
    },
  );
});
