/**
 * Binding: a form's statements for one decoded instruction, with nothing left that only decoding knows. Immediates and
 * register numbers are constants, registers are named by number, the effective address is an expression of registers
 * read at the start, the segment of the memory operand is a number; what that decides is folded.
 *
 * Temporaries are numbered from 0 in every form: whoever puts several together handles one list after the other.
 */
import { IrBuilder } from '../ir/builder.ts';
import { type Replacements, Simplifier } from '../ir/simplify.ts';
import type { Statement } from '../ir/statement.ts';
import type { Value, Width } from '../ir/value.ts';
import { ValueInterner } from '../ir/value-interner.ts';
import { forEachStatement, resultsOf } from '../ir/visit.ts';
import type { DecodedInstruction } from './decoded-instruction.ts';
import type { Place, SegmentRef } from './operand.ts';
import { GPR } from './semantics.ts';

type FormStatement = Statement<Place, SegmentRef>;

/**
 * @param statements of the form that `traceForm` gives for the instruction
 * @param ip offset of the instruction in its code segment: 32 bits, 64 in 64-bit mode. A constant, or any expression
 * @param interner for many forms whose values are to be compared with each other; by default each has its own
 * @returns statements without inputs (but those in `ip`), without places of space 'field', without segment 'operand'
 */
export function bindForm(
  statements: readonly FormStatement[],
  instruction: DecodedInstruction,
  ip: Value,
  interner = new ValueInterner(),
): FormStatement[] {
  return new Binding(statements, instruction, ip, interner).statements();
}

class Binding {
  readonly #form: readonly FormStatement[];
  readonly #instruction: DecodedInstruction;
  readonly #ip: Value;
  readonly #interner: ValueInterner;
  readonly #builder: IrBuilder<Place, SegmentRef>;
  /** What the effective address is made of, read before anything is written. */
  readonly #reads: FormStatement[] = [];
  #effectiveAddress: Value | undefined;
  #nextTemporary = 0;

  constructor(form: readonly FormStatement[], instruction: DecodedInstruction, ip: Value, interner: ValueInterner) {
    this.#form = form;
    this.#instruction = instruction;
    this.#ip = ip;
    this.#interner = interner;
    this.#builder = new IrBuilder(interner);
    forEachStatement(form, (statement) => {
      for (const { id } of resultsOf(statement)) this.#nextTemporary = Math.max(this.#nextTemporary, id + 1);
    });
  }

  statements(): FormStatement[] {
    const replace: Replacements<Place, SegmentRef> = {
      leaf: (value) => (value.op === 'input' ? this.#input(value.name, value.width) : undefined),
      place: (place) => this.#place(place),
      segment: (segment) => (segment === 'operand' ? this.#segment() : segment),
    };
    const bound = new Simplifier(replace, this.#interner).statements(this.#form);
    return [...this.#reads, ...bound];
  }

  #input(name: string, width: Width): Value {
    const { reg, rm, immediates } = this.#instruction;
    const b = this.#builder;
    switch (name) {
      case 'reg':
        return b.constant(reg, width);
      case 'rm':
        return b.constant(rm, width);
      case 'segment':
        return b.constant(this.#segment(), width);
      case 'immediate':
        return b.constant(immediates[0], width);
      case 'immediate2':
        return b.constant(immediates[1], width);
      case 'ip':
        return this.#ip;
      case 'nextIp':
        return this.#nextIp;
      case 'ea':
        this.#effectiveAddress ??= this.#computeEffectiveAddress(width);
        return this.#effectiveAddress;
      default:
        throw new TypeError(`unknown input ${name}`);
    }
  }

  get #nextIp(): Value {
    return this.#builder.add(this.#ip, this.#instruction.length);
  }

  /** SDM Vol. 1, "Specifying an Offset": modulo 2 to the power of the address size. */
  #computeEffectiveAddress(width: Width): Value {
    const { memory, row, operandSize } = this.#instruction;
    if (memory === undefined) throw new TypeError(`${row.mnemonic}: no memory operand`);
    const b = this.#builder;
    const register = (number: number): Value => {
      const result = { op: 'temporary', width, id: this.#nextTemporary++ } as const;
      this.#reads.push({ kind: 'read', result, place: { space: 'gpr', register: number, width } });
      return result;
    };
    let { displacement } = memory;
    if (row.addressAfterPop && memory.base === GPR.rSP) displacement += operandSize / 8;
    let sum: Value = b.constant(0, width);
    if (memory.base === 'ip') sum = b.truncate(this.#nextIp, width);
    else if (memory.base !== undefined) sum = register(memory.base);
    if (memory.index !== undefined) sum = b.add(sum, b.shl(register(memory.index), memory.scale));
    return b.add(sum, displacement);
  }

  #segment(): number {
    const { memory, row } = this.#instruction;
    if (memory === undefined) throw new TypeError(`${row.mnemonic}: no memory operand`);
    return memory.segment;
  }

  #place(place: Place): Place {
    const { reg, rm, rex } = this.#instruction;
    if (place.space === 'selector') return place.segment === 'reg' ? { ...place, segment: reg } : place;
    if (place.space !== 'field') return place;
    const number = place.field === 'reg' ? reg : rm;
    const { width } = place;
    // Byte registers 4..7 without REX are AH, CH, DH, BH.
    if (width === 8 && number >= 4 && number < 8 && !rex) {
      return { space: 'gpr', register: number - 4, width, high: true };
    }
    return { space: 'gpr', register: number, width };
  }
}
