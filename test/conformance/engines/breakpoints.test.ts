/** Breakpoints from outside: both engines meet the same ones at the same instants, and the guest cannot tell. */
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.ts';
import { Random } from '../../../src/difftest/random.ts';
import type { BreakpointRequest } from '../../../src/engine/breakpoints.ts';
import { createCodeSpace } from '../../../src/engine/code-space.ts';
import { ENGINES, type EngineName, type Processor } from '../../../src/engine/processor.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import { Pool } from '../../../src/memory/pool.ts';
import { type BareMachine, createBareMachine } from './bare-machine.ts';
import { LockstepMachine } from './lockstep.ts';
import { ProgramGenerator } from './random-program.ts';

const CODE = 0x5000;

interface Stop {
  readonly retired: number;
  readonly ip: number;
  readonly hit: string;
}

interface Program {
  readonly source: string;
  readonly bits?: 16 | 32;
  readonly breakpoints?: readonly BreakpointRequest[] | ((label: (name: string) => number) => BreakpointRequest[]);
  /** Instructions of each run. */
  readonly slice?: number;
  /** More of memory: bytes at addresses. */
  readonly memory?: Readonly<Record<number, readonly number[]>>;
}

const describeHit = ({ hit }: ReturnType<Processor['run']>): string =>
  `${hit!.access} ${hit!.address.toString(16)} ${hit!.size}`;

/** Runs to HLT with interrupts disabled. */
function run(engine: EngineName, { source, bits = 32, breakpoints = [], slice = 1000, memory = {} }: Program) {
  const { bytes, labels } = assemble(`org ${CODE}\nbits ${bits}\n${source}`);
  const machine: BareMachine = createBareMachine(engine);
  const { processor } = machine;
  machine.write(CODE, bytes);
  for (const [address, content] of Object.entries(memory)) machine.write(Number(address), content);
  if (bits === 16) machine.enterReal(CODE);
  else machine.enter(CODE);
  const requests = typeof breakpoints === 'function' ? breakpoints((name) => labels.get(name)!) : breakpoints;
  for (const request of requests) processor.breakpoints.add(request);
  const stops: Stop[] = [];
  for (let runs = 0; ; runs++) {
    if (runs > 2000) throw new Error('does not end');
    const result = processor.run(slice);
    if (result.reason === 'error') throw result.error;
    if (result.reason === 'halted') break;
    if (result.reason === 'shutdown') throw new Error(processor.shutdownCause);
    if (result.reason === 'breakpoint')
      stops.push({ retired: processor.retired, ip: processor.state.ip, hit: describeHit(result) });
  }
  const { state } = processor;
  const outcome = {
    stops,
    retired: processor.retired,
    hash: processor.stateHash(),
    debug: [state.dr0, state.dr6, state.dr7],
    ecx: state.reg32(1),
    label: (name: string) => labels.get(name)!,
  };
  machine.dispose();
  return outcome;
}

/** As `run`, and it must be the same with other slices, on the other engine, and for the guest also without breakpoints. */
function runEverywhere(program: Program) {
  const bare = run('reference', { ...program, breakpoints: [] });
  const first = run('reference', program);
  for (const engine of ENGINES) {
    for (const slice of [1, 3, 1000]) {
      const { stops, retired, hash, debug } = run(engine, { ...program, slice });
      expect({ engine, slice, stops }).toEqual({ engine, slice, stops: first.stops });
      expect({ retired, hash, debug }).toEqual({ retired: bare.retired, hash: bare.hash, debug: bare.debug });
    }
  }
  return first;
}

const at =
  (...names: string[]) =>
  (label: (name: string) => number) =>
    names.map((name) => ({ address: label(name) }));
const LOOP = `
  mov ecx, 5
again: nop
middle: inc eax
  add ebx, eax
compare: cmp ecx, 1
branch: je out
  dec ecx
  jmp again
out: cli
  hlt`;

describe('U1: breakpoints on instructions', () => {
  it('are met before the instruction, each time, also within straight-line code', () => {
    const { stops, label } = runEverywhere({ source: LOOP, breakpoints: at('middle') });
    expect(stops.map(({ ip }) => ip)).toEqual(Array(5).fill(label('middle')));
    expect(stops.map(({ retired }) => retired)).toEqual([2, 9, 16, 23, 30]);
    expect(stops[0].hit).toBe(`execute ${label('middle').toString(16)} 0`);
  });

  it.each(['again', 'compare', 'branch', 'out'])(
    'are met at %s: a target, either half of a fused pair, the way out',
    (name) => {
      const { stops, label } = runEverywhere({ source: LOOP, breakpoints: at(name) });
      expect(stops.map(({ ip }) => ip)).toEqual(Array(name === 'out' ? 1 : 5).fill(label(name)));
    },
  );

  it('are met on each of several instructions in a row', () => {
    const { stops, label } = runEverywhere({ source: LOOP, breakpoints: at('again', 'middle', 'compare', 'branch') });
    const round = ['again', 'middle', 'compare', 'branch'].map(label);
    expect(stops.map(({ ip }) => ip)).toEqual(Array(5).fill(round).flat());
  });

  it('are not met inside an instruction', () => {
    const { stops } = runEverywhere({ source: LOOP, breakpoints: (label) => [{ address: label('compare') + 1 }] });
    expect(stops).toEqual([]);
  });

  it('are met once by a repeated string instruction, before its first iteration', () => {
    const { stops } = runEverywhere({
      source: 'mov edi, 0x9000\nmov ecx, 100\ncld\nhere: rep stosb\ncli\nhlt',
      breakpoints: at('here'),
    });
    expect(stops.map(({ retired }) => retired)).toEqual([3]);
  });

  it('are linear addresses: CS has its base', () => {
    const { stops } = runEverywhere({
      bits: 16,
      source: 'jmp 0x400:0x1000+next-0x5000\nnext: nop\nhere: cli\nhlt',
      breakpoints: at('here'),
    });
    expect(stops.map(({ ip }) => ip)).toEqual([0x1000 + 6]);
  });

  it('are linear addresses: what is mapped twice stops at one of them', () => {
    // Page tables: identity, but for 10000h, which is also the code's page.
    const { stops } = runEverywhere({
      source: `
      mov edi, 0x21000
      mov eax, 3
fill: mov [edi], eax
      add eax, 0x1000
      add edi, 4
      cmp edi, 0x21400
      jne fill
      mov dword [0x21040], 0x5003
      mov dword [0x20000], 0x21003
      mov eax, 0x20000
      mov cr3, eax
      mov eax, cr0
      or eax, 0x80000000
      mov cr0, eax
      mov ecx, 3
again: call both
      mov eax, both + 0xb000
      call eax
      dec ecx
      jnz again
      cli
      hlt
both: nop
      ret`,
      breakpoints: (label) => [{ address: label('both') + 0xb000 }],
    });
    expect(stops).toHaveLength(3);
    expect(stops.every(({ ip }) => ip > 0x1_0000)).toBe(true);
  });

  it('are met where an instruction crosses a page, and where a handler begins', () => {
    const { stops } = runEverywhere({
      source: `
      lidt [idt]
      mov ecx, 3
      mov eax, 0x00cf9a00
      mov dword [0x1008], 0x0000ffff
      mov [0x100c], eax
      jmp there
idt:  dw 0x7ff
      dd 0x4000
      times 0x100 - ($ - $$) nop
handler: inc edx
      iretd
      times 0xffd - ($ - $$) nop
there: mov eax, 0x11223344
      int 3
      dec ecx
      jnz there
      cli
      hlt`,
      memory: { 16408: [0x2d, 0x50, 0x08, 0x00, 0x00, 0x8e, 0, 0] },
      breakpoints: at('there', 'handler'),
    });
    expect(stops.map(({ ip }) => ip)).toEqual([0x5ffd, 0x5100, 0x5ffd, 0x5100, 0x5ffd, 0x5100]);
  });

  it('cost nothing where the guest does not come by', () => {
    const turns = (address?: number) => {
      const machine = createBareMachine('interpreter');
      machine.write(CODE, assemble('again: inc eax\nadd ebx, eax\njmp again').bytes);
      machine.enter(CODE);
      if (address !== undefined) machine.processor.breakpoints.add({ address });
      const before = machine.processor.turns;
      machine.processor.run(100_000);
      const { turns: after } = machine.processor;
      machine.dispose();
      return after - before;
    };
    expect(turns(CODE + 0x100)).toBe(turns());
    // The same offset in another page: the processor looks each time.
    expect(turns(CODE + 0x1001)).toBeGreaterThan(30_000);
  });

  it('one that is set where the processor stands is met when it comes there again; one that is removed no more', () => {
    for (const engine of ENGINES) {
      const machine = createBareMachine(engine);
      const { processor } = machine;
      machine.write(CODE, assemble('again: inc eax\njmp again').bytes);
      machine.enter(CODE);
      const breakpoint = processor.breakpoints.add({ address: CODE });
      expect(processor.run(1000)).toMatchObject({ reason: 'breakpoint', executed: 2, hit: { breakpoint } });
      expect(processor.run(1)).toMatchObject({ reason: 'budget', executed: 1 });
      expect(processor.run(1)).toMatchObject({ reason: 'breakpoint', executed: 1 });
      expect(processor.breakpoints.remove(breakpoint)).toBe(true);
      expect(processor.breakpoints.remove(breakpoint)).toBe(false);
      expect(processor.run(1000)).toMatchObject({ reason: 'budget', executed: 1000 });
      machine.dispose();
    }
  });
});

describe('U1: watchpoints', () => {
  const watch = (address: number, length: number, kind: 'read' | 'write' | 'access') => [{ address, length, kind }];
  const ACCESSES = `
      mov eax, [0x9000]
      mov [0x9004], eax
      inc dword [0x9008]
      mov al, [0x8fff]
      mov [0x9003], al
      cmp dword [0x900c], 5
      je out
      mov [0x9010], eax
      mov eax, [0x9ffe]
      mov [0xaffe], eax
out:  cli
      hlt`;

  it.each<[what: string, request: readonly BreakpointRequest[], hits: string[]]>([
    ['reads', watch(0x9000, 16, 'read'), ['read 9000 4', 'read 9008 4', 'read 900c 4']],
    ['writes', watch(0x9000, 16, 'write'), ['write 9004 4', 'write 9008 4', 'write 9003 1']],
    ['both', watch(0x9008, 1, 'access'), ['read 9008 4']],
    ['a byte of a larger access', watch(0x9006, 1, 'write'), ['write 9004 4']],
    ['nothing beside it', watch(0x9001, 2, 'write'), []],
    ['an access over a page border, by its first part', watch(0x9ffe, 1, 'read'), ['read 9ffe 4']],
    ['an access over a page border, by its last part', watch(0xb001, 1, 'write'), ['write affe 4']],
    [
      'a range over a page border',
      watch(0x8ff0, 0x20, 'access'),
      ['read 9000 4', 'write 9004 4', 'read 9008 4', 'read 8fff 1', 'write 9003 1', 'read 900c 4'],
    ],
  ])('see %s', (_, breakpoints, hits) => {
    expect(runEverywhere({ source: ACCESSES, breakpoints }).stops.map(({ hit }) => hit)).toEqual(hits);
  });

  it('stop behind the instruction, also behind the first of a fused pair', () => {
    const { stops } = runEverywhere({
      source: ACCESSES.replace('je out', 'stop: je out'),
      breakpoints: watch(0x900c, 1, 'access'),
    });
    expect(stops.map(({ retired }) => retired)).toEqual([6]);
  });

  it('stop between two iterations of a repeated string instruction', () => {
    const { stops } = runEverywhere({
      source: 'mov edi, 0x9000\nmov esi, 0x6000\nmov ecx, 100\ncld\nrep movsb\ncli\nhlt',
      breakpoints: watch(0x9020, 1, 'write'),
    });
    expect(stops.map(({ retired }) => retired)).toEqual([4 + 0x21]);
  });

  it('see stacks, the x87, descriptor tables and exchanges', () => {
    const { stops } = runEverywhere({
      source: `
      fldpi
      fstp tword [0x9000]
      push eax
      xchg eax, [0x9000]
      mov dword [0x1010], 0x0000ffff
      mov dword [0x1014], 0x00cf9200
      mov ax, 0x10
      mov ds, ax
      pushad
      cli
      hlt`,
      breakpoints: [...watch(0x9000, 10, 'access'), ...watch(0x1014, 4, 'access'), ...watch(0x7ff0, 4, 'write')],
    });
    expect(stops.map(({ retired }) => retired)).toEqual([2, 4, 6, 8, 9]);
  });

  it('do not see an access that faults', () => {
    const { stops } = runEverywhere({
      source: `
      lidt [idt]
      mov eax, 0x00cf9a00
      mov dword [0x1008], 0x0000ffff
      mov [0x100c], eax
      mov dword [0x20000], 0x83
      mov eax, 0x20000
      mov cr3, eax
      mov eax, cr4
      or eax, 0x10
      mov cr4, eax
      mov eax, cr0
      or eax, 0x80000000
      mov cr0, eax
      mov eax, [0x400000]
idt:  dw 0x7ff
      dd 0x4000
      times 0x100 - ($ - $$) nop
handler: cli
      hlt`,
      memory: { 16496: [0x5a, 0x50, 0x08, 0x00, 0x00, 0x8e, 0, 0] },
      breakpoints: watch(0x40_0000, 4, 'access'),
    });
    expect(stops).toEqual([]);
  });
});

describe('U1: what cannot be a breakpoint', () => {
  const { processor } = createBareMachine('reference');
  it.each<[BreakpointRequest, RegExp]>([
    [{ address: -1 }, /address/],
    [{ address: 1.5 }, /address/],
    [{ address: Number.NaN }, /address/],
    [{ address: 2 ** 48 }, /address/],
    [{ address: 'a' as never }, /address/],
    [{ address: 1, kind: 'jump' as never }, /kind.*execute/],
    [{ address: 1, kind: 'write', length: 0 }, /length/],
    [{ address: 1, kind: 'write', length: 4097 }, /length/],
  ])('%o', (request, message) => {
    expect(() => processor.breakpoints.add(request)).toThrow(UserError);
    expect(() => processor.breakpoints.add(request)).toThrow(message);
    expect(processor.breakpoints.list).toEqual([]);
  });

  it('has the smallest free number, and there are at most 1000', () => {
    const { breakpoints } = createBareMachine('interpreter').processor;
    const all = Array.from({ length: 1000 }, (_, address) => breakpoints.add({ address }));
    expect(all.map(({ id }) => id)).toEqual(all.map((_, index) => index + 1));
    expect(() => breakpoints.add({ address: 5 })).toThrow('there are 1000 already');
    breakpoints.remove(all[6]);
    expect(breakpoints.add({ address: 7 }).id).toBe(7);
    breakpoints.clear();
    expect(breakpoints.list).toEqual([]);
  });
});

describe('U1: random system programs with breakpoints', () => {
  it('stop at the same instants on every engine, however they are cut, and end in the same state as without', () => {
    const code = createCodeSpace(Pool.create());
    const counts = { execute: 0, read: 0, write: 0 };
    for (const seed of [2, 4]) {
      const program = new ProgramGenerator(seed).generate();
      const create = (engine: EngineName, largestSlice: number) =>
        new LockstepMachine({ program, code, seed }, { engine, largestSlice });
      const bare = create('interpreter', 0);
      const visited: number[] = [];
      for (let count = 1; count <= 3000; count += 7) {
        bare.runTo(count);
        const { state } = bare.processor;
        visited.push((state.segments[1].base + state.ip) >>> 0);
      }
      bare.runTo(4000);
      const random = new Random(seed);
      const pick = () => visited[random.below(visited.length)];
      const requests: BreakpointRequest[] = [
        ...Array.from({ length: 12 }, () => ({ address: pick() })),
        { address: 0x3_0000, length: 0x1000, kind: 'read' },
        { address: 0x3_1000 + random.below(0xf00), length: 0x100, kind: 'access' },
        { address: 0x5000, length: 0x1000, kind: 'write' },
      ];
      const logs = (
        [
          ['reference', 300],
          ['interpreter', 0],
          ['interpreter', 7],
          ['jit', 0],
        ] as const
      ).map(([engine, largestSlice]) => {
        const machine = create(engine, largestSlice);
        const { processor } = machine;
        for (const request of requests) processor.breakpoints.add(request);
        const log: string[] = [];
        machine.onBreakpoint = (hit) => {
          counts[hit.access]++;
          log.push(`${processor.retired} ${processor.state.ip.toString(16)} ${describeHit({ hit } as never)}`);
        };
        machine.runTo(4000);
        expect({ seed, hash: processor.stateHash() }).toEqual({ seed, hash: bare.processor.stateHash() });
        machine.dispose();
        return log;
      });
      expect(logs[1]).toEqual(logs[0]);
      expect(logs[2]).toEqual(logs[0]);
      expect(logs[3]).toEqual(logs[0]);
      bare.dispose();
    }
    for (const [access, count] of Object.entries(counts)) expect(count, `hits by ${access}`).toBeGreaterThan(10);
  });
});
