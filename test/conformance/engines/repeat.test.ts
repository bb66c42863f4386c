/** REP MOVS, CMPS, STOS, LODS, SCAS: what is done at once must be indistinguishable from single steps. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/difftest/random.ts';
import { drawCase, OPERATIONS, type Operation } from './random-repeat.ts';
import { PAGES, type StringCase, StringMachine, WINDOW } from './string-machine.ts';

const CASES = 600;
/** Instructions after which a case is left as it is. */
const LONGEST = 7000;

const CONFIGURATIONS = [
  { codeSize: 16, flat: false, engine: 'interpreter', kinds: 112 },
  { codeSize: 32, flat: false, engine: 'interpreter', kinds: 112 },
  { codeSize: 64, flat: false, engine: 'interpreter', kinds: 145 },
  // Regions are made of such code, and call the interpreter for what is repeated.
  { codeSize: 32, flat: true, engine: 'jit', kinds: 80 },
] as const;

describe.each(CONFIGURATIONS)('REP in $codeSize-bit code, $engine', ({ codeSize, flat, engine, kinds }) => {
  it('does what the reference engine does after every slice, for any operands, segments, pages and overlaps', () => {
    const reference = new StringMachine('reference');
    // Each case changes the code.
    const compared = new StringMachine(engine, { cools: false });
    const random = new Random(0xb01d + codeSize);
    const names = new Set<string>();
    const operations = new Map<Operation, number>();
    const seen = { faults: 0, finished: 0, cut: 0, long: 0, translated: 0 };
    for (let index = 0; index < CASES; index++) {
      const drawn = drawCase(random, { codeSize, flat });
      for (const machine of [reference, compared]) machine.load(drawn);
      const { translated } = compared.processor.engine;
      const slice = random.pick([0, 0, 3, 40, 500]);
      let executed = 0;
      while (executed < LONGEST) {
        const budget = slice === 0 ? LONGEST : 1 + random.below(slice);
        executed += budget;
        const [expected, found] = [reference.run(budget), compared.run(budget)];
        if (found !== expected) expect(`${index}: ${found}`, drawn.name).toBe(`${index}: ${expected}`);
        if (!found.startsWith('budget')) break;
        if (compared.isDone) break;
        seen.cut++;
      }
      if (!compared.contents().equals(reference.contents())) expect.fail(`${index}: ${drawn.name}: memory differs`);
      names.add(drawn.name);
      operations.set(drawn.operation, (operations.get(drawn.operation) ?? 0) + 1);
      if (compared.isDone) seen.finished++;
      else seen.faults++;
      if (executed > 1000) seen.long++;
      // The NOP and at least one iteration.
      if (compared.processor.engine.translated - translated > 1) seen.translated++;
    }
    // Of 5 operations, 3 or 4 widths, 2 address sizes, 2 directions, 2 prefixes: nearly all.
    expect(names.size).toBeGreaterThan(kinds);
    for (const operation of Object.keys(OPERATIONS) as Operation[])
      expect(operations.get(operation)).toBeGreaterThan(CASES / 8);
    expect(seen.faults).toBeGreaterThan(CASES / 40);
    expect(seen.finished).toBeGreaterThan(CASES / 3);
    expect(seen.cut).toBeGreaterThan(CASES);
    expect(seen.long).toBeGreaterThan(CASES / 60);
    if (engine === 'jit') expect(seen.translated).toBeGreaterThan(CASES / 2);
  });
});

describe('a run of N instructions', () => {
  const COUNT = 9000;
  const flat = { base: 0, limit: 0xffff_ffff, access: 0x00c0_9300 };
  const whole = (operation: Operation, cold: boolean): StringCase => ({
    codeSize: 32,
    code: [0xf3, OPERATIONS[operation], 0xf4],
    rax: 0n,
    rcx: BigInt(COUNT),
    rsi: BigInt(WINDOW[32] + 100),
    rdi: BigInt(WINDOW[32] + 300),
    flags: 2,
    es: flat,
    ds: flat,
    fs: flat,
    mapping: Array.from({ length: PAGES }, (_, page) => ({ page, bits: 7 })),
    data: new Uint8Array(PAGES * 4096),
    cold,
  });

  it.each(Object.keys(OPERATIONS) as Operation[])('ends after exactly N iterations of REP %s', (operation) => {
    const machine = new StringMachine('interpreter');
    const random = new Random(7);
    const counts = Array.from({ length: 150 }, (_, index) => (index < 30 ? index + 1 : 1 + random.below(COUNT)));
    const wrong = counts.filter((count, index) => {
      machine.load(whole(operation, index % 2 === 0));
      const { executed } = machine.processor.run(count);
      return executed !== count || machine.processor.state.reg32(1) !== COUNT - count;
    });
    expect(wrong).toEqual([]);
    // The rest, and HLT.
    expect(machine.processor.run(2 * COUNT).executed).toBe(COUNT - counts.at(-1)! + 1);
  });
});
