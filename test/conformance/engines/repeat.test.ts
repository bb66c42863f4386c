/** REP MOVS, CMPS, STOS, LODS, SCAS: what is done at once must be indistinguishable from single steps. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/difftest/random.ts';
import { drawCase, OPERATIONS, type Operation } from './random-repeat.ts';
import { PAGES, type StringCase, StringMachine, WINDOW } from './string-machine.ts';

const CASES = 600;
/** Instructions after which a case is left as it is. */
const LONGEST = 7000;

describe.each([16, 32, 64] as const)('REP in %i-bit code', (codeSize) => {
  it('does the same in both engines after every slice, for any operands, segments, pages and overlaps', () => {
    const [reference, interpreter] = (['reference', 'interpreter'] as const).map((name) => new StringMachine(name));
    const random = new Random(0xb01d + codeSize);
    const names = new Set<string>();
    const operations = new Map<Operation, number>();
    const seen = { faults: 0, finished: 0, cut: 0, long: 0 };
    for (let index = 0; index < CASES; index++) {
      const drawn = drawCase(random, codeSize);
      for (const machine of [reference, interpreter]) machine!.load(drawn);
      const slice = random.pick([0, 0, 3, 40, 500]);
      let executed = 0;
      while (executed < LONGEST) {
        const budget = slice === 0 ? LONGEST : 1 + random.below(slice);
        executed += budget;
        const [expected, found] = [reference!.run(budget), interpreter!.run(budget)];
        if (found !== expected) expect(`${index}: ${found}`, drawn.name).toBe(`${index}: ${expected}`);
        if (!found.startsWith('budget')) break;
        if (interpreter!.isDone) break;
        seen.cut++;
      }
      if (!interpreter!.contents().equals(reference!.contents()))
        expect.fail(`${index}: ${drawn.name}: memory differs`);
      names.add(drawn.name);
      operations.set(drawn.operation, (operations.get(drawn.operation) ?? 0) + 1);
      if (interpreter!.isDone) seen.finished++;
      else seen.faults++;
      if (executed > 1000) seen.long++;
    }
    // Of 5 operations, 3 or 4 widths, 2 address sizes, 2 directions, 2 prefixes: nearly all.
    expect(names.size).toBeGreaterThan(codeSize === 64 ? 145 : 112);
    for (const operation of Object.keys(OPERATIONS) as Operation[])
      expect(operations.get(operation)).toBeGreaterThan(CASES / 8);
    expect(seen.faults).toBeGreaterThan(CASES / 40);
    expect(seen.finished).toBeGreaterThan(CASES / 3);
    expect(seen.cut).toBeGreaterThan(CASES);
    expect(seen.long).toBeGreaterThan(CASES / 60);
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
