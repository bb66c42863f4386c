/** What a processor counts while it is profiled, and that the guest can't tell. */
import { describe, expect, it } from 'vitest';
import { CALLS, createNestedCalls, label } from '../../../support/nested-calls.ts';

const ENGINES = ['jit', 'interpreter', 'reference'] as const;
const ENOUGH = { instructions: 1_000_000 };

describe('Processor#startProfile', () => {
  it.each(ENGINES)('%s: the state and its hash are the same with and without', (engine) => {
    const hashes = [false, true].map((profiled) => {
      const pc = createNestedCalls(engine);
      if (profiled) pc.processor.startProfile({ now: () => 0, sample: { interval: 97, take: () => {} } });
      const states = [1000, 50_000, 90_001].map((instructions) => {
        pc.run({ instructions: instructions - pc.instructions });
        return [pc.instructions, pc.stateHash()];
      });
      pc.dispose();
      return states;
    });
    expect(hashes[1]).toEqual(hashes[0]);
    expect(hashes[0].map(([instructions]) => instructions)).toEqual([1000, 50_000, 90_001]);
  });

  it.each(ENGINES)('%s: samples are taken at the same counts, however a run is cut', (engine) => {
    const runs = [1_000_000, 333].map((slice) => {
      const pc = createNestedCalls(engine);
      const samples: [count: number, ip: number][] = [];
      const take = () => samples.push([pc.instructions, pc.processor.state.ip]);
      pc.processor.startProfile({ sample: { interval: 1001, take } });
      while (pc.instructions < 30_000) pc.run({ instructions: Math.min(slice, 30_000 - pc.instructions) });
      pc.dispose();
      return samples;
    });
    expect(runs[0].map(([count]) => count)).toEqual(Array.from({ length: 29 }, (_, index) => 1001 * (index + 1)));
    expect(runs[1]).toEqual(runs[0]);
  });

  it('counts regions exactly: with what was interpreted, they are all instructions', () => {
    const pc = createNestedCalls('jit');
    let time = 0;
    pc.processor.startProfile({ now: () => time++ });
    expect(pc.run(ENOUGH).reason).toBe('triple-fault');
    const { instructions, engine, events } = pc.processor.profile!;
    expect(instructions).toBe(pc.instructions);
    const { regions, others, ...translation } = engine!.translation!;
    const spin = regions.filter(({ linear }) => linear >= label('inner') && linear < label('last'));
    const inRegions = regions.reduce((sum, { retired }) => sum + retired, 0);
    // All but the first rounds ran there.
    expect(inRegions).toBeGreaterThan(0.95 * instructions);
    expect(inRegions).toBeLessThan(instructions);
    expect(regions.every(({ user, physical, linear }) => !user && physical === linear)).toBe(true);
    expect(regions[0].retired).toBeGreaterThanOrEqual(spin.at(-1)?.retired ?? 0);
    expect(others.retired).toBe(0);
    expect(translation).toMatchObject({ live: regions.length, compiled: translation.modules, reused: 0 });
    expect(translation.codeBytes).toBeGreaterThan(100);
    expect(translation.compileTime).toBe(translation.modules);
    expect(translation.loweringTime).toBeGreaterThan(0);
    expect(engine!.helpers.cpuid).toBe(CALLS);
    expect(engine!.decodedBlocks).toBeGreaterThan(3);
    expect(engine!.calls.lookUp).toBeGreaterThan(0);
    // #UD cannot be delivered, and neither can what comes of that.
    expect(events).toEqual([
      { kind: 'exception', vector: 6, count: 1 },
      expect.objectContaining({ vector: 13 }),
      expect.objectContaining({ vector: 8 }),
    ]);
    pc.dispose();
  });

  it('remembers regions that are gone', () => {
    const pc = createNestedCalls('jit');
    pc.processor.startProfile();
    pc.run({ instructions: 50_000 });
    const before = pc.processor.profile!.engine!.translation!;
    // A breakpoint drops all code, and while there is one nothing is translated.
    pc.breakpoints.add({ address: 0 });
    const after = pc.processor.profile!.engine!.translation!;
    expect(before.live).toBeGreaterThan(0);
    expect(after).toEqual({ ...before, live: 0 });
    pc.dispose();
  });

  it('there is none unless it was started; without a clock there are no times; the reference engine counts events alone', () => {
    const pc = createNestedCalls('jit');
    expect(pc.processor.profile).toBeUndefined();
    pc.processor.startProfile();
    pc.run(ENOUGH);
    expect(pc.processor.profile!.engine!.translation).not.toHaveProperty('compileTime');
    pc.dispose();
    const reference = createNestedCalls('reference');
    reference.processor.startProfile();
    reference.run({ instructions: 100 });
    expect(reference.processor.profile).toEqual({ instructions: 100, events: [], pageWalks: 0, engine: undefined });
    reference.dispose();
  });
});
