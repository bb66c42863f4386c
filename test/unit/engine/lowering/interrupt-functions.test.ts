import { describe, expect, it } from 'vitest';
import { Random } from '../../../../src/difftest/random.ts';
import type { EngineName } from '../../../../src/engine/engine-name.ts';
import { deviate, KINDS, SceneMachine, usualScene } from '../../../support/handler-scene.ts';

const SCENES = 3000;
/** Words of the state block that follow from the rest, and must be as `Cpu.modeChanged` makes them. */
const DERIVED = ['modeKey', 'jumpTag', 'tlbRead', 'tlbWrite', 'tlbFetch', 'tlbLog'] as const;

/** What is left of each scene, played twice: the second time, what it needs is in the TLB if it can be. */
function play(engine: EngineName) {
  const random = new Random(0x80cf);
  const machine = new SceneMachine(engine);
  const { processor } = machine;
  const { state } = processor;
  const results: string[] = [];
  const derivedWrongly: string[] = [];
  const called: { kind: string; deviations: number; helped: boolean }[] = [];
  for (let count = 0; count < SCENES; count++) {
    const kind = KINDS[count % KINDS.length];
    const scene = usualScene(random, kind);
    const deviations = random.below(3);
    for (let one = 0; one < deviations; one++) deviate(scene, random);
    machine.reset();
    for (let turn = 0; turn < 2; turn++) {
      machine.enter(scene);
      const before = machine.calls;
      const { reason } = processor.run(scene.budget);
      if (turn === 1) called.push({ kind, deviations, helped: machine.calls > before });
      results.push(`${count} ${kind} ${reason} ${state.cpl} ${state.ip.toString(16)} ${processor.stateHash()}`);
      const words = DERIVED.map((name) => state[name]);
      processor.modeChanged();
      if (DERIVED.some((name, index) => state[name] !== words[index])) derivedWrongly.push(results.at(-1)!);
    }
  }
  machine.dispose();
  return { results, derivedWrongly, called };
}

describe('INT n and IRET in emitted code', () => {
  const expected = play('reference');
  it.each(['interpreter', 'jit'] as const)('of the %s do what the helpers do', (engine) => {
    const { results, derivedWrongly, called } = play(engine);
    expect(results.filter((result, index) => result !== expected.results[index])).toEqual([]);
    expect(derivedWrongly).toEqual([]);
    for (const kind of KINDS) {
      const ofKind = called.filter((one) => one.kind === kind);
      const usual = ofKind.filter(({ deviations }) => deviations === 0);
      const deviating = ofKind.filter(({ deviations }) => deviations > 0);
      expect(usual.filter(({ helped }) => helped)).toEqual([]);
      for (const helped of [true, false]) {
        expect(deviating.filter((one) => one.helped === helped).length).toBeGreaterThan(100);
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
