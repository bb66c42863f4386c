import { describe, expect, it } from 'vitest';
import { CR0, CR4, EFER } from '../../../../src/cpu/register-bits.ts';
import { Random } from '../../../../src/difftest/random.ts';
import { type FillMode, TlbFillMachine } from '../../../support/tlb-fill-machine.ts';

const ROUNDS = 80;
const ACCESSES = 60;
const NONE: FillMode = { paging: 'none', largePages: false, globalPages: false, noExecute: false };
const MODES: readonly FillMode[] = [
  NONE,
  { ...NONE, paging: '32-bit' },
  { ...NONE, paging: '32-bit', largePages: true, globalPages: true },
  { ...NONE, paging: 'PAE' },
  { ...NONE, paging: 'PAE', globalPages: true, noExecute: true },
];

describe('the page walk in wasm', () => {
  it.each(MODES)('does what the one in TypeScript does, or nothing at all: %o', (mode) => {
    const random = new Random(MODES.indexOf(mode) + 1);
    const machine = new TlbFillMachine(random);
    const did = { hit: 0, filled: 0, declined: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      machine.start(mode);
      for (let count = 0; count < ACCESSES; count++) {
        const event = random.below(40);
        if (event === 0) machine.changeRoot();
        else if (event === 1) machine.changeRights();
        else if (event === 2) machine.flushAll();
        else if (event < 6) machine.flushPage(machine.linear());
        else if (event < 11) machine.changeEntry();
        const linear = machine.linear();
        const access = random.pick(['read', 'write'] as const);
        try {
          did[machine.access(linear, access)]++;
        } catch (error) {
          expect.fail(`round ${round}, ${access} of ${linear.toString(16)}: ${(error as Error).message}`);
        }
      }
    }
    // What declines is much more frequent here than in a system.
    for (const what of ['hit', 'filled', 'declined'] as const) expect(did[what]).toBeGreaterThan(100);
  });

  const prepared = () => {
    const machine = new TlbFillMachine(new Random(1));
    const { cpu, mmu } = machine.helped;
    const fills = () => {
      mmu.flush('all');
      mmu.refresh();
      return machine.fill(cpu.state.address, 0x200000, 1);
    };
    expect(fills()).toBe(1);
    return { ...machine.helped, fills };
  };

  it('declines while the A20 gate is closed', () => {
    const { cpu, fills } = prepared();
    cpu.state.a20Mask = 0xffef_ffff;
    expect(fills()).toBe(0);
    cpu.state.a20Mask = 0xffff_ffff;
    expect(fills()).toBe(1);
  });

  it('declines while accesses are watched, from inside or outside', () => {
    const { cpu, mmu, fills } = prepared();
    mmu.watchData(() => {});
    expect(fills()).toBe(0);
    mmu.watchData(undefined);
    expect(fills()).toBe(1);
    mmu.notice(new Set([5]), () => {});
    expect(cpu.state.tlbLog).toBe(0);
    expect(fills()).toBe(0);
    mmu.notice(new Set(), () => {});
    expect(fills()).toBe(1);
  });

  it('declines while alignment is checked', () => {
    const { cpu, fills } = prepared();
    cpu.state.cpl = 3;
    cpu.state.cr0 |= CR0.AM;
    expect(fills()).toBe(1);
    cpu.state.flagsOther |= 1 << 18;
    expect(fills()).toBe(0);
  });

  it('declines with 4-level paging', () => {
    const { cpu, fills } = prepared();
    const { state, memory } = cpu;
    // Tables of all formats at once: every entry maps the page of itself.
    for (let at = 0x100000; at < 0x101000; at += 8) memory.write(at, 0x100007, 4);
    state.cr3 = 0x100000;
    state.pdpte0 = 0x100001;
    state.cr0 = (CR0.PE | CR0.PG) >>> 0;
    state.cr4 = CR4.PAE;
    expect(fills()).toBe(1);
    state.efer = EFER.LME | EFER.LMA;
    expect(fills()).toBe(0);
  });
});
