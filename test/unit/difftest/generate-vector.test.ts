import { describe, expect, it } from 'vitest';
import { describeVector } from '../../../src/difftest/compare.ts';
import { VectorGenerator } from '../../../src/difftest/generate-vector.ts';
import { Random } from '../../../src/difftest/random.ts';
import { enumerateForms, hostExclusion, NOT_ON_HOST, type TestForm } from '../../../src/difftest/test-form.ts';
import type { Vector } from '../../../src/difftest/vector.ts';
import { createDecoder, isFailure } from '../../../src/isa/decoder.ts';
import { INSTRUCTIONS } from '../../../src/isa/table.ts';

const forms = enumerateForms(INSTRUCTIONS);
const find = (start: string): TestForm => forms.find(({ name }) => name.startsWith(start))!;

function vectorsOf(form: TestForm, count: number, seed = 1): Vector[] {
  const generator = new VectorGenerator(form, new Random(seed));
  const vectors: Vector[] = [];
  for (let tries = 0; vectors.length < count && tries < count * 8; tries++) {
    const vector = generator.next();
    if (vector) vectors.push(vector);
  }
  return vectors;
}

describe('forms', () => {
  it('every encoding has one in each of its modes, or a reason not to run on the host', () => {
    for (const mode of [32, 64] as const) {
      const covered = new Set(forms.filter((form) => form.mode === mode).map(({ pattern }) => pattern.encoding));
      const reachable = INSTRUCTIONS.flatMap((row) => row.encodings).filter(([opcode]) => {
        const words = opcode.split(' ');
        if (words.includes('np') && words.includes('o16')) return false; // 16-bit mode only
        return mode === 64
          ? !words.includes('i64') && !words.includes('a16')
          : !words.includes('n64') && !words.includes('o64') && !words.includes('a64');
      });
      for (const encoding of reachable)
        expect(covered.has(encoding), `${encoding.join()} in ${mode}-bit mode`).toBe(true);
    }
  });

  it('rows left out are in the table', () => {
    const mnemonics = new Set(INSTRUCTIONS.map(({ mnemonic }) => mnemonic));
    for (const mnemonic of Object.keys(NOT_ON_HOST))
      expect(mnemonics.has(mnemonic) || mnemonic === 'rdtscp', mnemonic).toBe(true);
  });

  it('nothing that loads a segment register runs on the host', () => {
    const loads = forms.filter((form) =>
      form.form.statements.some((one) => one.kind === 'call' && ['loadSegment', 'moveToSegment'].includes(one.helper)),
    );
    expect(loads.length).toBeGreaterThan(0);
    for (const form of loads) expect(hostExclusion(form)).toBeDefined();
  });
});

describe('vectors', () => {
  it('are the same for the same seed', () => {
    const form = find("add '01");
    expect(vectorsOf(form, 5, 3).map(describeVector)).toEqual(vectorsOf(form, 5, 3).map(describeVector));
    expect(vectorsOf(form, 5, 3).map(describeVector)).not.toEqual(vectorsOf(form, 5, 4).map(describeVector));
  });

  it('decode to the row, the size and the operand they were made for', () => {
    const decoder = createDecoder(INSTRUCTIONS);
    for (const form of forms.filter((one) => hostExclusion(one) === undefined)) {
      const [vector] = vectorsOf(form, 1);
      expect(vector, form.name).toBeDefined();
      const decoded = decoder.decode(vector!.code, 0, form.mode);
      if (isFailure(decoded)) throw new Error(`${form.name}: ${decoded.failure}`);
      expect(decoded.row.mnemonic, form.name).toBe(form.pattern.row.mnemonic);
      expect(decoded.operandSize, form.name).toBe(form.operandSize);
      expect(decoded.memory !== undefined, form.name).toBe(form.memory);
      expect(decoded.length).toBe(vector!.code.length);
    }
  });

  it('spread shift counts over 0 to 255', () => {
    const counts = new Set(vectorsOf(find("shl 'C1 /4"), 1000).map(({ code }) => code.at(-1)!));
    expect(counts.size).toBeGreaterThan(150);
    expect(counts.has(0)).toBe(true);
    expect(counts.has(255)).toBe(true);
  });

  it('put memory operands across page boundaries and beyond the last page', () => {
    const windows = vectorsOf(find("add '01 /r, rmv, rv' o32 memory"), 500).map(({ window }) => window % 0x1000);
    expect(windows.some((offset) => offset > 0x1000 - 128 + 1)).toBe(true);
    expect(windows.some((offset) => offset === 0x1000 - 128)).toBe(true);
  });

  it('give string instructions both directions and counts from 0', () => {
    const vectors = vectorsOf(find('repe movsb'), 200);
    expect(new Set(vectors.map(({ initial }) => initial.flags & 0x400))).toEqual(new Set([0, 0x400]));
    const counts = new Set(vectors.map(({ initial }) => initial.registers[1] & 0xffffn));
    expect(counts.has(0n)).toBe(true);
    expect(counts.size).toBeGreaterThan(5);
  });
});
