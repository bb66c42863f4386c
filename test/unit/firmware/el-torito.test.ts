/** Starting from a CD, and what is emulated then. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../../../src/isa/assemble.ts';
import { bootImage, createBiosMachine, FLOPPY_SIZE, TestMedium } from '../../support/bios-machine.ts';
import { type BootCd, bootCd } from '../../support/boot-cd.ts';

const SHOW = `show_packet:
  mov si, 0x7000
  mov word [si], 0x13
  int 0x13
  call show
  mov cx, 10
  .next: lodsw
  call show
  loop .next
  ret
`;
const WHERE = `call show
  mov ax, cs
  call show
  mov al, dl
  mov ah, 0
  call show
`;

function boot(cd: Uint8Array, options: Partial<Parameters<typeof createBiosMachine>[0]> = {}) {
  const medium = new TestMedium(cd, { readOnly: true });
  const machine = createBiosMachine({ cd: medium, order: ['cd', 'disk'], ...options });
  return { machine, reason: machine.run(), output: machine.output() };
}
const program = (source: string) => bootImage(`jmp main\n${SHOW}\nmain:\n${source}\ncli\nhlt`, 2048);

describe.each(['interpreter', 'jit', 'reference'] as const)('a CD without emulation on the %s', (engine) => {
  it('is loaded to 07C0h and started at 0000:7C00 with its drive in DL, which AX=4B01h knows', () => {
    const image = program(`${WHERE}mov dl, 0xe0\nmov ax, 0x4b01\ncall show_packet`);
    const { output, reason } = boot(bootCd({ media: 0, image, count: 4 }), { engine });
    expect(reason).toBe('halted');
    // Drive E0h, block 14h, segment 07C0h, 4 sectors.
    expect(output).toBe('aa55 0000 00e0 0001 0013 00e0 0014 0000 0000 0000 07c0 0004 0000 0000');
  });
});

describe('an emulation that a program begins', () => {
  /** A CD whose boot image, without emulation, runs the program; from its block 30 on, another image. */
  function withImage(source: string, image: Uint8Array) {
    const cd = bootCd({
      media: 0,
      image: bootImage(`jmp main\n${SPECIFY}\nmain:\n${source}\ncli\nhlt`, 2048),
      count: 4,
    });
    const larger = new Uint8Array(30 * 2048 + Math.max(image.length, 2048));
    larger.set(cd.subarray(0, larger.length));
    larger.set(image, 30 * 2048);
    const disk = new Uint8Array(2 ** 20);
    disk.set([0x77, 0x66]);
    const { output, machine } = boot(larger, { floppy: new Uint8Array(FLOPPY_SIZE), disks: [disk] });
    return { output, bda: (at: number) => machine.pc.memory.read(0x400 + at, 1) };
  }
  /** Fills the packet at 7000h: CH the medium, CL the drive. Then a call with it. */
  const SPECIFY = `block: dd 30
  specify:
    mov ebp, eax
    mov byte [0x7000], 0x13
    mov [0x7001], ch
    mov [0x7002], cl
    mov byte [0x7003], 0
    mov eax, [block]
    mov [0x7004], eax
    mov eax, ebp
    mov dword [0x7008], 0
    mov word [0x700c], 0
    mov word [0x700e], 2
    mov si, 0x7000
    int 0x13
    jmp show
  `;
  const READ = (drive: number) => `mov ax, 0x201
    mov cx, 1
    mov dx, ${drive}
    mov bx, 0x8000
    int 0x13
    mov ax, [bx]
    call show
    `;
  /** A hard disk of 20 cylinders, 4 heads, 8 sectors. */
  const hardDisk = (program = 'dw 0xbeef') => {
    const image = bootImage(program, 20 * 4 * 8 * 512);
    image.set([0x80, 0, 1, 0, 6, 3, 8, 19], 0x1be);
    return image;
  };

  it('AX=4A00h: a diskette is drive 00h, and is counted, until AX=4B00h ends it', () => {
    const { output, bda } = withImage(
      `mov ax, 0x4a00
      mov cx, 0x200
      call specify
      ${READ(0)}
      int 0x11
      and ax, 0xc1
      call show
      mov dl, 0
      mov ax, 0x4b00
      mov si, 0x7020
      int 0x13
      call show
      mov ax, [0x7021]
      call show
      ${READ(0)}`,
      bootImage('dw 0xbeef'),
    );
    expect(output).toBe('0000 beef 0041 0000 0002 0000');
    expect(bda(0x10) & 0xc1).toBe(1);
  });

  it('AX=4A00h: a hard disk is drive 80h, with the geometry of its first partition; the real one is 81h', () => {
    const { output, bda } = withImage(
      `mov ax, 0x4a00
      mov cx, 0x480
      call specify
      ${READ(0x80)}
      ${READ(0x81)}
      mov ah, 8
      mov dl, 0x80
      int 0x13
      mov ax, cx
      call show`,
      hardDisk(),
    );
    expect(output).toBe('0000 beef 6677 1208');
    expect(bda(0x75)).toBe(2);
  });

  it('AX=4C00h loads as many sectors as the packet says, and starts them with the drive in DL', () => {
    const program = `${WHERE}mov ax, [cs:0x7e00]\ncall show\nmov ax, [cs:0x8000]\ncall show\ncli\nhlt`;
    const image = hardDisk(program);
    image.set([0x34, 0x12], 512);
    image.set([0x78, 0x56], 1024);
    // Two sectors, to 07C0h: nobody has asked for another segment. The third is not read.
    const { output } = withImage('mov ax, 0x4c00\nmov cx, 0x480\ncall specify', image);
    expect(output).toBe('aa55 0000 0080 1234 0000');
  });

  it.each([
    ['a drive number that does not go with the medium', 'mov cx, 0x281', '0100'],
    ['a medium that is none', 'mov cx, 0x500', '0100'],
    ['an image beyond the end', 'mov cx, 0x200\nmov word [block], 0x7000', '0400'],
    ['another function', 'mov al, 1\nmov cx, 0x200', '0101'],
  ])('%s: carry and a status, and all stays as it was', (_, setUp, status) => {
    const { output, bda } = withImage(
      `mov ax, 0x4a00
      ${setUp}
      call specify
      ${READ(0)}`,
      bootImage('dw 0xbeef'),
    );
    expect(output).toBe(`${status} 0000`);
    expect(bda(0x10) & 0xc1).toBe(1);
  });
});

describe('booting from a CD', () => {
  it('another load segment: CS:IP there; all of the sectors asked for are loaded', () => {
    const code = assemble(`bits 16\norg 0x2340\nmov ax, cs
      out 0xe9, al
      mov al, ah
      out 0xe9, al
      mov al, [cs:last]
      out 0xe9, al
      cli
      hlt
      times 8 * 512 - 1 - ($ - $$) db 0
      last: db '!'`).bytes;
    const { output } = boot(bootCd({ media: 0, image: code, count: 8, loadSegment: 0x1234 }));
    expect(output).toBe('\x00\x10!');
  });

  it.each([
    [1, 15, 0x200],
    [2, 18, 0x400],
    [3, 36, 0x500],
  ])(
    'media type %i: a diskette of %i sectors is emulated as drive 00h; the real one is 01h',
    (media, sectors, type) => {
      const image = new Uint8Array(80 * 2 * sectors * 512);
      const inside = (80 * 2 * sectors - 1) * 512;
      image.set([0x5a, 0xa5], inside);
      image.set(
        program(`${WHERE}mov ax, 0x800
        int 0x13
        mov ah, bl
        mov al, 0
        call show
        mov ax, cx
        call show
        mov ax, dx
        call show
        mov ax, cs
        mov es, ax
        mov ax, 0x201
        mov cx, ${0x4f00 + sectors}
        mov dx, 0x100
        mov bx, 0x8000
        int 0x13
        mov ax, [bx]
        call show
        mov ax, 0x301
        mov dx, 0
        int 0x13
        call show
        mov ax, 0x201
        mov cx, 1
        mov dx, 1
        int 0x13
        mov ax, [bx]
        call show`),
      );
      const floppy = new Uint8Array(FLOPPY_SIZE);
      floppy.set([0x11, 0x22]);
      const { output } = boot(bootCd({ media, image }), { floppy });
      const hex = (value: number) => value.toString(16).padStart(4, '0');
      expect(output).toBe(`aa55 0000 0000 ${hex(type)} ${hex(0x4f00 + sectors)} 0102 a55a 0300 2211`);
    },
  );

  it('media type 4: a hard disk with the geometry of its first partition; the real ones move up', () => {
    const image = new Uint8Array(20 * 4 * 8 * 512);
    image.set(
      program(`${WHERE}mov ax, 0x800
        int 0x13
        mov ax, cx
        call show
        mov ax, dx
        call show
        mov ax, 0x201
        mov cx, 1
        mov dx, 0x81
        mov bx, 0x8000
        int 0x13
        mov ax, [bx]
        call show
        mov dl, 0x80
        mov ax, 0x4b01
        call show_packet
        mov dl, 0x80
        mov ax, 0x4b00
        call show_packet
        mov ax, 0x201
        mov cx, 1
        mov dx, 0x80
        int 0x13
        mov ax, [bx]
        call show`),
    );
    image.set([0x80, 0, 1, 0, 6, 3, 8, 19], 0x1be); // ends at cylinder 19, head 3, sector 8
    image.set([0x55, 0xaa], 510);
    const disk = new Uint8Array(2 ** 20);
    disk.set([0x77, 0x66]);
    const { output } = boot(bootCd({ media: 4, image }), { disks: [disk] });
    const packet = '0413 0080 0014 0000 0000 0000 07c0 0001 0813 0003';
    expect(output).toBe(`aa55 0000 0080 1208 0302 6677 0001 ${packet} 0000 ${packet} 6677`);
  });

  it('4Dh reads the catalogue; 4B01h of another drive fails, and of all of them after a boot without CD', () => {
    const image = program(`mov word [0x7000], 0x0108
      mov dword [0x7002], 0x8000
      mov word [0x7006], 0
      mov si, 0x7000
      mov ax, 0x4d00
      mov dl, 0xe0
      int 0x13
      call show
      mov ax, [0x8020]
      call show
      mov ax, 0x4b01
      mov dl, 0x80
      int 0x13
      call show`);
    expect(boot(bootCd({ media: 0, image })).output).toBe('0000 0088 0101');
    const disk = bootImage('mov ax, 0x4b01\nmov si, 0x7000\nint 0x13\ncall show\ncli\nhlt', 2 ** 20);
    expect(boot(new Uint8Array(0), { disks: [disk] }).output).toBe('0101');
  });

  const CD: BootCd = { media: 0, image: new Uint8Array(512) };
  it.each([
    ['no boot record', () => new Uint8Array(2 ** 20), 'it is not one to boot from'],
    ['too short', () => new Uint8Array(2 ** 14), 'what it names lies beyond its end'],
    ['a catalogue beyond the end', () => patched([17 * 2048 + 0x49, 0xff]), 'what it names lies beyond its end'],
    ['no key in the catalogue', () => patched([19 * 2048 + 31, 0]), 'its catalogue has nothing to boot'],
    ['nothing bootable', () => patched([19 * 2048 + 32, 0]), 'its catalogue has nothing to boot'],
    ['an unknown media type', () => patched([19 * 2048 + 33, 9]), 'its catalogue has nothing to boot'],
    ['too much to load', () => bootCd({ ...CD, count: 0x7000 }), 'what it boots is too large'],
    ['an image beyond the end', () => patched([19 * 2048 + 43, 0x80]), 'what it names lies beyond its end'],
  ])('%s: says so', (_, make, reason) => {
    const machine = createBiosMachine({ cd: new TestMedium(make()), order: ['cd'] });
    machine.pc.run({ instructions: 1_000_000, time: 1e9 });
    expect(machine.tried).toEqual([[`CD: ${reason}`]]);
  });

  function patched([at, value]: [number, number]): Uint8Array {
    const cd = bootCd(CD);
    cd[at] = value;
    return cd;
  }
});
