import { describe, expect, it } from 'vitest';
import { type Bits, defined } from '../../../../src/engine/reference/bits.ts';
import { evaluateStatements, type ReferenceContext } from '../../../../src/engine/reference/evaluate.ts';
import { parseEncodings } from '../../../../src/isa/encoding.ts';
import type { Place } from '../../../../src/isa/operand.ts';
import { INSTRUCTIONS } from '../../../../src/isa/table.ts';
import { traceForm } from '../../../../src/isa/trace.ts';

/** Places by name, memory by address; what was written is kept as it was written. */
class FakeContext implements ReferenceContext {
  readonly places = new Map<string, Bits>();
  readonly memory = new Map<bigint, Bits>();
  readonly inputs: Record<string, bigint>;
  readonly events: string[] = [];

  constructor(places: Record<string, bigint>, inputs: Record<string, bigint> = {}) {
    for (const [name, value] of Object.entries(places)) this.places.set(name, defined(value));
    this.inputs = inputs;
  }
  input(name: string): bigint {
    return this.inputs[name];
  }
  readPlace(place: Place, width: number): Bits {
    const { value } = this.places.get(nameOf(place)) ?? defined(0n);
    return defined(BigInt.asUintN(width, value));
  }
  writePlace(place: Place, value: Bits): void {
    this.places.set(nameOf(place), value);
  }
  load(_: unknown, access: { offset: bigint; intent: string }): Bits {
    this.events.push(`load ${access.intent}`);
    return this.memory.get(access.offset) ?? defined(0n);
  }
  store(_: unknown, access: { offset: bigint; checked: boolean }, value: Bits): void {
    this.events.push(access.checked ? 'store, checked before' : 'store');
    this.memory.set(access.offset, value);
  }
  setFlag(name: string, value: Bits): void {
    this.places.set(name, value);
  }
  checkStore(_: unknown, { offset, width }: { offset: bigint; width: number }): void {
    this.events.push(`check store ${offset.toString(16)} ${width}`);
  }
  checkTarget(target: bigint): void {
    this.events.push(`check target ${target.toString(16)}`);
  }
  jump(target: bigint): void {
    this.events.push(`jump ${target.toString(16)}`);
  }
  raise({ vector }: { vector: number }): never {
    throw new Error(`vector ${vector}`);
  }
  callHelper(): readonly Bits[] {
    throw new Error('no helpers');
  }
  undefinedDecision(what: string): void {
    this.events.push(`undecided ${what}`);
  }
}

const nameOf = (place: Place): string => {
  switch (place.space) {
    case 'gpr':
      return `r${place.register}`;
    case 'field':
      return place.field;
    case 'flag':
      return place.flag;
    default:
      return place.space;
  }
};

const patterns = parseEncodings(INSTRUCTIONS);

function statementsOf(mnemonic: string, opcode: string, options: { memory?: boolean; condition?: number } = {}) {
  const { row, encoding } = patterns.find(
    (one) => one.row.mnemonic === mnemonic && one.encoding[0].startsWith(opcode),
  )!;
  return traceForm({
    row,
    encoding,
    memory: options.memory ?? false,
    operandSize: 32,
    addressSize: 32,
    stackSize: 32,
    longMode: false,
    condition: options.condition ?? 0,
  }).statements;
}

describe('evaluating the statements of a row', () => {
  it('ADC adds the carry and sets all six flags', () => {
    const context = new FakeContext({ rm: 0x7fff_ffffn, reg: 0n, CF: 1n });
    evaluateStatements(statementsOf('adc', '11'), context);
    expect(context.places.get('rm')).toEqual(defined(0x8000_0000n));
    const flags = ['CF', 'PF', 'AF', 'ZF', 'SF', 'OF'].map((name) => context.places.get(name)!.value);
    expect(flags).toEqual([0n, 1n, 1n, 0n, 1n, 1n]);
  });

  it('a memory destination is loaded with the intent to modify, and stored without another check', () => {
    const context = new FakeContext({ reg: 5n }, { ea: 0x1000n });
    context.memory.set(0x1000n, defined(2n));
    evaluateStatements(statementsOf('add', '01', { memory: true }), context);
    expect(context.memory.get(0x1000n)).toEqual(defined(7n));
    expect(context.events).toEqual(['load modify', 'store, checked before']);
  });

  it('AND leaves AF undefined, and picks 0', () => {
    const context = new FakeContext({ rm: 3n, reg: 1n });
    evaluateStatements(statementsOf('and', '21'), context);
    expect(context.places.get('AF')).toEqual({ value: 0n, undefined: 1n });
    expect(context.places.get('ZF')).toEqual(defined(0n));
  });

  it('a shift by 0 touches no flag', () => {
    const context = new FakeContext({ rm: 3n, r1: 0n, CF: 1n, OF: 1n });
    evaluateStatements(statementsOf('shl', 'D3'), context);
    expect(context.places.get('CF')).toEqual(defined(1n));
    expect(context.places.get('OF')).toEqual(defined(1n));
  });

  it('OF of a shift by more than 1 is undefined', () => {
    const context = new FakeContext({ rm: 3n, r1: 4n });
    evaluateStatements(statementsOf('shl', 'D3'), context);
    expect(context.places.get('OF')!.undefined).toBe(1n);
    expect(context.places.get('CF')!.undefined).toBe(0n);
  });

  it('DIV by 0 raises #DE before anything is written', () => {
    const context = new FakeContext({ rm: 0n, r0: 1n, r2: 1n });
    expect(() => evaluateStatements(statementsOf('div', 'F7'), context)).toThrow('vector 0');
    expect(context.places.get('r0')).toEqual(defined(1n));
  });

  it('a conditional jump is taken only if its condition holds', () => {
    const inputs = { immediate: 0x10n, nextIp: 0x102n };
    const taken = new FakeContext({ ZF: 1n }, inputs);
    evaluateStatements(statementsOf('jcc', '70', { condition: 4 }), taken);
    expect(taken.events).toEqual(['jump 112']);
    const passed = new FakeContext({ ZF: 0n }, inputs);
    evaluateStatements(statementsOf('jcc', '70', { condition: 4 }), passed);
    expect(passed.events).toEqual([]);
  });
});

describe('what is wrong with a row', () => {
  it('a condition that is undefined is reported', () => {
    const context = new FakeContext({});
    const undefinedTruth = { op: 'undefined', width: 1 } as const;
    const target = { op: 'constant', width: 32, value: 1n } as const;
    evaluateStatements([{ kind: 'jump', target, condition: undefinedTruth }], context);
    expect(context.events).toEqual(['undecided condition']);
  });

  it('the target is checked after the place that is pushed to, and only if the condition holds', () => {
    const context = new FakeContext({});
    const constant = (value: bigint, width: 1 | 32) => ({ op: 'constant', width, value }) as const;
    const pushed = { segment: 2, offset: constant(0x10n, 32), width: 16 } as const;
    const target = constant(0x20n, 32);
    for (const holds of [0n, 1n])
      evaluateStatements([{ kind: 'checkTarget', target, pushed, condition: constant(holds, 1) }], context);
    evaluateStatements([{ kind: 'checkTarget', target }], context);
    expect(context.events).toEqual(['check store 10 16', 'check target 20', 'check target 20']);
  });

  it('a temporary that was never set is an error', () => {
    const value = { op: 'temporary', width: 32, id: 7 } as const;
    const place = { space: 'gpr', register: 0, width: 32 } as const;
    expect(() => evaluateStatements([{ kind: 'write', place, value }], new FakeContext({}))).toThrow(
      'before it is set',
    );
  });
});
