import { describe, expect, it } from 'vitest';
import { Random } from '../../../../src/difftest/random.ts';
import type { EngineName } from '../../../../src/engine/engine-name.ts';
import { deviate, KINDS, SceneMachine, usualScene } from '../../../support/handler-scene.ts';

const SCENES = 5000;
/** Words of the state block that follow from the rest, and must be as `Cpu.modeChanged` makes them. */
const DERIVED = ['modeKey', 'jumpTag', 'tlbRead', 'tlbWrite', 'tlbFetch', 'tlbLog'] as const;

/** What is left of each scene, played as it usually is, so that what it needs is in the TLB, and then as it deviates. */
function play(engine: EngineName) {
  const random = new Random(0x80cf);
  const machine = new SceneMachine(engine);
  const { processor } = machine;
  const { state } = processor;
  const results: string[] = [];
  const derivedWrongly: string[] = [];
  const played: { kind: string; deviations: number; declined: boolean }[] = [];
  for (let count = 0; count < SCENES; count++) {
    const kind = KINDS[count % KINDS.length];
    const usual = usualScene(random, kind);
    const deviating = structuredClone(usual);
    const deviations = random.below(3);
    for (let one = 0; one < deviations; one++) deviate(deviating, random);
    machine.reset();
    for (const scene of [usual, deviating]) {
      if (scene.pages.size > 0) machine.reset();
      machine.enter(scene);
      const before = machine.declined;
      const { reason } = processor.run(scene.budget);
      if (scene === deviating) played.push({ kind, deviations, declined: machine.declined > before });
      results.push(`${count} ${kind} ${reason} ${state.cpl} ${state.ip.toString(16)} ${processor.stateHash()}`);
      const words = DERIVED.map((name) => state[name]);
      processor.modeChanged();
      if (DERIVED.some((name, index) => state[name] !== words[index])) derivedWrongly.push(results.at(-1)!);
    }
  }
  machine.dispose();
  return { results, derivedWrongly, played };
}

describe('INT n, IRET, exceptions and interrupts in emitted code', () => {
  const expected = play('reference');
  it.each(['interpreter', 'jit'] as const)('of the %s do what the helpers do', (engine) => {
    const { results, derivedWrongly, played } = play(engine);
    expect(results.filter((result, index) => result !== expected.results[index])).toEqual([]);
    expect(derivedWrongly).toEqual([]);
    for (const kind of KINDS) {
      const ofKind = played.filter((one) => one.kind === kind);
      const usual = ofKind.filter(({ deviations }) => deviations === 0);
      const deviating = ofKind.filter(({ deviations }) => deviations > 0);
      expect(usual.filter(({ declined }) => declined)).toEqual([]);
      for (const declined of [true, false]) {
        expect(deviating.filter((one) => one.declined === declined).length).toBeGreaterThan(70);
      }
    }
  });
  it('are met with scenes of all kinds', () => {
    const { results } = expected;
    for (const reason of ['budget', 'halted', 'shutdown']) {
      expect(results.filter((result) => result.includes(` ${reason} `)).length).toBeGreaterThan(100);
    }
    expect(new Set(results.map((result) => result.split(' ').at(-1))).size).toBeGreaterThan(SCENES / 2);
  });
});
