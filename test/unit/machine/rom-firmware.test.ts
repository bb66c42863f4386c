/** A BIOS as an image: where its ROM answers, and what fw_cfg tells it. The ROMs here are a few lines of assembly. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../../../src/isa/assemble.ts';
import type { RomBoot } from '../../../src/machine/boot.ts';
import type { PcOptions } from '../../../src/machine/pc.ts';
import { BytesMedium } from '../../support/media.ts';
import { testPc } from '../../support/test-pc.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const ENGINES = ['interpreter', 'jit', 'reference'] as const;

/** Starts at F000:FFF0 and goes on at the beginning of the last 64 KiB. Each other one begins with its number. */
function romImage(source: string, size = 64 * KIB): Uint8Array {
  const image = new Uint8Array(size);
  for (let at = 0; at < size; at += 64 * KIB) image[at] = at / (64 * KIB) + 1;
  const { bytes } = assemble(`bits 16\norg 0\n${source}\ncli\nhlt\n`);
  image.set(bytes, size - 64 * KIB);
  image.set([0xea, 0, 0, 0, 0xf0], size - 16); // jmp 0xf000:0
  return image;
}

function createPc(source: string, { size = 64 * KIB, rom = {}, ...options }: Options = {}) {
  const pc = testPc({ boot: { rom: { image: romImage(source, size), ...rom } }, ...options });
  let output = '';
  pc.debugConsole.onOutput = (bytes) => (output += new TextDecoder('latin1').decode(bytes));
  return { pc, output: () => output };
}
type Options = { size?: number; rom?: Partial<RomBoot['rom']> } & Partial<Omit<PcOptions, 'boot'>>;

function run(source: string, options?: Options): string {
  const { pc, output } = createPc(source, options);
  expect(pc.run({ instructions: 2_000_000 }).reason).toBe('halted');
  return output();
}

/** CX bytes of item BX go to the debug console. */
const SHOW_ITEM = `
  mov dx, 0x510
  mov ax, bx
  out dx, ax
  inc dx
  again: in al, dx
  out 0xe9, al
  loop again`;
const item = (number: number, length: number, options?: Options) =>
  run(`mov bx, ${number}\nmov cx, ${length}\n${SHOW_ITEM}`, options);

/** Files by name, as the ROM finds them in the directory. */
function filesOf(options?: Options): ReadonlyMap<string, string> {
  const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
  const count = new DataView(latin1(item(0x19, 4, options)).buffer).getUint32(0);
  const list = latin1(item(0x19, 4 + 64 * count, options));
  const view = new DataView(list.buffer);
  return new Map(
    Array.from({ length: count }, (_, index) => {
      const at = 4 + 64 * index;
      const name = new TextDecoder().decode(list.subarray(at + 8, at + 64)).replace(/\0+$/, '');
      return [name, item(view.getUint16(at + 4), view.getUint32(at), options)];
    }),
  );
}

describe('the ROM of a BIOS', () => {
  it.each(ENGINES)('%s: starts at FFFFFFF0h, and goes on below 1 MiB', (engine) => {
    expect(run("mov al, 'A'\nout 0xe9, al", { engine })).toBe('A');
  });

  it.each([
    [64, [1], [0xff, 0x00]],
    [128, [1, 2], [1, 2]],
    [192, [1, 2, 3], [2, 3]],
    [256, [1, 2, 3, 4], [3, 4]],
  ])('of %i KiB: all of it ends at 4 GiB, at most 128 KiB of it at 1 MiB', (kib, above, below) => {
    const { pc } = createPc('nop', { size: kib * KIB });
    const at = (address: number) => pc.peekPhysical(address, 1)[0];
    const first = 2 ** 32 - kib * KIB;
    const numbers = above.slice(0, -1);
    expect(numbers.map((_, index) => at(first + 64 * KIB * index))).toEqual(numbers);
    expect(at(first - 1)).toBe(0xff);
    expect(at(0xf_0000)).toBe(0x90);
    expect(at(0xffff_0000)).toBe(0x90);
    if (below[0] !== 0xff) expect(at(0xe_0000)).toBe(below[0]);
    else expect(pc.memory.read(0xe_0000, 1)).toBe(0xff);
  });

  it('answers reads until its RAM is switched on; a reset brings it back', () => {
    const source = `
      mov ax, 0xe000
      mov ds, ax
      mov byte [0], 0x55      ; lost
      mov al, [0]
      add al, '0'
      out 0xe9, al
      mov eax, 0x8000005c     ; host bridge, PAM3 to PAM6: all read and written in RAM
      mov dx, 0xcf8
      out dx, eax
      mov dx, 0xcfc
      mov eax, 0x33333333
      out dx, eax
      mov al, [0]
      add al, '0'
      out 0xe9, al
      mov byte [0], 7
      mov al, [0]
      add al, '0'
      out 0xe9, al`;
    const { pc, output } = createPc(source, { size: 128 * KIB });
    pc.run({ instructions: 1000 });
    pc.reset();
    pc.run({ instructions: 1000 });
    expect(output()).toBe('107' + '177');
  });

  it('of another size, or without code where a PC starts, is refused', () => {
    const create = (image: Uint8Array) => () => createPc('', { rom: { image } });
    for (const size of [0, 1, 32 * KIB, 65 * KIB, 320 * KIB])
      expect(create(new Uint8Array(size).fill(0x90))).toThrow(/has \d+ bytes: the image of a BIOS has/);
    for (const blank of [0x00, 0xff])
      expect(create(new Uint8Array(64 * KIB).fill(blank))).toThrow(/there is no code in its last 16 bytes/);
  });

  it('a video BIOS that is no expansion ROM is refused', () => {
    const create = (head: readonly number[], size = 1024) => {
      const videoBios = new Uint8Array(size);
      videoBios.set(head);
      return () => createPc('', { rom: { videoBios } });
    };
    expect(create([0x55, 0xaa, 2])).not.toThrow();
    for (const bad of [
      create([0x55, 0xab, 2]),
      create([0x55, 0xaa, 3]),
      create([0x55, 0xaa, 2], 65 * KIB),
      create([], 0),
    ])
      expect(bad).toThrow(/boot\.videoBios is not the ROM of an adapter/);
  });
});

describe('what fw_cfg tells', () => {
  it('one processor, graphics, no boot menu', () => {
    expect([5, 0xf, 4, 0xe].map((number) => item(number, 3))).toEqual(['\x01\0\0', '\x01\0\0', '\0\0\0', '\0\0\0']);
  });

  it.each(ENGINES)('%s: by DMA, too', (engine) => {
    const source = `
      xor ax, ax
      mov ds, ax
      mov word [0x1000], 0
      mov word [0x1002], 0x0a00   ; select 0 and read
      mov dword [0x1004], 0x04000000
      mov dword [0x1008], 0
      mov dword [0x100c], 0x00200000 ; to 2000h
      mov dx, 0x518
      mov eax, 0x00100000
      out dx, eax
      poll: mov eax, [0x1000]
      test eax, 0xfeffffff
      jnz poll
      mov si, 0x2000
      mov cx, 4
      again: lodsb
      out 0xe9, al
      loop again`;
    expect(run(source, { engine })).toBe('QEMU');
  });

  it('RAM, as one range', () => {
    const bytes = Buffer.from(filesOf().get('etc/e820')!, 'latin1');
    expect(bytes.length).toBe(20);
    expect([bytes.readBigUInt64LE(0), bytes.readBigUInt64LE(8), bytes.readUInt32LE(16)]).toEqual([
      0n,
      BigInt(4 * MIB),
      1,
    ]);
  });

  it('drives in the order of their kinds, each by its path', () => {
    const drives = {
      disks: [new BytesMedium(MIB), new BytesMedium(MIB), new BytesMedium(MIB)],
      cdrom: 'empty' as const,
      floppies: [{}, {}] as const,
    };
    const ide = '/pci@i0cf8/ide@1,1';
    const floppies = [0, 1].map((unit) => `/pci@i0cf8/isa@1/fdc@03f0/floppy@${unit}`);
    const disks = ['drive@0/disk@0', 'drive@0/disk@1', 'drive@1/disk@1'].map((path) => `${ide}/${path}`);
    const cd = `${ide}/drive@1/disk@0`;
    const order = (rom?: Partial<RomBoot['rom']>) =>
      filesOf({ ...drives, rom })
        .get('bootorder')!
        .split('\n');
    expect(order()).toEqual([...floppies, ...disks, `${cd}\0`]);
    expect(order({ order: ['cd', 'disk'] })).toEqual([cd, ...disks.slice(0, 2), `${disks[2]}\0`]);
    expect(filesOf().get('bootorder')).toBe('\0');
  });

  it('a video BIOS and a serial console where they are given', () => {
    expect([...filesOf().keys()]).toEqual([
      'bootorder',
      'etc/boot-fail-wait',
      'etc/e820',
      'etc/acpi/rsdp',
      'etc/acpi/tables',
      'etc/table-loader',
      'etc/smbios/smbios-anchor',
      'etc/smbios/smbios-tables',
    ]);
    const videoBios = new Uint8Array(512);
    videoBios.set([0x55, 0xaa, 1, 0xcb]);
    const files = filesOf({ rom: { videoBios, serialConsole: true } });
    expect(files.get('vgaroms/vgabios.bin')!.slice(0, 4)).toBe('\x55\xaa\x01\xcb');
    expect(files.get('etc/sercon-port')).toBe('\xf8\x03');
  });

  it('CMOS: disks of more than 1024 cylinders are translated by LBA', () => {
    const sized = (size: number) => ({ size, readOnly: true, read: () => new Uint8Array(), write() {}, flush() {} });
    const edge = 1024 * 16 * 63 * 512;
    const disks = [sized(edge), sized(edge + 16 * 63 * 512), sized(2 ** 40)];
    const { pc } = createPc('', { disks, cdrom: 'empty' });
    pc.processor.ports.write(0x70, 0x39, 1);
    expect(pc.processor.ports.read(0x71, 1)).toBe(0b01_00_01_00);
  });

  it('CMOS: memory and diskette drives', () => {
    const { pc } = createPc('', { memoryBytes: 64 * MIB, floppies: [{}] });
    const cmos = (register: number) => {
      pc.processor.ports.write(0x70, register, 1);
      return pc.processor.ports.read(0x71, 1);
    };
    expect([0x10, 0x34, 0x35].map(cmos)).toEqual([0x40, 0x00, 0x03]);
  });
});
