/** A machine that needs more memory than it should hold comes back soon, at an instruction boundary, and can go on. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../../../src/isa/assemble.ts';
import { Pc } from '../../../src/machine/pc.ts';
import { sharedCode } from '../../support/shared-code.ts';

const ENGINES = ['interpreter', 'jit', 'reference'] as const;
const PAGE = 4096;
/** Writes to 128 pages from 1000h on in turn, over and over, one instruction or one element at a time. */
const PROGRAMS = {
  'a loop': `
    again: mov bx, 0x100
    next: mov es, bx
    inc byte [es:0]
    add bx, 0x100
    cmp bx, 0x8100
    jb next
    jmp again`,
  'a repeated instruction': `
    again: mov bx, 0x100
    next: mov es, bx
    xor di, di
    mov cx, 0x4000
    rep stosd
    add bx, 0x1000
    cmp bx, 0x8100
    jb next
    jmp again`,
} as const;

function create(engine: (typeof ENGINES)[number], program: keyof typeof PROGRAMS) {
  const { bytes } = assemble(`bits 16\norg 0x600\n${PROGRAMS[program]}`);
  return new Pc({
    code: sharedCode(),
    name: 'test',
    memoryBytes: 2 ** 20,
    cpu: 'i686',
    engine,
    boot: { pieces: [{ address: 0x600, bytes }], entry: { mode: 'real', ip: 0x600 } },
    powerOnTime: 0,
  });
}

describe.each(Object.keys(PROGRAMS) as (keyof typeof PROGRAMS)[])('%s that touches pages', (program) => {
  it.each(ENGINES)('%s: ends its run, and goes on with the next one', (engine) => {
    const limited = create(engine, program);
    const free = create(engine, program);
    limited.memoryLimit = limited.memoryInUse + 20 * PAGE;
    let stops = 0;
    let exit = limited.run({ instructions: 50_000 });
    for (; exit.reason === 'memory'; exit = limited.run({ instructions: 50_000 })) {
      stops++;
      // By so few pages: what is stopped is the next block.
      expect(limited.memoryInUse - limited.memoryLimit).toBeLessThanOrEqual(stops * 2 * PAGE);
      if (stops === 10) limited.memoryLimit = Number.POSITIVE_INFINITY;
    }
    expect([exit.reason, stops]).toEqual(['budget', 10]);
    // It cannot tell.
    free.run({ instructions: limited.instructions });
    expect(limited.stateHash()).toBe(free.stateHash());
  });
});
