import { afterEach, describe, expect, it, vi } from 'vitest';
import type { EngineName } from '../../../../../src/engine/engine-name.ts';
import type { TranslationOptions } from '../../../../../src/engine/jit/translation-options.ts';
import { assemble } from '../../../../../src/isa/assemble.ts';
import { type BareMachine, createBareMachine, sharedCode } from '../../../../conformance/engines/bare-machine.ts';

const CODE = 0x1_0000;
const [EAX, ECX, EDX, EBX] = [0, 1, 2, 3];

interface Tried extends BareMachine {
  /** Assembled for where it is put. */
  place(address: number, source: string): void;
  reg(number: number): number;
  /** Runs so many instructions from an address on. */
  runAt(address: number, instructions: number): void;
}

const machines: BareMachine[] = [];
function create(translation: Partial<TranslationOptions> = {}, engine: EngineName = 'jit'): Tried {
  const machine = createBareMachine(engine, { settings: { translation } });
  machines.push(machine);
  machine.enter(CODE);
  const { processor, memory } = machine;
  return {
    ...machine,
    place: (address, source) => memory.copyIn(address, assemble(`bits 32\n${source}`, { origin: address }).bytes),
    reg: (number) => processor.state.reg32(number),
    runAt(address, instructions) {
      processor.state.ip = address;
      const { executed, error } = processor.run(instructions);
      expect({ executed, error }).toEqual({ executed: instructions, error: undefined });
    },
  };
}

/** Modules compiled, and functions put to work and taken from it, since then. */
function watchTranslation() {
  const { runtime } = sharedCode();
  const [compiled, added, removed] = [
    vi.spyOn(runtime, 'linkRegions'),
    vi.spyOn(runtime.regions, 'add'),
    vi.spyOn(runtime.regions, 'remove'),
  ];
  return () => {
    const counts = {
      compiled: compiled.mock.calls.length,
      linked: added.mock.calls.length,
      released: removed.mock.calls.length,
    };
    for (const spy of [compiled, added, removed]) spy.mockClear();
    return counts;
  };
}

afterEach(() => {
  vi.restoreAllMocks();
  for (const machine of machines.splice(0)) machine.dispose();
});

const LOOP = 'again: inc eax\n add ebx, eax\n jmp again';
const OTHER = 'again: dec eax\n sub edx, eax\n jmp again';

describe('what was translated', () => {
  it('is linked, not compiled, where the same bytes come back', () => {
    const machine = create();
    const counts = watchTranslation();
    machine.place(CODE, LOOP);
    machine.runAt(CODE, 300);
    expect(counts()).toEqual({ compiled: 1, linked: 1, released: 0 });
    machine.place(CODE, OTHER);
    machine.runAt(CODE, 300);
    expect(counts()).toEqual({ compiled: 1, linked: 1, released: 1 });
    for (const source of [LOOP, OTHER, LOOP]) {
      machine.place(CODE, source);
      machine.runAt(CODE, 30_000);
      expect(counts()).toEqual({ compiled: 0, linked: 1, released: 1 });
    }
    expect(machine.reg(EAX)).toBe(10_000 + 100 - 100);
  });

  it('is linked at the same place of any page, and nowhere else', () => {
    const machine = create();
    const counts = watchTranslation();
    for (const address of [CODE, CODE + 0x2000, CODE + 0x5000]) {
      machine.place(address, LOOP);
      machine.runAt(address, 300);
    }
    expect(counts()).toEqual({ compiled: 1, linked: 3, released: 0 });
    machine.place(CODE + 0x6001, LOOP);
    machine.runAt(CODE + 0x6001, 300);
    expect(counts()).toEqual({ compiled: 1, linked: 1, released: 0 });
    expect(machine.reg(EAX)).toBe(400);
  });

  it('is told apart by any byte of it', () => {
    const machine = create();
    const loop = (last: number) => `again: inc eax\n jmp part\n times 20 nop\n part: add ebx, ${last}\n jmp again`;
    for (const [index, last] of [1, 2, 3].entries()) {
      machine.place(CODE + 0x1000 * index, loop(last));
      machine.processor.state.setReg32(EBX, 0);
      machine.runAt(CODE + 0x1000 * index, 400);
      expect(machine.reg(EBX)).toBe(100 * last);
    }
  });

  it.each([1, 8])('goes when any of its code is written, and its memory is reused; threshold %i', (threshold) => {
    const machine = create({ threshold });
    const counts = watchTranslation();
    const { pool } = sharedCode();
    machine.place(CODE, 'again: inc eax\n jmp part\n times 100 nop\n part: inc ebx\n jmp again');
    machine.runAt(CODE, 400);
    expect(counts().released).toBe(0);
    const release = vi.spyOn(pool, 'release');
    machine.memory.copyIn(CODE + 103, Uint8Array.of(0x42)); // INC EDX in the place of INC EBX
    expect(counts().released).toBeGreaterThan(0);
    machine.runAt(CODE, 400);
    expect([machine.reg(EAX), machine.reg(EBX), machine.reg(EDX)]).toEqual([200, 100, 100]);
    expect(release).toHaveBeenCalled();
  });

  it('goes when all blocks are dropped, and what is known of them, too', () => {
    const machine = create();
    const counts = watchTranslation();
    machine.place(CODE, LOOP);
    machine.runAt(CODE, 300);
    counts();
    machine.processor.engine.stopBefore(new Set());
    expect(counts().released).toBe(1);
    // The first block now is where the first one was.
    machine.place(CODE + 0x1000, OTHER);
    machine.runAt(CODE + 0x1000, 300);
    expect([machine.reg(EAX), machine.reg(EDX)]).toEqual([0, -4950 >>> 0]);
  });

  it('goes with the machine', () => {
    const machine = create();
    const counts = watchTranslation();
    machine.place(CODE, LOOP);
    machine.runAt(CODE, 300);
    machine.dispose();
    machines.pop();
    expect(counts()).toEqual({ compiled: 1, linked: 1, released: 1 });
  });
});

describe('hot code', () => {
  it('is translated when it has been entered often enough', () => {
    const machine = create({ threshold: 100 });
    const counts = watchTranslation();
    machine.place(CODE, LOOP);
    machine.runAt(CODE, 3 * 99);
    expect(counts().compiled).toBe(0);
    machine.runAt(CODE, 3 * 2);
    expect(counts().compiled).toBe(1);
  });

  it('waits for other code, and no longer than until it is met again', () => {
    const machine = create({ threshold: 8, batch: 3 });
    const counts = watchTranslation();
    const places = [0, 1, 2].map((page) => CODE + 0x1000 * page);
    for (const [index, place] of places.entries()) machine.place(place, `${LOOP}\n db ${index}`);
    machine.place(places[1], OTHER);
    machine.runAt(places[0], 3 * 8);
    machine.runAt(places[1], 3 * 8);
    expect(counts().compiled).toBe(0);
    machine.runAt(places[1], 3 * 3);
    expect(counts()).toEqual({ compiled: 1, linked: 2, released: 0 });
  });

  it('does not include what was run once', () => {
    const machine = create({ threshold: 80 });
    const counts = watchTranslation();
    const part = CODE + 0x2000;
    machine.place(CODE, `again: inc eax\n cmp eax, 1\n jz ${part}\n jmp again`);
    machine.place(part, `inc ebx\n jmp ${CODE}`);
    machine.runAt(CODE, 4000);
    expect(counts().compiled).toBeGreaterThan(0);
    machine.place(part, `inc edx\n jmp ${CODE}`);
    expect(counts().released).toBe(0);
    expect(machine.reg(EBX)).toBe(1);
  });

  it('is a small region first, and a large one when that has run a lot', () => {
    const machine = create({ firstInstructions: 4, worth: 50_000, lookAfter: 6000 });
    const counts = watchTranslation();
    machine.place(CODE, 'again: inc eax\n jmp part\n nop\n part: inc ebx\n jmp more\n nop\n more: inc edx\n jmp again');
    for (let run = 0; run < 40; run++) machine.runAt(machine.processor.state.ip, 600);
    const { compiled, released } = counts();
    expect([compiled > 0, released]).toEqual([true, 0]);
    for (let run = 0; run < 100; run++) machine.runAt(machine.processor.state.ip, 6000);
    expect(counts().released).toBeGreaterThan(0);
    expect([EAX, EBX, EDX].map((number) => machine.reg(number))).toEqual(Array(3).fill((40 * 600 + 100 * 6000) / 6));
  });

  it('has the interpreter do accesses that always miss', () => {
    const machine = create({ lookAfter: 6000 });
    const counts = watchTranslation();
    // There is no memory.
    machine.place(CODE, 'again: mov ebx, [0x800000]\n inc eax\n jmp again');
    machine.runAt(CODE, 300);
    expect(counts()).toEqual({ compiled: 1, linked: 1, released: 0 });
    for (let run = 0; run < 60; run++) machine.runAt(machine.processor.state.ip, 300);
    expect(counts().released).toBe(1);
    for (let run = 0; run < 60; run++) machine.runAt(machine.processor.state.ip, 300);
    expect(counts()).toEqual({ compiled: 0, linked: 0, released: 0 });
    expect([machine.reg(EAX), machine.reg(EBX)]).toEqual([121 * 100, 0xffff_ffff]);
  });

  it('still has it do them when the same bytes come back, besides those that miss then', () => {
    const machine = create({ lookAfter: 6000 });
    const counts = watchTranslation();
    const { processor } = machine;
    const source = 'again: mov eax, [esi]\n mov ebx, [edi]\n jmp again';
    const ESI = 6;
    const EDI = 7;
    const nowhere = 0x80_0000;
    const runALot = () => {
      for (let run = 0; run < 60; run++) machine.runAt(processor.state.ip, 300);
    };
    processor.state.setReg32(ESI, nowhere);
    processor.state.setReg32(EDI, CODE + 0x4000);
    machine.place(CODE, source);
    machine.runAt(CODE, 300);
    runALot();
    machine.place(CODE, OTHER);
    machine.runAt(CODE, 300);
    machine.place(CODE, source);
    machine.runAt(CODE, 300);
    counts();
    processor.state.setReg32(EDI, nowhere);
    for (let more = 0; more < 3; more++) runALot();
    expect(counts().compiled).toBe(1);
  });

  it('that is written while it waits is forgotten, and what comes in its place counts from the beginning', () => {
    const machine = create({ threshold: 8, batch: 3 });
    const counts = watchTranslation();
    machine.place(CODE, LOOP);
    machine.runAt(CODE, 3 * 9);
    machine.place(CODE, OTHER);
    machine.place(CODE + 0x1000, LOOP);
    machine.place(CODE + 0x2000, OTHER);
    machine.runAt(CODE + 0x1000, 3 * 8);
    machine.runAt(CODE + 0x2000, 3 * 8);
    // Two of three wait.
    expect(counts().compiled).toBe(0);
    machine.runAt(CODE, 3 * 7);
    expect(counts().compiled).toBe(0);
    machine.runAt(CODE, 3 * 300);
    expect(counts()).toEqual({ compiled: 1, linked: 3, released: 0 });
    expect(machine.reg(EAX)).toBe((9 + 8 - 8 - 7 - 300) >>> 0);
  });

  it('that keeps changing to what it was is linked a few times only', () => {
    const machine = create({ threshold: 100 });
    const counts = watchTranslation();
    const source = (last: number) => `again: mov ecx, ${last}\n ${'call eax\n'.repeat(40)} jmp again\n back: ret`;
    machine.processor.state.setReg32(4, 0x8000);
    machine.processor.state.setReg32(EAX, CODE + assemble(`bits 32\n${source(1)}`, { origin: CODE }).bytes.length - 1);
    const turn = () => {
      for (const last of [2, 1]) {
        machine.place(CODE, source(last));
        machine.runAt(CODE, 82 * 6);
      }
    };
    machine.place(CODE, source(1));
    machine.runAt(CODE, 82 * 200);
    expect(counts().compiled).toBeGreaterThan(0);
    turn();
    counts();
    for (let turns = 0; turns < 200; turns++) turn();
    expect(counts().linked).toBeLessThan(10);
  });

  it('is interpreted when it keeps changing', () => {
    const machine = create();
    const counts = watchTranslation();
    for (let version = 0; version < 40; version++) {
      machine.place(CODE, `again: add eax, ${version}\n jmp again`);
      machine.runAt(CODE, 200);
    }
    expect(counts().compiled).toBeLessThan(10);
    expect(machine.reg(EAX)).toBe(100 * ((39 * 40) / 2));
    // Other pages are not.
    machine.place(CODE + 0x3000, LOOP);
    machine.runAt(CODE + 0x3000, 300);
    expect(counts().compiled).toBe(1);
  });
});

describe('a long run', () => {
  it('of repeated instructions and loops ends after exactly so many instructions', () => {
    const outcomes = (['interpreter', 'jit'] as const).map((engine) => {
      const machine = create({}, engine);
      machine.place(
        CODE,
        `again: mov edi, 0x200000
        mov ecx, 1000
        rep stosd
        mov edx, 700
        inner: dec edx
        jnz inner
        inc ebx
        jmp again`,
      );
      machine.runAt(CODE, 20_000);
      return [3_000_000, 3_000_131, 4_100_000].map((instructions) => {
        machine.runAt(machine.processor.state.ip, instructions);
        return [EAX, ECX, EDX, EBX].map((number) => machine.reg(number));
      });
    });
    expect(outcomes[1]).toEqual(outcomes[0]);
  });
});

describe('limits', () => {
  it('of regions at a time: those that run least go', () => {
    const most = 6;
    const machine = create({ mostRegions: most });
    const counts = watchTranslation();
    let live = 0;
    const note = () => {
      const { compiled, linked, released } = counts();
      live += linked - released;
      expect(live).toBeLessThanOrEqual(most);
      return compiled;
    };
    for (let page = 0; page < 16; page++) {
      machine.place(CODE + 0x1000 * page, `again: add eax, ${page}\n jmp again`);
      machine.runAt(CODE + 0x1000 * page, 200);
      note();
      // The first one runs all the time, and stays.
      machine.runAt(CODE, 6000);
      expect(note()).toBe(0);
    }
    expect(live).toBeGreaterThan(1);
    expect(machine.reg(EAX)).toBe(100 * ((15 * 16) / 2));
  });

  it('a full table of regions leaves code to the interpreter', () => {
    const { regions } = sharedCode().runtime;
    const machine = create();
    machine.place(CODE, LOOP);
    const taken: number[] = [];
    const nothing = new WebAssembly.Instance(
      new WebAssembly.Module(
        Uint8Array.of(
          0,
          97,
          115,
          109,
          1,
          0,
          0,
          0,
          1,
          4,
          1,
          96,
          0,
          0,
          3,
          2,
          1,
          0,
          7,
          5,
          1,
          1,
          102,
          0,
          0,
          10,
          4,
          1,
          2,
          0,
          11,
        ),
      ),
    ).exports.f as CallableFunction;
    for (let slot = regions.add(nothing); slot !== 0; slot = regions.add(nothing)) taken.push(slot);
    const counts = watchTranslation();
    machine.runAt(CODE, 3000);
    expect(counts()).toEqual({ compiled: 0, linked: 0, released: 0 });
    expect(machine.reg(EAX)).toBe(1000);
    for (const slot of taken) regions.remove(slot);
    counts();
    machine.runAt(CODE, 30_000);
    expect(counts().linked).toBe(1);
    expect(machine.reg(EAX)).toBe(11_000);
  });

  it('blocks made where a translation is linked count like others: the cache is emptied when it is full', () => {
    const allocate = vi.spyOn(sharedCode().pool, 'allocate');
    const CHUNK = 1 << 20;
    const chunks = () => allocate.mock.calls.filter(([bytes]) => bytes === CHUNK).length;
    const machine = create({ threshold: 8 });
    const FILL = 0x10_0000;
    // The longest block has 64 instructions, and so many of them are in a chunk:
    const blocks = Math.floor(CHUNK / (64 * 32 + 32 + 40));
    const parts = Array.from({ length: 89 }, (_, part) => `part${part}: inc eax\n jmp part${part + 1}\n nop`);
    const chain = `again: dec ecx\n jnz again\n jmp part0\n ${parts.join('\n')}\n part89: mov ecx, 1\n jmp again`;
    machine.place(CODE, chain);
    machine.memory.copyIn(FILL, new Uint8Array(0x20_0000).fill(0x90));
    machine.processor.state.setReg32(ECX, 1);
    machine.runAt(CODE, 5000);
    // All of it is decoded anew, but at once, because its translation is known.
    machine.place(CODE, chain);
    machine.runAt(FILL, 64 * blocks * 2);
    while (chunks() < 4) machine.runAt(machine.processor.state.ip, 64);
    machine.runAt(machine.processor.state.ip, 64 * (blocks - 5));
    const filled = machine.processor.state.ip;
    machine.processor.state.setReg32(ECX, 50);
    machine.runAt(CODE, 300);
    expect(chunks()).toBe(5);
    machine.runAt(filled, 64 * blocks * 3);
    expect(chunks()).toBe(5);
  });
});
