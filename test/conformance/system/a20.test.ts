import { describe, expect, it } from 'vitest';
import {
  ENABLE_PAGING,
  identityMap,
  runSystem,
  SYSTEM_ENGINES,
  type SystemMachine,
} from '../../support/system-machine.ts';

/** Port 92h, bit 1: A20. */
const options = {
  writePort({ processor }: SystemMachine, port: number, value: number) {
    if (port === 0x92) processor.a20.set(((value >> 1) & 1) as 0 | 1);
  },
};
const close = 'mov al, 0\nout 0x92, al\n';
const open = 'mov al, 2\nout 0x92, al\n';

describe.each(SYSTEM_ENGINES)('%s: the A20 gate', (engine) => {
  it('closed, it holds address bit 20 at 0: odd megabytes are those below', () => {
    const result = runSystem(
      engine,
      `mov dword [0x7000], 0x11\nmov dword [0x107000], 0x22\n${close}mov ebx, [0x107000]\nmov dword [0x307004], 0x33\n${open}mov ecx, [0x107000]\nmov edx, [0x207004]`,
      options,
    );
    expect([result.ebx, result.ecx, result.edx]).toEqual([0x11, 0x22, 0x33]);
  });

  it('it acts on physical addresses: translations and their tables pass it too', () => {
    const source = `${ENABLE_PAGING}mov dword [0x7000], 0x11\nmov dword [0x107000], 0x22\nmov ebx, [0x300000]\n${close}mov ecx, [0x300000]\n${open}mov edx, [0x300000]`;
    const result = runSystem(engine, source, {
      ...options,
      prepare(machine) {
        identityMap(machine);
        machine.write32(0x81000 + 4 * 0x300, 0x107007);
      },
    });
    expect([result.ebx, result.ecx, result.edx]).toEqual([0x22, 0x11, 0x22]);
  });

  it('code is fetched through it', () => {
    const result = runSystem(engine, `${close}call 0x105000\n${open}call 0x105000`, {
      ...options,
      prepare(machine) {
        // inc ebx; ret below, inc ecx; ret above
        machine.memory.copyIn(0x5000, Uint8Array.of(0x43, 0xc3));
        machine.memory.copyIn(0x10_5000, Uint8Array.of(0x41, 0xc3));
      },
    });
    expect([result.ebx, result.ecx]).toEqual([1, 1]);
  });
});
