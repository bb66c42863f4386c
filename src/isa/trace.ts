/**
 * Tracing: runs a row's `execute` once, for one encoding, one set of sizes and one choice of register or memory, and
 * keeps the statements it emits. Engines work from the result alone.
 */
import type { Statement } from '../ir/statement.ts';
import type { Temporary, Value, Width } from '../ir/value.ts';
import type { ValueInterner } from '../ir/value-interner.ts';
import type { Access, Encoding, InstructionRow } from './instruction.ts';
import type { OperandAccess, Place, SegmentRef } from './operand.ts';
import { OPERAND_KINDS, type OperandKind } from './operand-kind.ts';
import { type FormContext, GPR, SEGMENT, SemanticsBuilder } from './semantics.ts';

export interface FormKey extends FormContext {
  readonly row: InstructionRow;
  readonly encoding: Encoding;
  /** ModR/M.rm is memory. */
  readonly memory: boolean;
}

export interface Form {
  readonly key: FormKey;
  readonly statements: readonly Statement<Place, SegmentRef>[];
  /** Parts of the context that the semantics looked at. */
  readonly uses: { readonly addressSize: boolean; readonly stackSize: boolean };
}

const SIZES: Record<'v' | 'z' | 'a', (context: FormContext) => number> = {
  v: (context) => context.operandSize,
  z: (context) => Math.min(context.operandSize, 32),
  a: (context) => context.addressSize,
};

/** Width of an operand kind in a context, in bits. */
export const widthOf = (kind: OperandKind, context: FormContext): number =>
  typeof kind.width === 'number' ? kind.width : SIZES[kind.width](context);

/** Traces one form; `interner`: see `IrBuilder`. @throws TypeError when the row's semantics are ill-typed. */
export function traceForm(key: FormKey, interner?: ValueInterner): Form {
  const { row, encoding } = key;
  const b = new SemanticsBuilder(key, interner);
  const operands: Record<string, OperandAccess> = {};
  let immediates = 0;
  Object.entries(row.operands).forEach(([name, access], position) => {
    const kindName = encoding[position + 1] as keyof typeof OPERAND_KINDS | undefined;
    if (kindName === undefined) return; // an encoding may leave trailing operands out (RET without imm16)
    const kind: OperandKind = OPERAND_KINDS[kindName];
    operands[name] = bindOperand(b, key, kind, access, immediates);
    if (kind.source === 'immediate' || kind.source === 'relative' || kind.source === 'memoryOffset') immediates++;
    if (kind.source === 'farPointer') immediates += 2;
  });
  checkBefore(row, b);
  row.execute(operands, b as never);
  return { key, statements: b.statements, uses: b.used };
}

/** The checks that come before anything an instruction does itself, in the order of their exceptions' priority. */
function checkBefore(row: InstructionRow, b: SemanticsBuilder): void {
  if (row.protectedOnly) {
    const protection = b.truncate(b.state('cr0', 32), 1);
    const virtual8086 = b.truncate(b.shr(b.state('flagsOther', 32), EFLAGS_VM), 1);
    b.raise('#UD', 'not recognized in real-address and virtual-8086 mode', b.or(b.not(protection), virtual8086));
  }
  if (row.x87) b.call('x87Check', [b.constant(row.x87 === 'wait' ? 1 : 0, 8)]);
  if (row.privileged) b.raise('#GP', 'privileged instruction at CPL ≠ 0', b.ne(b.state('cpl', 32), 0));
}

/** Bit number of EFLAGS.VM. */
const EFLAGS_VM = 17;

const unsupported = (what: string) => (): never => {
  throw new TypeError(`operand has no ${what}`);
};

function bindOperand(
  b: SemanticsBuilder,
  key: FormKey,
  kind: OperandKind,
  access: Access,
  immediate: number,
): OperandAccess {
  const width = widthOf(kind, key) as Width;
  const base = {
    width,
    isMemory: false,
    read: unsupported('value') as () => Value,
    write: unsupported('place to write') as (value: Value) => void,
    get index(): Value {
      return unsupported('register number')();
    },
    get segment(): SegmentRef {
      return unsupported('segment')();
    },
    get offset(): Value {
      return unsupported('offset')();
    },
    get selector(): Value {
      return unsupported('selector')();
    },
  };
  const at = (place: Place, index?: Value): OperandAccess =>
    define(base, {
      read: () => b.readPlace(place, width),
      write: (value: Value) => b.writePlace(place, checked(value, width)),
      ...(index && { index }),
    });
  const inMemory = (segment: SegmentRef, offset: () => Value): OperandAccess => {
    let modified: Temporary | undefined;
    return define(base, {
      isMemory: true,
      segment,
      get offset() {
        return offset();
      },
      read: () => {
        const value = b.load(segment, offset(), width, access === 'rw' ? 'modify' : 'read');
        if (access === 'rw') modified = value;
        return value;
      },
      write: (value: Value) => b.store(segment, offset(), checked(value, width), modified),
    });
  };
  switch (kind.source) {
    case 'reg':
      return at({ space: 'field', field: 'reg', width }, b.input('reg', 8));
    case 'opcode':
    case 'rmReg':
      return at({ space: 'field', field: 'rm', width }, b.input('rm', 8));
    case 'rm':
      if (!key.memory) return at({ space: 'field', field: 'rm', width }, b.input('rm', 8));
      return inMemory('operand', () => b.input('ea', b.addressSize));
    case 'memory':
      return inMemory('operand', () => b.input('ea', b.addressSize));
    case 'memoryOffset':
      return inMemory('operand', () => b.input('ea', b.addressSize));
    case 'stringSource':
      return inMemory('operand', () => b.register(GPR.rSI, b.addressSize));
    case 'stringDestination':
      return inMemory(SEGMENT.ES, () => b.register(GPR.rDI, b.addressSize));
    case 'immediate':
    case 'relative':
      return define(base, { read: () => b.input(immediate === 0 ? 'immediate' : 'immediate2', width) });
    case 'farPointer':
      return define(base, {
        read: () => b.input('immediate', width),
        get selector() {
          return b.input('immediate2', 16);
        },
      });
    case 'segment':
      return at({ space: 'selector', segment: 'reg' }, b.input('reg', 8));
    case 'control':
    case 'debug':
      return define(base, { index: b.input('reg', 8) });
    case 'stack87':
      return define(base, { index: b.input('rm', 8) });
    case 'fixed':
      if (kind.fixedClass === 'gpr')
        return at({ space: 'gpr', register: kind.fixed!, width }, b.constant(kind.fixed!, 8));
      if (kind.fixedClass === 'segment')
        return at({ space: 'selector', segment: kind.fixed! }, b.constant(kind.fixed!, 8));
      if (kind.fixedClass === 'constant') return define(base, { read: () => b.constant(kind.fixed!, width) });
      return define(base, { index: b.constant(kind.fixed!, 8) });
  }
}

/** `base` with some properties replaced, getters kept as getters. */
function define(base: object, properties: object): OperandAccess {
  return Object.defineProperties(
    {},
    { ...Object.getOwnPropertyDescriptors(base), ...Object.getOwnPropertyDescriptors(properties) },
  ) as OperandAccess;
}

function checked(value: Value, width: Width): Value {
  if (value.width !== width) throw new TypeError(`a value of ${value.width} bits written to an operand of ${width}`);
  return value;
}
