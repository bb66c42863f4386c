import { describe, expect, it } from 'vitest';
import type { Cpu } from '../../../src/cpu/cpu.ts';
import { isLongMode } from '../../../src/cpu/processor-mode.ts';
import { VectorGenerator } from '../../../src/difftest/generate-vector.ts';
import { Random } from '../../../src/difftest/random.ts';
import { ReferenceOracle, type ReferenceOutcome } from '../../../src/difftest/reference-oracle.ts';
import { enumerateForms } from '../../../src/difftest/test-form.ts';
import { FormCache } from '../../../src/engine/reference/execute-instruction.ts';
import type { Value } from '../../../src/ir/value.ts';
import { forEachStatement, forEachUse } from '../../../src/ir/visit.ts';
import { bindForm } from '../../../src/isa/bind-form.ts';
import type { DecodedInstruction } from '../../../src/isa/decoded-instruction.ts';
import { createDecoder, isFailure } from '../../../src/isa/decoder.ts';
import { encodePattern } from '../../../src/isa/encode-instruction.ts';
import { parseEncodings } from '../../../src/isa/encoding.ts';
import { printStatements } from '../../../src/isa/print-statements.ts';
import { INSTRUCTIONS } from '../../../src/isa/table.ts';
import { type Form, traceForm } from '../../../src/isa/trace.ts';
import { randomMachine, recordEffects } from '../../support/effect-recorder.ts';
import { fieldsOf } from '../../support/instruction-fields.ts';

/** Gives the reference evaluator the bound statements of each instruction. */
class BoundForms extends FormCache {
  override find(cpu: Cpu, instruction: DecodedInstruction): Form {
    const form = super.find(cpu, instruction);
    const width = isLongMode(cpu.state) ? 64 : 32;
    const ip: Value = { op: 'constant', width, value: BigInt(cpu.state.ip) };
    const statements = bindForm(form.statements, instruction, ip);
    forEachUse(statements, (value) => {
      if (value.op === 'input') throw new TypeError(`${instruction.row.mnemonic}: input ${value.name} is left`);
    });
    forEachStatement(statements, (statement) => {
      if ('place' in statement && statement.place.space === 'field') throw new TypeError('a field is left');
      if ('segment' in statement && statement.segment === 'operand') throw new TypeError('a segment is left');
    });
    return { ...form, statements };
  }
}

const VECTORS = 2;

describe.each([16, 32, 64] as const)('a bound form in %s-bit mode', (mode) => {
  it('means what the unbound one means: every form, on random states', () => {
    const reference = new ReferenceOracle(INSTRUCTIONS);
    const bound = new ReferenceOracle(INSTRUCTIONS, new BoundForms());
    const differing: string[] = [];
    let [compared, faults] = [0, 0];
    const forms = enumerateForms(INSTRUCTIONS, [mode]);
    forms.forEach((form, index) => {
      const generator = new VectorGenerator(form, new Random(97 * index + mode));
      for (let count = 0; count < VECTORS; count++) {
        const vector = generator.next();
        if (vector === undefined) continue;
        const expected = outcome(() => reference.run(vector));
        const actual = outcome(() => bound.run(vector));
        if (expected.startsWith('{')) compared++;
        if (expected.includes('"kind":"fault"')) faults++;
        if (actual !== expected) differing.push(`${form.name}: ${expected}\n${actual}`);
      }
    });
    expect(differing).toEqual([]);
    expect(compared).toBeGreaterThan(forms.length * VECTORS * 0.8);
    expect(faults).toBeLessThan(compared / 2);
  });

  it('has the same effects, one by one, also where privileges and modes forbid them to vectors', () => {
    const random = new Random(mode);
    const decoder = createDecoder(INSTRUCTIONS);
    const differing: string[] = [];
    const met = new Set<string>();
    for (const pattern of parseEncodings(INSTRUCTIONS).filter(({ modes }) => modes.includes(mode))) {
      for (const fields of fieldsOf(pattern, mode, 2, random)) {
        const bytes = encodePattern(pattern, fields);
        if (typeof bytes === 'string') continue;
        const instruction = decoder.decode(Uint8Array.from(bytes), 0, mode);
        if (isFailure(instruction)) continue;
        const { row, encoding, operandSize, addressSize, condition, memory } = instruction;
        const context = { operandSize, addressSize, condition, stackSize: mode, longMode: mode === 64 } as const;
        const { statements } = traceForm({ row, encoding, memory: memory !== undefined, ...context });
        const machine = randomMachine(random);
        const ip: Value = { op: 'constant', width: mode === 64 ? 64 : 32, value: machine.ip };
        const expected = recordEffects(statements, instruction, machine);
        const actual = recordEffects(bindForm(statements, instruction, ip), instruction, machine);
        if (actual.join('\n') !== expected.join('\n')) {
          differing.push(`${row.mnemonic} ${encoding.join(' ')}:\n${expected.join('\n')}\n\n${actual.join('\n')}`);
        }
        for (const line of expected)
          met.add(line.startsWith('call') ? line.split(' ', 2).join(' ') : line.split(' ')[0]);
      }
    }
    expect(differing).toEqual([]);
    expect([...met].filter((word) => word.includes('Error'))).toEqual([]);
    const helpers = [...met].filter((word) => word.startsWith('call ')).length;
    expect(helpers).toBeGreaterThan(60);
    expect([...met]).toEqual(expect.arrayContaining(['register', 'load', 'store', 'flag', 'jump', 'check', 'raise']));
  });
});

/** All that became of a vector, as text; what the machine of vectors cannot do at all, it must refuse alike. */
function outcome(run: () => ReferenceOutcome): string {
  try {
    return JSON.stringify(run(), (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
  } catch (error) {
    return String(error);
  }
}

describe('binding', () => {
  const decoder = createDecoder(INSTRUCTIONS);
  const bind = (bytes: readonly number[], ip?: Value): string[] => {
    const instruction = decoder.decode(Uint8Array.from(bytes), 0, 32);
    if (isFailure(instruction)) throw new TypeError('not an instruction');
    const { row, encoding, operandSize, addressSize, condition, memory } = instruction;
    const context = { operandSize, addressSize, condition, stackSize: 32, longMode: false } as const;
    const form = traceForm({ row, encoding, memory: memory !== undefined, ...context });
    const at: Value = ip ?? { op: 'constant', width: 32, value: 0x1000n };
    return printStatements(bindForm(form.statements, instruction, at), {});
  };

  it('decides whether a shift by an immediate sets flags', () => {
    expect(bind([0xc1, 0xe0, 0x04]).join('\n')).not.toContain('if'); // shl eax, 4
    expect(bind([0xc1, 0xe0, 0x20])).toEqual(['a := eax', 'eax := a']); // shl eax, 32
  });

  it('makes an address of registers, scale and displacement', () => {
    // lea eax, [ebx + ecx * 4 − 16]
    expect(bind([0x8d, 0x44, 0x8b, 0xf0])).toEqual(['a := ebx', 'b := ecx', 'eax := a + (b << 2) + FFFFFFF0h']);
    // lea eax, [12345678h]
    expect(bind([0x8d, 0x05, 0x78, 0x56, 0x34, 0x12])).toEqual(['eax := 12345678h']);
  });

  it('takes the pop of POP into account, and names high bytes and segments', () => {
    // pop dword [esp + 4]
    expect(bind([0x8f, 0x44, 0x24, 0x04]).join('\n')).toContain('+ 8');
    // mov gs:[eax], bh
    expect(bind([0x65, 0x88, 0x38])).toEqual(['a := eax', 'b := bh', 'memory8[gs:a] := b']);
  });

  it('knows a branch target, or how it hangs on the instruction pointer', () => {
    expect(bind([0xeb, 0xfe])).toEqual(['go to 1000h']);
    const base: Value = { op: 'input', width: 32, name: 'base' };
    const offset: Value = { op: 'constant', width: 32, value: 0x234n };
    expect(bind([0xeb, 0x10], { op: 'add', width: 32, args: [base, offset] })).toEqual(['go to base + 246h']);
  });
});
