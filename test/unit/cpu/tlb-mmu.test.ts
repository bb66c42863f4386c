import { expect, it } from 'vitest';
import { CR0, CR4 } from '../../../src/cpu/register-bits.ts';
import { TlbMmu } from '../../../src/cpu/tlb-mmu.ts';
import { createFakeCpu } from '../../support/fake-cpu.ts';

const PDE = 0x1000;
const LARGE = 0x87; // PS, US, RW, P
const GLOBAL = 0x100;
const LINEAR = 0x4000_0000;

/** Every 4 MiB of linear addresses are physical 0 to 4 MiB, and all of them larger pages. */
function machine() {
  const cpu = createFakeCpu({ memory: 8 * 2 ** 20 });
  const { state, memory } = cpu;
  const mmu = new TlbMmu(cpu, () => {});
  state.cr0 = (CR0.PE | CR0.PG) >>> 0;
  state.cr4 = CR4.PSE | CR4.PGE;
  state.cr3 = PDE;
  const map = (bits: number) => {
    for (let index = 0; index < 1024; index++) memory.write(PDE + 4 * index, bits, 4);
  };
  map(LARGE);
  mmu.refresh();
  /** Fills all entries of all tables. The page of the directory is among them: what is written there is not used. */
  const fill = (first: number) => {
    for (const cpl of [3, 0]) {
      state.cpl = cpl;
      mmu.refresh();
      for (let page = 0; page < 4096; page++) mmu.write(first + page * 4096 + 4080, 1, 4, 'current');
    }
  };
  return { cpu, mmu, map, fill };
}

/** ms for so many INVLPGs of a larger page in use. */
function timeInvalidations(mmu: TlbMmu): number {
  const before = process.cpuUsage();
  for (let round = 0; round < 100; round++) {
    mmu.flushPage(LINEAR);
    mmu.read(LINEAR, 4, 'current');
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

it('INVLPG of a larger page takes no longer for what else the TLB holds and held', () => {
  const { mmu, map, fill } = machine();
  timeInvalidations(mmu);
  const alone = timeInvalidations(mmu);
  fill(0);
  map(LARGE | GLOBAL);
  fill(2 ** 24);
  expect(timeInvalidations(mmu)).toBeLessThan(10 * alone + 10);
});

it('INVLPG of a larger page drops all of its parts and nothing else', () => {
  const { mmu, fill } = machine();
  fill(2 ** 24);
  mmu.flushPage(2 ** 24 + 0x12_3456);
  const held = (address: number) =>
    (['read', 'write'] as const).map((access) => mmu.hostAddress(address, 4, access) > 0);
  for (let page = 0; page < 1024; page++) expect(held(2 ** 24 + page * 4096)).toEqual([false, false]);
  for (let page = 1024; page < 4096; page++) expect(held(2 ** 24 + page * 4096)).toEqual([true, true]);
});
