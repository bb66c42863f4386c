import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/difftest/random.ts';
import { PLACE_LOCATIONS } from '../../../src/engine/lowering/place-locations.ts';
import { findNeeded, findNeededInSequence } from '../../../src/ir/liveness.ts';
import type { Statement } from '../../../src/ir/statement.ts';
import type { Value } from '../../../src/ir/value.ts';
import { bindForm } from '../../../src/isa/bind-form.ts';
import { createDecoder, isFailure } from '../../../src/isa/decoder.ts';
import { encodePattern } from '../../../src/isa/encode-instruction.ts';
import { parseEncodings } from '../../../src/isa/encoding.ts';
import type { Place, SegmentRef } from '../../../src/isa/operand.ts';
import { INSTRUCTIONS } from '../../../src/isa/table.ts';
import { traceForm } from '../../../src/isa/trace.ts';
import { fieldsOf } from '../../support/instruction-fields.ts';
import { StateTrail } from '../../support/state-trail.ts';

type FormStatement = Statement<Place, SegmentRef>;

const decoder = createDecoder(INSTRUCTIONS);

/** Bound statements of 32-bit code. */
function bound(bytes: ArrayLike<number>): FormStatement[] | undefined {
  const instruction = decoder.decode(Uint8Array.from(bytes), 0, 32);
  if (isFailure(instruction)) return undefined;
  const { row, encoding, operandSize, addressSize, condition, memory } = instruction;
  const context = { operandSize, addressSize, condition, stackSize: 32, longMode: false } as const;
  const form = traceForm({ row, encoding, memory: memory !== undefined, ...context });
  return bindForm(form.statements, instruction, { op: 'constant', width: 32, value: 0x1000n });
}

const needed = (...sequence: readonly (readonly FormStatement[])[]) =>
  findNeededInSequence(sequence, PLACE_LOCATIONS.all, PLACE_LOCATIONS);
const setsFlags = (statements: readonly FormStatement[]) => statements.some(({ kind }) => kind === 'flags');

describe('flags of an addition', () => {
  const ADD = bound([0x01, 0xd8])!; // add eax, ebx
  const cases: readonly (readonly [string, boolean, readonly number[]])[] = [
    ['sub ecx, edx', false, [0x29, 0xd1]],
    ['test ecx, ecx', false, [0x85, 0xc9]],
    ['shl ecx, 4', false, [0xc1, 0xe1, 0x04]],
    ['shl ecx, cl: may leave them', true, [0xd3, 0xe1]],
    ['inc ecx: keeps CF', true, [0x41]],
    ['adc ecx, edx: reads CF', true, [0x11, 0xd1]],
    ['mov ecx, edx', true, [0x89, 0xd1]],
    ['sub ecx, [edx]: may fault first', true, [0x2b, 0x0a]],
    ['je: reads ZF', true, [0x74, 0x00]],
    ['jmp: goes where they may be read', true, [0xeb, 0x00]],
    ['pushf: a helper reads them', true, [0x9c]],
    ['popf: may fault first, and its helper knows', true, [0x9d]],
    ['iret', true, [0xcf]],
    ['lahf', true, [0x9f]],
    ['cld: another flag', true, [0xfc]],
  ];
  it.each(cases)('before %s: needed %s', (_, expected, bytes) => {
    expect(setsFlags(needed(ADD, bound(bytes)!)[0])).toBe(expected);
  });

  it('are seen through instructions that neither read nor set any', () => {
    const MOV = bound([0x89, 0xd1])!;
    expect(setsFlags(needed(ADD, MOV, MOV, ADD)[0])).toBe(false);
    expect(setsFlags(needed(ADD, MOV, MOV)[0])).toBe(true);
  });
});

describe('what nobody sees', () => {
  const temporary = (id: number) => ({ op: 'temporary', width: 32, id }) as const;
  const gpr = (register: number, width: 8 | 16 | 32 = 32): Place => ({ space: 'gpr', register, width });
  const read = (id: number, register: number): FormStatement => ({
    kind: 'read',
    result: temporary(id),
    place: gpr(register),
  });
  const write = (register: number, value: Value, width: 8 | 16 | 32 = 32): FormStatement => {
    return { kind: 'write', place: gpr(register, width), value };
  };
  const when = (condition: Value, then: FormStatement[], otherwise: FormStatement[] = []): FormStatement => {
    return { kind: 'when', condition, then, otherwise };
  };
  const bit: Value = { op: 'input', width: 1, name: 'bit' };
  const locations = PLACE_LOCATIONS.of(gpr(0));
  const find = (statements: FormStatement[]) =>
    findNeeded(statements, { locations, temporaries: new Set() }, PLACE_LOCATIONS);

  it('is a read that is not used, and what was computed for a write that is not seen', () => {
    const statements = [read(0, 1), read(1, 2), write(3, temporary(1)), write(0, temporary(0))];
    expect(find(statements).statements).toEqual([read(0, 1), write(0, temporary(0))]);
    expect(find(statements).before.locations).toBe(PLACE_LOCATIONS.of(gpr(1)));
  });

  it('is a write that another one replaces, but not one of which a part is left', () => {
    const [zero, byte]: Value[] = [
      { op: 'constant', width: 32, value: 0n },
      { op: 'constant', width: 8, value: 0n },
    ];
    expect(find([write(0, zero), write(0, zero)]).statements).toHaveLength(1);
    expect(find([write(0, zero), write(0, byte, 8)]).statements).toHaveLength(2);
    expect(find([write(0, byte, 8), write(0, zero)]).statements).toHaveLength(1);
  });

  it('is a branch in which nothing is seen', () => {
    const zero: Value = { op: 'constant', width: 32, value: 0n };
    expect(find([when(bit, [write(1, zero)])]).statements).toEqual([]);
    expect(find([write(0, zero), when(bit, [write(0, zero)])]).statements).toHaveLength(2);
    expect(find([write(0, zero), when(bit, [write(0, zero)], [write(0, zero)])]).statements).toHaveLength(1);
    const statements = [read(0, 1), when(bit, [write(0, temporary(0)), write(1, zero)])];
    expect(find(statements).statements).toEqual([read(0, 1), when(bit, [write(0, temporary(0))])]);
  });

  it('is nothing before a load, a store, a fault, a check, a jump or a helper', () => {
    const zero: Value = { op: 'constant', width: 32, value: 0n };
    const leaving: FormStatement[] = [
      { kind: 'load', result: temporary(9), segment: 3, offset: zero, width: 32, intent: 'read' },
      { kind: 'store', segment: 3, offset: zero, value: zero },
      { kind: 'raise', vector: 0, cause: 'a test', condition: bit },
      { kind: 'checkTarget', target: zero },
      { kind: 'jump', target: zero, condition: bit },
      { kind: 'call', helper: 'x', args: [], results: [] },
    ];
    for (const one of leaving)
      expect(find([write(5, zero), one, write(5, zero), write(0, zero)]).statements).toHaveLength(3);
  });
});

describe('random sequences', () => {
  it('show the same state wherever it is seen, without what is not needed', () => {
    const random = new Random(5);
    const patterns = parseEncodings(INSTRUCTIONS).filter(({ modes, row }) => modes.includes(32) && !row.x87);
    const plain = patterns.filter(
      ({ form, operands }) => form !== 'memory' && operands.every(({ kind }) => kind.source !== 'memoryOffset'),
    );
    let [dropped, total] = [0, 0];
    for (let round = 0; round < 600; round++) {
      const sequence: FormStatement[][] = [];
      while (sequence.length < 5) {
        const pattern = random.pick(random.oneIn(8) ? patterns : plain);
        const fields = [...fieldsOf(pattern, 32, 1, random)].filter(({ memory }) => !memory || random.oneIn(6));
        const bytes = fields.length > 0 ? encodePattern(pattern, random.pick(fields)) : '';
        const statements = typeof bytes === 'string' ? undefined : bound(bytes);
        if (statements) sequence.push(statements);
      }
      const kept = needed(...sequence);
      total += sequence.flat().length;
      dropped += sequence.flat().length - kept.flat().length;
      const seed = random.bits(32);
      expect(new StateTrail(seed).run(kept)).toEqual(new StateTrail(seed).run(sequence));
    }
    expect(dropped).toBeGreaterThan(total / 50);
  });
});
