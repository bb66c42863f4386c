import { describe, expect, it } from 'vitest';
import { EFLAGS, readEflags, writeEflags } from '../../../../src/cpu/flags.ts';
import { createCpuState, STATE } from '../../../../src/cpu/state-layout.ts';
import { Random } from '../../../../src/difftest/random.ts';
import { FormLowering, type FormStatement } from '../../../../src/engine/lowering/form-lowering.ts';
import { PLACE_LOCATIONS } from '../../../../src/engine/lowering/place-locations.ts';
import { LocalPool } from '../../../../src/engine/lowering/value-lowering.ts';
import { findNeededInSequence } from '../../../../src/ir/liveness.ts';
import type { Value, Width } from '../../../../src/ir/value.ts';
import { forEachStatement, someStatement } from '../../../../src/ir/visit.ts';
import { bindForm } from '../../../../src/isa/bind-form.ts';
import { createDecoder, isFailure } from '../../../../src/isa/decoder.ts';
import { encodePattern } from '../../../../src/isa/encode-instruction.ts';
import { parseEncodings } from '../../../../src/isa/encoding.ts';
import type { Place } from '../../../../src/isa/operand.ts';
import { STATUS_FLAGS } from '../../../../src/isa/semantics.ts';
import { INSTRUCTIONS } from '../../../../src/isa/table.ts';
import { traceForm } from '../../../../src/isa/trace.ts';
import { Pool } from '../../../../src/memory/pool.ts';
import { CodeWriter, I32 } from '../../../../src/wasm/code-writer.ts';
import { ModuleBuilder } from '../../../../src/wasm/module-builder.ts';
import { fieldsOf } from '../../../support/instruction-fields.ts';
import { StateTrail } from '../../../support/state-trail.ts';

/** Locals of the eight registers and of the flags' words. */
interface Homes {
  readonly registers: readonly number[];
  readonly result: number;
  readonly carries: number;
}

/** An emitter unlike the interpreter's: operands are bound, registers and flags live in locals. */
class HomeLowering extends FormLowering {
  readonly #homes: Homes;

  constructor(code: CodeWriter, pool: LocalPool, homes: Homes) {
    super(code, pool, { state: 0, wide: false });
    this.#homes = homes;
  }

  form(statements: readonly FormStatement[]): void {
    this.prepare(statements);
    this.statements(statements);
    this.pool.releaseAll();
  }

  protected override readPlace(place: Place, width: Width): void {
    if (place.space !== 'gpr') return super.readPlace(place, width);
    this.code.get(this.#homes.registers[place.register]);
    if (place.high) {
      this.code.i32(8);
      this.code.op('i32.shr_u');
    }
    if (width === 32) return;
    this.code.i32(2 ** width - 1);
    this.code.op('i32.and');
  }

  protected override writePlace(place: Place, value: Value): void {
    if (place.space !== 'gpr') return super.writePlace(place, value);
    const { code } = this;
    const home = this.#homes.registers[place.register];
    if (value.width === 32) this.value(value);
    else {
      const shift = place.high ? 8 : 0;
      code.get(home);
      code.i32(~((2 ** value.width - 1) << shift));
      code.op('i32.and');
      this.clean(value);
      code.i32(shift);
      code.op('i32.shl', 'i32.or');
    }
    code.set(home);
  }

  protected override getFlagResult(): void {
    this.code.get(this.#homes.result);
  }
  protected override getFlagCarries(): void {
    this.code.get(this.#homes.carries);
  }
  protected override setFlagResult(push: () => void): void {
    push();
    this.code.set(this.#homes.result);
  }
  protected override setFlagCarries(push: () => void): void {
    push();
    this.code.set(this.#homes.carries);
  }

  protected input(name: string): never {
    throw new TypeError(`input ${name} in a bound form`);
  }
  protected load = refuse;
  protected store = refuse;
  protected jump = refuse;
  protected checkTarget = refuse;
  protected raise = refuse;
  protected call = refuse;
}

function refuse(): never {
  throw new TypeError('only registers and flags');
}

const pool = Pool.create({ maximumBytes: 1 << 20 });
const state = createCpuState(pool, pool.allocate(STATE.size));

/** Compiles a sequence of forms to a function of the state block, and runs it. */
function run(sequence: readonly (readonly FormStatement[])[]): void {
  const code = new CodeWriter(1);
  const homes: Homes = {
    registers: Array.from({ length: 8 }, () => code.newLocal(I32)),
    result: code.newLocal(I32),
    carries: code.newLocal(I32),
  };
  const slots = [
    ...homes.registers.map((local, register) => ({ local, at: register * 8 })),
    { local: homes.carries, at: STATE.fields.flagCarries },
  ];
  for (const { local, at } of [...slots, { local: homes.result, at: STATE.fields.flagResult }]) {
    code.get(0);
    code.memory('i32.load', at);
    code.set(local);
  }
  const locals = new LocalPool(code);
  for (const statements of sequence) new HomeLowering(code, locals, homes).form(statements);
  for (const { local, at } of slots) {
    code.get(0);
    code.get(local);
    code.memory('i32.store', at);
  }
  code.get(0);
  code.get(homes.result);
  code.op('i64.extend_i32_s');
  code.memory('i64.store', STATE.fields.flagResult);
  const module = new ModuleBuilder();
  module.importMemory('memory', { minimumPages: 1, maximumPages: 65536 });
  const index = module.declare({ parameters: [I32], results: [] }, 'sequence');
  module.define(index, code);
  module.export('run', index);
  const host = { memory: pool.memory };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), { host });
  (exports.run as (state: number) => void)(state.address);
}

const KINDS = new Set(['read', 'write', 'flags', 'when']);

/** Whether an instruction is about general registers and status flags alone. */
function isPlain(statements: readonly FormStatement[]): boolean {
  let plain = !someStatement(statements, ({ kind }) => !KINDS.has(kind));
  forEachStatement(statements, (statement) => {
    if ('place' in statement && statement.place.space !== 'gpr' && statement.place.space !== 'flag') plain = false;
    const flags = statement.kind === 'flags' ? Object.keys(statement.values) : [];
    if (
      flags.includes('DF') ||
      ('place' in statement && statement.place.space === 'flag' && statement.place.flag === 'DF')
    )
      plain = false;
  });
  return plain;
}

describe('an emitter that binds operands and keeps registers and flags in locals', () => {
  it('needs no more than to override where places are: random sequences end as the reference evaluator’s', () => {
    const random = new Random(11);
    const decoder = createDecoder(INSTRUCTIONS);
    const patterns = parseEncodings(INSTRUCTIONS).filter(
      ({ modes, row, form }) => modes.includes(32) && !row.x87 && form !== 'memory',
    );
    const met = new Set<string>();
    for (let round = 0; round < 400; round++) {
      const sequence: FormStatement[][] = [];
      while (sequence.length < 8) {
        const pattern = random.pick(patterns);
        const fields = [...fieldsOf(pattern, 32, 1, random)].filter(({ memory }) => !memory);
        const bytes = fields.length > 0 ? encodePattern(pattern, random.pick(fields)) : '';
        if (typeof bytes === 'string') continue;
        const instruction = decoder.decode(Uint8Array.from(bytes), 0, 32);
        if (isFailure(instruction)) continue;
        const { row, encoding, operandSize, addressSize, condition } = instruction;
        const context = { operandSize, addressSize, condition, stackSize: 32, longMode: false } as const;
        const { statements } = traceForm({ row, encoding, memory: false, ...context });
        const bound = bindForm(statements, instruction, { op: 'constant', width: 32, value: 0n });
        if (!isPlain(bound)) continue;
        sequence.push(bound);
        met.add(row.mnemonic);
      }
      const trail = new StateTrail(random.bits(32));
      for (let register = 0; register < 8; register++) state.setReg32(register, trail.valueOf(register));
      writeEflags(
        state,
        STATUS_FLAGS.reduce((flags, flag) => flags | (trail.valueOf(flag) ? EFLAGS[flag] : 0), 0),
      );
      run(findNeededInSequence(sequence, PLACE_LOCATIONS.all, PLACE_LOCATIONS));
      trail.run(sequence);
      const flags = readEflags(state);
      expect([
        ...[0, 1, 2, 3, 4, 5, 6, 7].map((register) => state.reg32(register)),
        ...STATUS_FLAGS.map((flag) => (flags & EFLAGS[flag] ? flag : '')),
      ]).toEqual([
        ...[0, 1, 2, 3, 4, 5, 6, 7].map((register) => trail.valueOf(register)),
        ...STATUS_FLAGS.map((flag) => (trail.valueOf(flag) ? flag : '')),
      ]);
    }
    expect(met.size).toBeGreaterThan(40);
  });
});
