/** Disks and a CD as a guest's program meets them: polled, by interrupt, by DMA; into code; over a slow host. */
import { describe, expect, it } from 'vitest';
import type { Medium } from '../../../src/bus/medium.ts';
import type { Pc, PcOptions } from '../../../src/machine/pc.ts';
import { BytesMedium, DelayedMedium } from '../../support/media.ts';
import { realModeBoot, testPc } from '../../support/test-pc.ts';

const ENGINES = ['interpreter', 'jit', 'reference'] as const;
type Engine = (typeof ENGINES)[number];
const BUFFER = 0x6000;
const TABLE = 0x5000;
const LIMIT = 3_000_000;

/** Registers of the primary channel: count in CL, sector number in AL (below 256), command in AH. Destroys AX, DX. */
const ROUTINES = `
  wait_ready:
    mov dx, 0x1f7
    again: in al, dx
    test al, 0x80
    jnz again
    ret
  issue:
    push ax
    call wait_ready
    mov dx, 0x1f6
    mov al, 0xe0
    out dx, al
    mov dx, 0x1f2
    mov al, cl
    out dx, al
    pop ax
    inc dx
    out dx, al
    inc dx
    xor al, al
    out dx, al
    inc dx
    out dx, al
    mov dx, 0x1f7
    mov al, ah
    out dx, al
    ret
  ; ECX: table; AL: sector; AH: command; BL: direction
  dma:
    push ax
    mov dx, 0xc004
    mov eax, ${TABLE}
    out dx, eax
    mov dx, 0xc000
    mov al, bl
    out dx, al
    mov dx, 0xc002
    mov al, 6
    out dx, al
    pop ax
    call issue
    mov dx, 0xc000
    mov al, bl
    or al, 1
    out dx, al
    mov dx, 0xc002
    until: in al, dx
    test al, 4
    jz until
    mov dx, 0x1f7
    in al, dx
    mov dx, 0xc000
    xor al, al
    out dx, al
    ret`;

function createPc(source: string, engine: Engine, media: Pick<PcOptions, 'disks' | 'cdrom' | 'onHostError'>) {
  return testPc({ engine, boot: realModeBoot(`cld\n${source}\ncli\nhlt\n${ROUTINES}`), ...media });
}

function runToEnd(pc: Pc): void {
  expect(pc.run({ instructions: LIMIT })).toMatchObject({ reason: 'halted' });
}

const disk = () => new BytesMedium(1000 * 512);
const sector = (lba: number) => disk().bytes.slice(lba * 512, (lba + 1) * 512);
/** A region of one sector. */
const table = (address: number) => `mov dword [${TABLE}], ${address}\nmov dword [${TABLE + 4}], 0x80000200\n`;

const READ_POLLED = `
  mov cl, 1
  mov ax, 0x2007
  call issue
  call wait_ready
  mov di, ${BUFFER}
  mov cx, 256
  mov dx, 0x1f0
  rep insw`;

/** Interrupt 76h counts in [5100h] and acknowledges; IRQ 14 alone is let through. */
const READ_BY_INTERRUPTS = `
  mov word [0x76*4], handler
  mov word [0x76*4+2], 0
  mov word [0x5100], 0
  mov al, 0x11
  out 0x20, al
  out 0xa0, al
  mov al, 8
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
  mov al, 0xbf
  out 0xa1, al
  mov di, ${BUFFER}
  mov cl, 3
  mov ax, 0x2005
  call issue
  more: sti
  hlt
  cli
  cmp word [0x5100], 3
  jb more
  jmp done
  handler:
  mov dx, 0x1f7
  in al, dx
  mov cx, 256
  mov dx, 0x1f0
  rep insw
  inc word [0x5100]
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
  iret
  done: nop`;

const READ_BY_DMA = `
  ${table(BUFFER)}
  mov cl, 1
  mov bl, 8
  mov ax, 0xc809
  call dma`;

const WRITE_BY_DMA = `
  ${table(BUFFER)}
  mov di, ${BUFFER}
  mov cx, 256
  mov ax, 0x55aa
  rep stosw
  mov cl, 1
  mov bl, 0
  mov ax, 0xca0b
  call dma`;

/** A routine is called often enough to be translated; then the disk brings another one to its place. */
const READ_INTO_CODE = `
  mov word [${BUFFER}], 0xc340
  mov word [0x5200], 0
  xor ax, ax
  mov cx, 20000
  hot: call ${BUFFER}
  loop hot
  mov [0x5200], ax
  ${table(BUFFER)}
  mov cl, 1
  mov bl, 8
  mov ax, 0xc820
  call dma
  xor ax, ax
  mov cx, 20000
  hotter: call ${BUFFER}
  loop hotter
  mov [0x5202], ax`;

describe.each(ENGINES)('IDE on the %s', (engine) => {
  const memoryOf = (pc: Pc, length = 512) => pc.memory.copyOut(BUFFER, length);

  it('reads a sector by PIO, polled, with REP INSW', () => {
    const pc = createPc(READ_POLLED, engine, { disks: [disk()] });
    runToEnd(pc);
    expect(memoryOf(pc)).toEqual(sector(7));
  });

  it('reads sectors by PIO, with an interrupt each', () => {
    const pc = createPc(READ_BY_INTERRUPTS, engine, { disks: [disk()] });
    runToEnd(pc);
    expect(memoryOf(pc, 1536)).toEqual(disk().bytes.slice(5 * 512, 8 * 512));
  });

  it('reads and writes by DMA', () => {
    const medium = disk();
    const pc = createPc(READ_BY_DMA, engine, { disks: [medium] });
    runToEnd(pc);
    expect(memoryOf(pc)).toEqual(sector(9));
    const writer = createPc(WRITE_BY_DMA, engine, { disks: [medium] });
    runToEnd(writer);
    expect([...medium.bytes.subarray(11 * 512, 11 * 512 + 4)]).toEqual([0xaa, 0x55, 0xaa, 0x55]);
    expect(medium.bytes.slice(12 * 512, 13 * 512)).toEqual(sector(12));
  });

  it('code that DMA has replaced is the new code', () => {
    const medium = disk();
    medium.bytes.set([0x40, 0x40, 0xc3], 0x20 * 512); // inc ax, inc ax, ret
    const pc = createPc(READ_INTO_CODE, engine, { disks: [medium] });
    runToEnd(pc);
    expect([pc.memory.read(0x5200, 2), pc.memory.read(0x5202, 2)]).toEqual([20_000, 40_000]);
  });

  it('what DMA has written is dirty', () => {
    const pc = createPc(READ_BY_DMA, engine, { disks: [disk()] });
    pc.memory.clearDirty(BUFFER >> 12, 1);
    runToEnd(pc);
    expect(pc.memory.isDirty(BUFFER >> 12)).toBe(true);
  });

  it('a slow host is not seen: the same state at the same counts', async () => {
    const run = async (wrap: (medium: Medium) => Medium) => {
      const pc = createPc(`${READ_POLLED}\n${READ_BY_DMA}\n${WRITE_BY_DMA}`, engine, { disks: [wrap(disk())] });
      const hashes: string[] = [];
      for (const count of [500, 1500, 20_000, 25_000, LIMIT]) {
        while (pc.instructions < count) {
          const exit = pc.run({ instructions: count - pc.instructions });
          if (exit.reason === 'waiting') {
            await slow.answer();
            continue;
          }
          if (exit.reason === 'halted') break;
        }
        hashes.push(`${pc.instructions} ${pc.stateHash()}`);
      }
      return hashes;
    };
    let slow = new DelayedMedium(disk());
    const prompt = await run((medium) => medium);
    const late = await run((medium) => {
      slow = new DelayedMedium(medium);
      return slow;
    });
    expect(late).toEqual(prompt);
    expect(slow.mostOutstanding).toBe(1);
  });
});

describe('the places on the cables', () => {
  /** Sector count, LBA mid and status of all four, when resets are over. */
  const LOOK = [0x1f0, 0x170]
    .flatMap((base) => [0xa0, 0xb0].map((device) => ({ base, device })))
    .map(({ base, device }) =>
      [
        `mov dx, ${base + 6}\nmov al, ${device}\nout dx, al\n`,
        ...[2, 4, 7].map((offset) => `mov dx, ${base + offset}\nin al, dx\nstosb\n`),
      ].join(''),
    )
    .join('');
  const DISK = [1, 0, 0x50];
  const CD = [1, 0x14, 0];

  it.each([
    [1, undefined, [DISK, [1, 0, 0], [0, 0, 0], [0, 0, 0]]],
    [4, undefined, [DISK, DISK, DISK, DISK]],
    [3, 'empty', [DISK, DISK, CD, DISK]],
    [0, 'empty', [[0, 0, 0], [0, 0, 0], CD, [1, 0x14, 0]]],
  ] as const)('%i disks, CD-ROM drive %s', (count, cdrom, expected) => {
    const disks = Array.from({ length: count }, disk);
    const source = `mov cx, 60000\nspin: loop spin\nmov di, ${BUFFER}\n${LOOK}`;
    const pc = createPc(source, 'interpreter', { disks, cdrom });
    runToEnd(pc);
    expect([...pc.memory.copyOut(BUFFER, 12)]).toEqual(expected.flat());
    expect(pc.cdrom === undefined).toBe(cdrom === undefined);
  });

  it('more disks than places are refused', () => {
    const disks = Array.from({ length: 5 }, disk);
    expect(() => createPc('', 'interpreter', { disks })).toThrow('5 disks: there is room for 4');
    expect(() => createPc('', 'interpreter', { disks: disks.slice(1), cdrom: 'empty' })).toThrow(
      '4 disks: there is room for 3 beside the CD-ROM drive',
    );
  });

  it('a host error is told once, with the name of the drive', () => {
    const medium = disk();
    medium.bad.add(7 * 512);
    const lines: string[] = [];
    const onHostError = (line: string) => void lines.push(line);
    const pc = createPc(`${READ_POLLED}\n${READ_POLLED}`, 'interpreter', {
      disks: [medium],
      onHostError,
    });
    runToEnd(pc);
    expect(lines).toEqual(['disk-0: I/O error at 3584']);
  });
});
