/** RAM that a chipset switches on and off under running code: what translations and decoded code make of it. */
import { describe, expect, it } from 'vitest';
import type { RamRoute } from '../../../src/memory/guest-memory.ts';
import {
  ENABLE_PAGING,
  identityMap,
  LAYOUT,
  runSystem,
  SYSTEM_ENGINES,
  type SystemMachine,
} from '../../support/system-machine.ts';

const ROM = 0xc_8000;
/** Linear addresses of the same page, by other translations. */
const ALIAS = 0x30_0000;
const PTE = (linear: number) => LAYOUT.PAGE_TABLE + 4 * (linear >>> 12);
const ROUTES: readonly RamRoute[] = [
  { reads: 'bus', writes: 'bus' },
  { reads: 'ram', writes: 'bus' },
  { reads: 'bus', writes: 'ram' },
  { reads: 'ram', writes: 'ram' },
];

/** OUT to port 10h routes a page at ROM; `machine.memory` has a ROM there, whose bytes are `rom`. */
const options = (rom: readonly number[]) => ({
  prepare(machine: SystemMachine) {
    machine.memory.addRom(ROM, Uint8Array.from(rom));
    identityMap(machine);
    machine.write32(PTE(ALIAS), ROM | 7);
  },
  writePort({ memory }: SystemMachine, _: number, value: number) {
    memory.routeRam(ROM, 0x1000, ROUTES[value & 3]);
  },
});
const route = (number: number) => `mov al, ${number}\nout 0x10, al\n`;

describe.each(SYSTEM_ENGINES)('%s: RAM that is switched', (engine) => {
  it('is seen through every translation of its page', () => {
    const result = runSystem(
      engine,
      `${ENABLE_PAGING}
      mov ecx, 200
      mov esi, 0
      mov ebx, 0
      again:
      ${route(3)}mov dword [${ROM}], 1
      add dword [${ALIAS}], 2
      ${route(0)}add ebx, [${ROM}]
      add ebx, [${ALIAS}]
      mov dword [${ALIAS}], 50
      ${route(1)}add esi, [${ROM}]
      mov dword [${ROM}], 60
      add esi, [${ALIAS}]
      loop again`,
      options([5, 0, 0, 0]),
    );
    expect([result.ebx, result.esi]).toEqual([200 * 10, 200 * 6]);
  });

  it('the instruction behind the switch is fetched through a new translation: its page is accessed', () => {
    const code = PTE(LAYOUT.PROGRAM);
    const result = runSystem(
      engine,
      `${ENABLE_PAGING}
      mov ecx, 99
      mov ebx, 0
      mov esi, 0
      again:
      mov al, cl
      and dword [${code}], 0xffffffdf
      out 0x10, al
      mov edx, [${code}]
      shr edx, 5
      and edx, 1
      add ebx, edx
      and dword [${code}], 0xffffffdf
      out 0x10, al
      mov edx, [${code}]
      shr edx, 5
      and edx, 1
      add esi, edx
      loop again`,
      options([0]),
    );
    // The second OUT of each round changes nothing, and then all stays as it is.
    expect([result.ebx, result.esi]).toEqual([99, 0]);
  });

  it('an instruction that ends in the page is another one then', () => {
    // mov ebx, imm32 with its last two bytes there; ret
    const result = runSystem(
      engine,
      `mov edi, 0
      mov ecx, 100
      again:
      ${route(2)}mov dword [${ROM}], 0x00c30003
      ${route(0)}call ${ROM - 3}
      add edi, ebx
      ${route(1)}call ${ROM - 3}
      add edi, ebx
      loop again`,
      {
        ...options([0x01, 0x00, 0xc3]),
        prepare(machine) {
          options([0x01, 0x00, 0xc3]).prepare(machine);
          machine.memory.copyIn(ROM - 3, Uint8Array.of(0xbb, 0x00, 0x00));
        },
      },
    );
    expect(result.edi).toBe(100 * 0x4_0000);
  });
});
