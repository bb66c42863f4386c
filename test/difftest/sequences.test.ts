import { describe, expect, it } from 'vitest';
import { describeEnding, describeVector } from '../../src/difftest/compare.ts';
import { SequenceGenerator } from '../../src/difftest/generate-sequence.ts';
import { CUT_EVERYWHERE, MachineOracle } from '../../src/difftest/machine-oracle.ts';
import { Random } from '../../src/difftest/random.ts';
import { enumerateForms } from '../../src/difftest/test-form.ts';
import type { Outcome } from '../../src/difftest/vector.ts';
import { INSTRUCTIONS } from '../../src/isa/table.ts';

const SEED = 99;
/** Most where handlers are fused. */
const SEQUENCES = { 16: 400, 32: 2500, 64: 400 } as const;
const forms = enumerateForms(INSTRUCTIONS, [16, 32, 64]);

const asText = (outcome: Outcome): string => {
  const { registers, flags, memory } = outcome.final;
  const values = [...registers, flags].map((value) => value.toString(16));
  return `${describeEnding(outcome)}, ${outcome.left} left; ${values.join(' ')}; ${Buffer.from(memory).toString('hex')}`;
};

/** `total` cut in two at a place that the sequence's number decides. */
const cut = (total: number, number: number): number[] => [
  1 + (number % (total - 1)),
  total - 1 - (number % (total - 1)),
];

describe.each([16, 32, 64] as const)('sequences of instructions in %d-bit mode', (mode) => {
  it('interpreter and reference engine agree, in one run and cut in two', () => {
    const generator = new SequenceGenerator(forms, mode, new Random(SEED + mode));
    const interpreter = new MachineOracle('interpreter');
    const reference = new MachineOracle('reference');
    const differences: string[] = [];
    let faults = 0;
    for (let number = 0; number < SEQUENCES[mode]; number++) {
      const sequence = generator.next();
      const { instructions } = sequence;
      const expected = asText(reference.runSequence(sequence, [instructions]));
      const whole = asText(interpreter.runSequence(sequence, [instructions]));
      if (whole !== expected)
        differences.push(`${describeVector(sequence)}\n  reference   ${expected}\n  interpreter ${whole}`);
      const parts = cut(instructions, number);
      const [one, other] = [reference, interpreter].map((engine) => asText(engine.runSequence(sequence, parts)));
      if (one !== other) differences.push(`${describeVector(sequence)}, cut ${parts}\n  ${one}\n  ${other}`);
      if (expected.startsWith('exception')) faults++;
    }
    expect(differences.length, differences.slice(0, 3).join('\n')).toBe(0);
    // Enough sequences must run to their end, and some (divisions) must not.
    expect(faults).toBeLessThan(SEQUENCES[mode] / 3);
    expect(faults).toBeGreaterThan(0);
  });
});

/** States for each sequence: to translate it takes longest. */
const STATES = 8;
const TRANSLATIONS = [
  { label: 'whole', translation: {}, sequences: 500 },
  { label: 'cut at every third instruction', translation: { firstInstructions: 3 }, sequences: 200 },
  { label: 'cut at every instruction', translation: CUT_EVERYWHERE, sequences: 150 },
] as const;

describe.each(TRANSLATIONS)('sequences of instructions in translated code, $label', ({ translation, sequences }) => {
  it('leave what the interpreter does, in one run and cut in two', () => {
    const generator = new SequenceGenerator(forms, 32, new Random(SEED));
    const interpreter = new MachineOracle('interpreter');
    const translated = new MachineOracle('jit', translation);
    const differences: string[] = [];
    let total = 0;
    for (let number = 0; number < sequences; number++) {
      let sequence = generator.next();
      for (let state = 0; state < STATES; state++, sequence = generator.again(sequence)) {
        const { instructions } = sequence;
        for (const parts of [[instructions], cut(instructions, number + 5 * state)]) {
          const outcome = interpreter.runSequence(sequence, parts);
          const [expected, found] = [outcome, translated.runSequence(sequence, parts)].map(asText);
          if (found !== expected)
            differences.push(`${describeVector(sequence)}, ${parts}\n  interpreter ${expected}\n  translated ${found}`);
          total += instructions - outcome.left!;
        }
      }
    }
    expect(differences.length, differences.slice(0, 3).join('\n')).toBe(0);
    // About two thirds are the loop at the end; the rest of a budget that ends within a region is interpreted.
    expect(translated.translated).toBeGreaterThan(0.9 * total);
  });
});
