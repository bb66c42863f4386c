/** A guest that makes very many versions of a routine and runs each: what the host keeps of them must not grow. */
import { expect } from 'vitest';
import { HotMachine, type HotProgram } from './hot-program.ts';
import { COMPARED } from './translation-engines.ts';

const BUFFER = 0x30000;
const LIMIT = 100 * 2 ** 20;

/**
 * Each version is another number in the routine, which adds it in a loop of 4 rounds. They are made in `places` places, a
 * page each, that are used again and again.
 */
const versions = (count: number, places: number): HotProgram => ({
  source: `mov ebp, ${count}
    again:
    mov eax, ebp
    xor edx, edx
    mov ecx, ${places}
    div ecx
    shl edx, 12
    add edx, ${BUFFER}
    mov [edx + step - routine], ebp
    call edx
    dec ebp
    jnz again`,
  handlers: `routine: mov ecx, 4
    round: db 0x81, 0xc3 ; add ebx, the number of the version
    step: dd 0
    test ebx, 1
    jz even
    inc eax
    even: dec ecx
    jnz round
    ret
    routine_end:`,
  prepare: (machine) => {
    const [start, end] = [machine.label('routine'), machine.label('routine_end')];
    const { buffer } = machine.copyMemory();
    for (let place = 0; place < places; place++)
      machine.write(BUFFER + 0x1000 * place, new Uint8Array(buffer.slice(start, end)));
  },
});

/** Runs it on each configuration that is not cut. @throws an assertion if a result is wrong or the host's memory grows */
export function expectBounded(count: number, places: number): void {
  const program = versions(count, places);
  for (const configuration of COMPARED.filter(({ largestSlice }) => largestSlice === 0)) {
    const machine = new HotMachine(program, configuration);
    const { processor } = machine;
    // What is made once is made by then.
    const warm = 40 * Math.min(count / 10, 10_000);
    machine.runTo(warm);
    const before = process.memoryUsage();
    while (!machine.runTo(processor.retired + 1_000_000));
    const after = process.memoryUsage();
    let sum = 0;
    for (let step = 1; step <= count; step++) sum = (sum + 4 * step) >>> 0;
    expect({ ...configuration, ebx: processor.state.reg32(3) }).toEqual({ ...configuration, ebx: sum });
    expect(after.rss - before.rss, configuration.label).toBeLessThan(LIMIT);
    expect(after.external - before.external, configuration.label).toBeLessThan(LIMIT);
    machine.dispose();
  }
}
