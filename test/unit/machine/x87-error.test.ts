/** An x87 error as a PC's software sees it. */
import { describe, expect, it } from 'vitest';
import { ENGINES } from '../../../src/engine/processor.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import { Pc } from '../../../src/machine/pc.ts';

const BOOT_SECTOR = 0x7c00;

/** Divides 1 by 0 with the exception unmasked. The error shows at the next waiting instruction. */
const DIVIDE = `
  fninit
  fldcw [control]
  fld1
  fldz
  fdivp
  mov al, 'd'
  out 0xe9, al
  fwait
  nop
  mov al, 'w'
  out 0xe9, al`;

const program = (cr0: number) => `
  bits 16
  org 0x7c00
  mov word [0x75 * 4], irq13
  mov word [0x75 * 4 + 2], 0
  mov word [16 * 4], mf
  mov word [16 * 4 + 2], 0
  mov al, 0x11
  out 0x20, al
  out 0xa0, al
  mov al, 0x08
  out 0x21, al
  mov al, 0x70
  out 0xa1, al
  mov al, 4
  out 0x21, al
  mov al, 2
  out 0xa1, al
  mov al, 1
  out 0x21, al
  out 0xa1, al
  mov al, 0xfb
  out 0x21, al
  mov al, 0xdf
  out 0xa1, al
  mov eax, cr0
  and eax, 0xffffffdf
  or eax, ${cr0}
  mov cr0, eax
  sti
  ${DIVIDE}
  cli
  hlt
irq13:
  out 0xf0, al
  fnclex
  mov al, 'i'
  out 0xe9, al
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
  iret
mf:
  fnclex
  mov al, 'm'
  out 0xe9, al
  iret
control: dw 0x037b
`;

function run(engine: (typeof ENGINES)[number], cr0: number): string {
  const bytes = assemble(program(cr0)).bytes;
  const pc = new Pc({
    name: 'x87',
    memoryBytes: 2 ** 20,
    cpu: 'i686',
    engine,
    boot: { pieces: [{ address: BOOT_SECTOR, bytes }], entry: { mode: 'real', ip: BOOT_SECTOR } },
    powerOnTime: 0,
  });
  let seen = '';
  pc.debugConsole.onOutput = (output) => {
    seen += new TextDecoder().decode(output);
  };
  const exit = pc.run({ instructions: 10_000 });
  pc.dispose();
  expect(exit.reason).toBe('halted');
  return seen;
}

describe('an unmasked x87 exception', () => {
  it.each(ENGINES)('%s: with CR0.NE = 0 it is IRQ 13, once, until port F0h is written', (engine) => {
    expect(run(engine, 0)).toBe('diw');
  });

  it.each(ENGINES)('%s: with CR0.NE = 1 it is #MF and no interrupt', (engine) => {
    expect(run(engine, 0x20)).toBe('dmw');
  });
});
