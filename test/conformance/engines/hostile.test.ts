/**
 * A guest may do anything: the engine goes on counting, nothing is thrown, other guests and the host's memory are left
 * alone. What a hostile program computes does not matter here, only that `run` comes back with its instructions.
 */
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/difftest/random.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import { Pc } from '../../../src/machine/pc.ts';
import { sharedCode as sharedMachineCode } from '../../support/shared-code.ts';
import { SYSTEM_ENGINES } from '../../support/system-machine.ts';
import { type BareMachine, createBareMachine, sharedCode } from './bare-machine.ts';

const START = 0x7c00;

/** Runs so many instructions, resetting whenever the machine stops. @returns how often it did */
function runOn({ processor }: BareMachine, instructions: number, restart: () => void): number {
  const end = processor.retired + instructions;
  let stops = 0;
  for (let idle = 0; processor.retired < end; ) {
    const { reason, executed, error } = processor.run(Math.min(10_000, end - processor.retired));
    if (error) throw error;
    idle = executed === 0 ? idle + 1 : 0;
    if (reason === 'budget' && idle < 3) continue;
    stops++;
    restart();
    // A restart that stops at once gets nowhere.
    if (idle > 3) break;
  }
  return stops;
}

const program32 = (source: string, origin = START) => assemble(`bits 32\n${source}`, { origin }).bytes;

describe.each(SYSTEM_ENGINES)('%s', (engine) => {
  const many = engine === 'interpreter' ? 40_000 : 4000;

  it.each(['real', 'protected', 'paged'] as const)('runs random bytes in %s mode', (mode) => {
    const machine = createBareMachine(engine, { memory: 2 ** 20 });
    const neighbour = createBareMachine(engine, { memory: 2 ** 20 });
    neighbour.write(0, new Uint8Array(2 ** 16).fill(0x5a));
    const before = neighbour.processor.stateHash();
    const random = new Random(77);
    const bytes = new Uint8Array(2 ** 18);
    const restart = () => {
      random.fill(bytes);
      machine.processor.reset();
      machine.write(0, bytes);
      // Vectors, descriptors and gates that lead somewhere, now and then.
      for (let at = 0; at < 0x400; at += 4) machine.write(at, [random.below(256), 0x7c, 0, 0]);
      for (let at = 0x1000; at < 0x1100; at += 8)
        machine.write(at, [0xff, 0xff, 0, 0, 0, random.pick([0x9a, 0x92, 0xfa, 0xf2, 0x89, 0x8e]), 0xcf, 0]);
      if (mode === 'real') return machine.enterReal(START);
      machine.enter(START);
      const { state } = machine.processor;
      state.idtrBase = 0x2000;
      for (let at = 0x2000; at < 0x2800; at += 8) machine.write(at, [random.below(256), 0x7c, 8, 0, 0, 0x8e, 0, 0]);
      if (mode === 'paged') {
        // A page directory that is its own page table.
        for (let at = 0x3000; at < 0x4000; at += 4) machine.write(at, [7, 0x30, 0, 0]);
        for (let at = 0; at < 0x40; at++) machine.write(0x3000 + 4 * at, [7, at << 4, at >>> 4, 0]);
        machine.write(0x3000, [7, 0x30, 0, 0]);
        state.cr3 = 0x3000;
        state.cr0 = (state.cr0 | 0x8000_0000) >>> 0;
        machine.processor.mmu.flush('all');
        machine.processor.modeChanged();
      }
    };
    restart();
    runOn(machine, many, restart);
    expect(machine.processor.retired).toBeGreaterThan(many / 2);
    expect(neighbour.processor.stateHash()).toBe(before);
    machine.dispose();
    neighbour.dispose();
  });

  it.each([
    ['descriptor tables that end at 4 GiB', 'lgdt [table]\nlidt [table]\npush dword 0xfff8\npop ds\nint 0xff'],
    ['descriptor tables in absent memory', 'lgdt [absent]\nlidt [absent]\npush dword 0x28\npop ds\nint 3'],
    ['a stack in absent memory', 'mov esp, 0xb00000\npush eax\ncall go\ngo: enter 100, 31\npusha\nint 3'],
    ['a stack that wraps at 4 GiB', 'mov esp, 2\npush eax\npusha\ncall go\ngo: enter 200, 31'],
    [
      'FXSAVE and FNSAVE across 4 GiB',
      'mov eax, 0x200\nmov cr4, eax\nfxsave [0xffffffe0]\nfnsave [0xfffffff0]\nfrstor [0xfffffff0]',
    ],
    ['code that runs across 4 GiB', 'mov eax, 0xfffffffe\njmp eax'],
    ['code in absent memory', 'mov eax, 0xb80000\njmp eax'],
    ['the longest REP', 'mov ecx, -1\nmov edi, 0\nrep stosd\nmov ecx, -1\nrep movsb'],
    [
      'REP at the end of the address space',
      'mov ecx, 100\nmov edi, -50\nmov esi, -30\nrep movsb\nstd\nmov ecx, 100\nmov edi, 50\nmov esi, 20\nrep movsd',
    ],
    ['INVLPG without end', 'again: invlpg [eax]\nadd eax, 0x1000\njmp again'],
    ['page tables in absent memory', 'mov eax, 0xe0000000\nmov cr3, eax\nmov eax, 0x80000011\nmov cr0, eax\nnop'],
    ['page tables over the code', `mov eax, ${START & ~0xfff}\nmov cr3, eax\nmov eax, 0x80000011\nmov cr0, eax\nnop`],
    [
      'A20 and control registers in a loop',
      'again: mov eax, cr0\nxor eax, 0x10000\nmov cr0, eax\nmov eax, cr3\nmov cr3, eax\njmp again',
    ],
  ])('survives %s', (_, source) => {
    const machine = createBareMachine(engine);
    const tables = 'table: dw 0xffff\ndd 0xffff0001\nabsent: dw 0xffff\ndd 0xc0000000';
    machine.write(START, program32(`${source}\njmp $\n${tables}`));
    const restart = () => {
      machine.processor.reset();
      machine.enter(START);
    };
    restart();
    runOn(machine, many / 4, restart);
    machine.dispose();
  });

  it('ends a storm of triple faults', () => {
    const machine = createBareMachine(engine);
    machine.write(START, [0x0f, 0x0b]);
    let shutdowns = 0;
    for (let round = 0; round < 1000; round++) {
      machine.processor.reset();
      machine.enter(START);
      machine.processor.state.idtrLimit = 0;
      if (machine.processor.run(1000).reason === 'shutdown') shutdowns++;
    }
    expect(shutdowns).toBe(1000);
    machine.dispose();
  });

  it('runs code across the end of the address space', () => {
    const machine = createBareMachine(engine);
    machine.memory.addRom(0xffff_f000, new Uint8Array(0x1000).fill(0x43)); // inc ebx
    machine.write(0, [0x43, 0x43, 0xeb, 0xfe]);
    machine.enter(0xffff_fff0);
    expect(machine.processor.run(18)).toMatchObject({ executed: 18, reason: 'budget' });
    expect(machine.processor.state.reg32(3)).toBe(18);
    expect(machine.processor.state.ip).toBe(2);
    machine.dispose();
  });

  it('reports a bug of ours with the place in the guest, and leaves other guests running', () => {
    const ports = {
      read: () => {
        throw new RangeError('a broken chip');
      },
      write: () => {},
    };
    const broken = createBareMachine(engine, { ports });
    const other = createBareMachine(engine);
    for (const machine of [broken, other]) {
      machine.write(START, [0x40, 0x40, 0xe4, 0x60, 0xeb, 0xfa]);
      machine.enter(START);
    }
    const result = broken.processor.run(100);
    expect(result).toMatchObject({ reason: 'error', executed: 2 });
    expect(result.error!.message).toMatch(/^bare: internal error at 0008:00007c02 \(bytes e4 60 eb fa /);
    expect(result.error!.message).toContain('a broken chip');
    expect(other.processor.run(1000)).toMatchObject({ reason: 'budget', executed: 1000 });
    broken.dispose();
    other.dispose();
  });

  it('reports where a broken device was read in memory-mapped space', () => {
    const machine = createBareMachine(engine);
    machine.memory.addMmio(0x9_0000, 0x1000, {
      name: 'broken',
      readMemory: () => {
        throw new RangeError('a broken chip');
      },
      writeMemory: () => {},
    });
    machine.write(START, program32('inc eax\ninc eax\nmov ebx, [0x90000]\ninc eax\njmp $'));
    machine.enter(START);
    const result = machine.processor.run(100);
    expect(result).toMatchObject({ reason: 'error', executed: 2 });
    expect(result.error!.message).toMatch(/^bare: internal error at 0008:00007c02 \(bytes 8b 1d /);
    machine.dispose();
  });
});

describe('interpreter', () => {
  it('keeps its memory when a page is written and executed over and over', () => {
    const machine = createBareMachine('interpreter');
    machine.write(
      START,
      program32(`
        again: inc dword [there + 1]
        jmp there
        align 16
        there: mov eax, 0
        add ebx, eax
        dec ecx
        jnz again
        jmp $`),
    );
    machine.enter(START);
    const rounds = 30_000;
    machine.processor.state.setReg32(1, rounds);
    machine.processor.run(1000);
    const { byteLength } = sharedCode().pool.views.u8;
    machine.processor.run(7 * rounds);
    expect(machine.processor.state.reg32(1)).toBe(0);
    expect(machine.processor.state.reg32(3)).toBe((rounds * (rounds + 1)) / 2);
    expect(sharedCode().pool.views.u8.byteLength - byteLength).toBeLessThanOrEqual(64 * 2 ** 20);
    machine.dispose();
  });

  it('notices a write to a page in which code was entered at every byte', () => {
    const machine = createBareMachine('interpreter');
    const page = 0x20_0000;
    machine.write(page, new Uint8Array(0x1000).fill(0x43)); // inc ebx
    machine.write(page + 0xfff, [0xc3]);
    machine.write(
      START,
      program32(`
        mov esi, ${page + 0x900}
        again: call esi
        inc esi
        cmp esi, ${page + 0xff0}
        jb again
        mov byte [${page + 0xfe0}], 0x4b
        xor ebx, ebx
        mov esi, ${page + 0x900}
        call esi
        jmp $`),
    );
    machine.enter(START);
    machine.processor.run(3_500_000);
    expect(machine.processor.state.reg32(3)).toBe(0x6ff - 2);
    machine.dispose();
  });

  it('goes on when the space for decoded code is full', () => {
    const machine = createBareMachine('interpreter', { memory: 4 * 2 ** 20 });
    // 300 000 blocks, a short jump each, and back to the first.
    const code = new Uint8Array(600_000);
    for (let at = 0; at < code.length; at += 2) code.set([0xeb, 0], at);
    machine.write(0x10_0000, code);
    machine.write(0x10_0000 + code.length, program32(`inc ebx\njmp ${0x10_0000}`, 0x10_0000 + code.length));
    machine.enter(0x10_0000);
    const { byteLength } = sharedCode().pool.views.u8;
    const lap = code.length / 2 + 2;
    expect(machine.processor.run(2 * lap)).toMatchObject({ executed: 2 * lap, reason: 'budget' });
    expect(machine.processor.state.reg32(3)).toBe(2);
    expect(machine.processor.state.ip).toBe(0x10_0000);
    expect(sharedCode().pool.views.u8.byteLength - byteLength).toBeLessThanOrEqual(128 * 2 ** 20);
    machine.dispose();
  });

  it('tells code apart that shares a slot of the jump cache', () => {
    const machine = createBareMachine('interpreter', { memory: 64 * 2 ** 20 });
    const places = Array.from({ length: 64 }, (_, index) => 0x10_0000 + index * 0xf_f000);
    places.forEach((place, index) => {
      const next = places[(index + 1) % places.length];
      machine.write(place, program32(`lea ebx, [ebx*4 + ebx + ${index}]\nmov eax, ${next}\njmp eax`, place));
    });
    machine.enter(places[0]);
    machine.processor.run(3 * 64 * 5);
    let expected = 0;
    for (let step = 0; step < 64 * 5; step++) expected = (Math.imul(expected, 5) + (step % 64)) >>> 0;
    expect(machine.processor.state.reg32(3)).toBe(expected);
    machine.dispose();
  });

  it('gives the chips of a PC random bytes to run', () => {
    const random = new Random(5);
    let executed = 0;
    for (let round = 0; round < 3; round++) {
      const bytes = new Uint8Array(0x8000);
      random.fill(bytes);
      // Every other instruction or so is an OUT or IN.
      for (let at = 0; at < bytes.length - 4; at += 6) {
        bytes.set(
          [
            0xb0,
            random.below(256),
            random.pick([0xe6, 0xe6, 0xe4]),
            random.pick([0x20, 0x21, 0x40, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x92, 0xa0, 0xa1]),
          ],
          at,
        );
      }
      const pc = new Pc({
        code: sharedMachineCode(),
        name: 'hostile',
        memoryBytes: 2 ** 21,
        cpu: 'i686',
        engine: 'interpreter',
        boot: { pieces: [{ address: START, bytes }], entry: { mode: 'real', ip: START } },
        powerOnTime: 0,
      });
      for (let slice = 0; slice < 20; slice++) {
        const exit = pc.run({ instructions: 2000 });
        expect(exit).not.toHaveProperty('error');
        executed += exit.executed;
        if (exit.reason !== 'budget') pc.reset();
      }
      pc.dispose();
    }
    expect(executed).toBeGreaterThan(1000);
  });
});
