/** Blocks that are longer than a region may be. */
import { describe, expect, it } from 'vitest';
import { HotMachine, type HotProgram } from './hot-program.ts';

describe('a block that is longer than a region may be', () => {
  const program: HotProgram = {
    source: `mov ecx, 2000
      again:
      ${'add eax, ecx\nxor ebx, eax\n'.repeat(30)}
      dec ecx
      jnz again`,
  };

  it.each([1, 7, 48])('is translated in pieces of %d instructions', (firstInstructions) => {
    const settings = { engine: 'jit', translation: { firstInstructions } } as const;
    const machine = new HotMachine(program, { label: 'translated', settings, largestSlice: 0 });
    expect(machine.runTo(1_000_000)).toBe(true);
    const { retired, engine } = machine.processor;
    expect(retired).toBeGreaterThan(2000 * 62);
    expect(engine.translated).toBeGreaterThan(0.9 * retired);
    machine.dispose();
  });
});
