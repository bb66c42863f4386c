/** Repeated string instructions: runs of elements done at once must be indistinguishable from single steps. */
import { describe, expect, it } from 'vitest';
import { runSystem, SYSTEM_ENGINES } from '../../support/system-machine.ts';

/** Numbers from a seed: xorshift32. */
function* numbers(seed: number): Generator<number, never> {
  let state = seed;
  for (;;) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    yield state >>> 0;
  }
}

const AREA = 0x20_0000;
const AREA_BYTES = 0x5000;

/** A program that fills an area with a pattern, then repeats string instructions over it with random operands. */
function program(seed: number, instructions: number): string {
  const random = numbers(seed);
  const pick = (below: number) => random.next().value % below;
  const lines = [
    `mov edi, ${AREA}`,
    `mov ecx, ${AREA_BYTES / 4}`,
    'mov eax, 0x12345678',
    'fill:',
    'mov [edi], eax',
    'imul eax, eax, 1103515245',
    'add eax, 12345',
    'add edi, 4',
    'dec ecx',
    'jnz fill',
  ];
  for (let index = 0; index < instructions; index++) {
    const operation = ['movsb', 'movsw', 'movsd', 'stosb', 'stosw', 'stosd'][pick(6)];
    const size = { b: 1, w: 2, d: 4 }[operation.at(-1) as 'b' | 'w' | 'd'];
    const down = pick(8) === 0;
    const count = pick(Math.floor(0x2000 / size));
    const [from, to] = [pick(0x2000), pick(3) === 0 ? -1 : pick(0x2000)];
    const start = down ? AREA + 0x2800 : AREA;
    lines.push(down ? 'std' : 'cld', `mov esi, ${start + from}`);
    // Every third destination lies close behind the source: the copy meets its own output.
    lines.push(
      `mov edi, ${start + (to < 0 ? from + pick(40) : to)}`,
      `mov ecx, ${count}`,
      `mov eax, ${random.next().value}`,
    );
    lines.push(`rep ${operation}`, 'add [0x7000], esi', 'add [0x7004], edi', 'add [0x7008], ecx');
  }
  return lines.join('\n');
}

describe('REP MOVS, REP STOS', () => {
  it('do the same in all engines, element by element or at once, with overlaps, both directions and page borders', () => {
    const text = program(0x2545f491, 25);
    const [reference, interpreter] = SYSTEM_ENGINES.map((engine) => {
      const result = runSystem(engine, text, { budget: 2_000_000 });
      return {
        area: result.memory.copyOut(AREA, AREA_BYTES),
        sums: result.memory.copyOut(0x7000, 12),
        retired: result.processor.retired,
      };
    });
    expect(interpreter).toEqual(reference);
    expect(reference!.retired).toBeGreaterThan(20_000);
  });
});
