/** Drives on the IDE cables, as the BIOS boots from them and INT 13h reaches them. */
import { expect, it } from 'vitest';
import type { PcOptions } from '../../../src/machine/pc.ts';
import { bootImage, TestMedium } from '../../support/bios-machine.ts';
import { bootCd } from '../../support/boot-cd.ts';
import { testPc } from '../../support/test-pc.ts';

const MIB = 2 ** 20;

function createPc(options: Partial<PcOptions>) {
  const pc = testPc({ memoryBytes: 16 * MIB, boot: { bios: {} }, ...options });
  let output = '';
  pc.debugConsole.onOutput = (bytes) => (output += new TextDecoder('latin1').decode(bytes));
  const run = () => pc.run({ instructions: 10_000_000 }).reason;
  return { pc, run, output: () => output.trimEnd() };
}
const WHERE = `mov al, dl
  mov ah, 0
  call show
  mov word [0x7000], 66
  mov si, 0x7000
  mov ax, 0x4800
  mov dl, 0x82
  int 0x13
  mov ax, [0x7000 + 51]
  call show
  mov ax, [0x7000 + 56]
  call show
  cli
  hlt`;

it('the disk is booted; the third one, beside a CD-ROM drive, is the second device of the second cable', () => {
  const disks = [
    new TestMedium(bootImage(WHERE, MIB)),
    new TestMedium(new Uint8Array(MIB)),
    new TestMedium(new Uint8Array(MIB)),
  ];
  const { run, output } = createPc({ disks, cdrom: 'empty' });
  expect(run()).toBe('halted');
  expect(output()).toBe('0080 0001 0001');
});

it('a disc that is put in later is there', () => {
  const { pc, run, output } = createPc({ cdrom: 'empty' });
  const image = new Uint8Array(2048);
  image.set(bootImage('mov al, dl\nmov ah, 0\ncall show\ncli\nhlt', 512));
  pc.cdrom!.insert(new TestMedium(bootCd({ media: 0, image }), { readOnly: true }));
  expect(run()).toBe('halted');
  expect(output()).toBe('00e0');
});

it('the channels answer and the bus master has ports', () => {
  const { pc, run } = createPc({ disks: [new TestMedium(bootImage('cli\nhlt', MIB))] });
  expect(run()).toBe('halted');
  const read = (register: number, size: 1 | 2 | 4) => pc.pci.read((1 << 11) | (1 << 8) | register, size);
  expect([read(0x40, 2) & 0x8000, read(0x42, 2) & 0x8000, read(0x20, 4), read(4, 2) & 1]).toEqual([
    0x8000, 0x8000, 0xc001, 1,
  ]);
});
