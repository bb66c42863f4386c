/** When code is translated anew is the same on both engines and under any slicing: a guest sees it in accessed bits. */
import { expect, it } from 'vitest';
import { FETCH_TLB } from '../../../src/cpu/tlb-layout.ts';
import { ENGINES, type EngineName } from '../../../src/engine/processor.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import { createBareMachine } from './bare-machine.ts';

const DIRECTORY = 0x10_0000;
const TABLES = 0x10_1000;
const MAIN = 0x2_0000;
/** Linear addresses that have the same place in the fetch TLB; both are the same code. */
const FIRST = 0x3_0000;
const SECOND = FIRST + FETCH_TLB.ENTRIES * 4096;
const FLAT = [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0];
const INSTRUCTIONS = 140;

/** Enters FIRST, then SECOND, then clears FIRST's accessed bit without INVLPG and enters it again; five times. */
const SOURCE = `bits 32
  mov ebx, ${FIRST}
  mov esi, ${SECOND}
  mov ebp, 5
  again:
  call ebx
  call esi
  and dword [${TABLES + (FIRST >>> 12) * 4}], ~0x20
  call ebx
  mov edx, [${TABLES + (FIRST >>> 12) * 4}]
  shr edx, 6
  adc edi, edi
  dec ebp
  jnz again
  end: jmp end`;

function hash(engine: EngineName, slice: number): string {
  const machine = createBareMachine(engine);
  machine.write(0x1000, FLAT);
  for (const [number, directory] of [0, FETCH_TLB.ENTRIES / 1024].entries()) {
    const table = TABLES + 0x1000 * number;
    machine.memory.write(DIRECTORY + 4 * directory, table | 7, 4);
    for (let page = 0; page < 1024; page++) machine.memory.write(table + 4 * page, (page << 12) | 7, 4);
  }
  machine.write(MAIN, assemble(SOURCE, { origin: MAIN }).bytes);
  machine.write(FIRST, assemble('bits 32\ninc eax\ninc eax\nadd ecx, eax\nret', { origin: FIRST }).bytes);
  machine.enter(MAIN);
  const { processor } = machine;
  processor.state.cr3 = DIRECTORY;
  processor.state.cr0 = (processor.state.cr0 | 0x8000_0000) >>> 0;
  processor.modeChanged();
  processor.mmu.flush('all');
  while (processor.retired < INSTRUCTIONS) processor.run(Math.min(slice, INSTRUCTIONS - processor.retired));
  expect(processor.state.reg32(5)).toBe(0);
  const found = processor.stateHash();
  machine.dispose();
  return found;
}

it('also of code whose translation another one has taken the place of', () => {
  const hashes = ENGINES.map((engine) => [1, 2, 3, 7, INSTRUCTIONS].map((slice) => hash(engine, slice)));
  expect(new Set(hashes.flat()).size).toBe(1);
});
