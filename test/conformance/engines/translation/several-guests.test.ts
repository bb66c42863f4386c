/** Hot code of several guests at the same addresses, and of one guest before and after a reset. */
import { describe, expect, it } from 'vitest';
import { HotMachine, type HotProgram } from './hot-program.ts';
import { runHot } from './run-hot.ts';
import { COMPARED } from './translation-engines.ts';

/** All the same but for one byte. */
const counting = (step: number): HotProgram => ({
  source: `mov ebp, 3000\nagain: add ebx, ${step}\ncall routine\ndec ebp\njnz again`,
  handlers: `routine: add esi, ${step + 1}\nret`,
});

describe.each(COMPARED)('$label', (configuration) => {
  it('guests of one pool do not see each other\u2019s code', () => {
    const machines = [1, 2, 3, 4].map((step) => new HotMachine(counting(step), configuration));
    const ended = new Set<HotMachine>();
    for (let at = 700; ended.size < machines.length; at += 701)
      for (const machine of machines) if (!ended.has(machine) && machine.runTo(at)) ended.add(machine);
    expect(machines.map(({ processor: { state } }) => [state.reg32(3), state.reg32(6)])).toEqual(
      [1, 2, 3, 4].map((step) => [3000 * step, 3000 * (step + 1)]),
    );
    for (const machine of machines) machine.dispose();
  });

  it('a guest takes the place of one that was disposed of, again and again', () => {
    for (let step = 1; step <= 30; step++) {
      const machine = new HotMachine(counting(step), configuration);
      const left = new HotMachine(counting(step + 50), configuration);
      left.runTo(2000);
      expect(machine.runTo(100_000)).toBe(true);
      expect(machine.processor.state.reg32(3)).toBe(3000 * step);
      machine.dispose();
      left.dispose();
    }
  });
});

it('a reset in the middle of a hot loop, with and without other code in memory', () => {
  const { ebx, esi } = runHot({
    ...counting(1),
    events: [2000, 5001, 9500].map((at) => ({
      at,
      act: (machine) => {
        machine.restart();
        // The operand of ADD EBX.
        if (at > 3000) machine.write(machine.label('again') + 2, [at === 5001 ? 5 : 7]);
      },
    })),
  });
  expect([ebx, esi]).toEqual([3000 * 7, 3000 * 2]);
});
