/** Pages of RAM that are given back under a running program: what translations and decoded code make of it. */
import { describe, expect, it } from 'vitest';
import {
  ENABLE_PAGING,
  identityMap,
  LAYOUT,
  runSystem,
  SYSTEM_ENGINES,
  type SystemMachine,
} from '../../support/system-machine.ts';

const PAGE = 0x30_0000;
const OTHER = 0x31_0000;
/** Linear address of PAGE, by another translation. */
const ALIAS = 0x32_0000;
const PTE = (linear: number) => LAYOUT.PAGE_TABLE + 4 * (linear >>> 12);

/** OUT to port 10h gives a page back, between two instructions. */
const options = {
  prepare(machine: SystemMachine) {
    identityMap(machine);
    machine.write32(PTE(ALIAS), PAGE | 7);
  },
  writePort({ memory, processor: { clock } }: SystemMachine) {
    clock.setAlarm(clock.now, () => void memory.discard([{ first: PAGE >>> 12, pages: 1 }]));
  },
};
/** The alarm comes before the next block at the latest. */
const DISCARD = 'out 0x10, al\njmp $+2\n';

describe.each(SYSTEM_ENGINES)('%s: a page that is given back', (engine) => {
  it('is zero through every translation, and takes writes in a frame of its own', () => {
    const result = runSystem(
      engine,
      `${ENABLE_PAGING}
      mov ecx, 300
      mov ebx, 0
      mov esi, 0
      again:
      mov dword [${PAGE}], 3
      add dword [${ALIAS + 4}], 5
      ${DISCARD}add ebx, [${PAGE}]
      add ebx, [${ALIAS + 4}]
      mov dword [${OTHER}], 9
      add dword [${ALIAS}], 1
      add esi, [${PAGE}]
      ${DISCARD}add ebx, [${PAGE}]
      loop again`,
      options,
    );
    expect([result.ebx, result.esi]).toEqual([0, 300]);
    expect(result.read32(OTHER)).toBe(9);
  });

  it('its frame may be another page’s at once: neither sees what is written to the other', () => {
    const result = runSystem(
      engine,
      `${ENABLE_PAGING}
      mov edi, 0x380000
      mov ebx, 0
      again:
      mov dword [${PAGE}], 3
      ${DISCARD}mov dword [edi], 7
      add ebx, [${PAGE}]
      mov dword [${PAGE}], 5
      add ebx, [edi]
      add edi, 0x1000
      cmp edi, 0x3c0000
      jb again`,
      options,
    );
    expect(result.ebx).toBe(64 * 7);
  });

  it('code in it is decoded anew', () => {
    const result = runSystem(
      engine,
      `${ENABLE_PAGING}
      mov ecx, 200
      mov edi, 0
      again:
      mov byte [${PAGE + 2}], 0xc3
      mov word [${PAGE}], 0xc783
      mov dword [${PAGE + 2}], 0xc301
      mov eax, ${PAGE}
      call eax
      ${DISCARD}mov byte [${PAGE + 4}], 0xc3
      mov eax, ${PAGE}
      call eax
      loop again`,
      options,
    );
    // 83 c7 01 c3 adds one; 00 00 adds AL to the byte at EAX: here 0, where the address has its low byte.
    expect(result.edi).toBe(200);
    expect(result.exceptions).toEqual([]);
  });
});
