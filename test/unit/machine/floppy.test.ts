/** A guest that reads its floppy disk: DMA channel 2, IRQ 6. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../../../src/isa/assemble.ts';
import type { BootImage } from '../../../src/machine/boot.ts';
import type { Pc, PcOptions } from '../../../src/machine/pc.ts';
import { BenchMedium } from '../../support/floppy.ts';
import { realModeBoot, testPc } from '../../support/test-pc.ts';

const ENGINES = ['interpreter', 'jit', 'reference'] as const;
type Engine = (typeof ENGINES)[number];

const BUFFER = 0x2000;
const RESULT = 0x600;
const assembled = (source: string, origin: number) => assemble(`bits 16\norg ${origin}\n${source}\n`).bytes;

/** `before` and `after` stand around what reads cylinder 1, head 1, sector 5 to 2000h; its result goes to 600h. */
const readSector = (before: string, after: string) => `
  cli
  mov al, 0x11
  out 0x20, al
  mov al, 8
  out 0x21, al
  mov al, 4
  out 0x21, al
  mov al, 1
  out 0x21, al
  mov al, 0xbf
  out 0x21, al
  mov word [0x38], handler
  mov word [0x3a], 0
  ${before}
  mov dx, 0x3f2
  mov al, 8
  out dx, al
  mov al, 0x1c
  out dx, al
  call await
  mov si, sense
  mov cx, 4
again: push cx
  mov cx, 1
  call send
  mov cx, 2
  call receive
  pop cx
  loop again
  mov dx, 0x3f7
  mov al, 0
  out dx, al
  mov si, specify
  mov cx, 3
  call send
  mov si, recalibrate
  mov cx, 2
  call move
  mov si, seek
  mov cx, 3
  call move
  mov al, 6
  out 0x0a, al
  out 0x0c, al
  mov al, 0
  out 0x04, al
  mov al, 0x20
  out 0x04, al
  mov al, 0xff
  out 0x05, al
  mov al, 0x01
  out 0x05, al
  mov al, 0
  out 0x81, al
  mov al, 0x46
  out 0x0b, al
  mov al, 2
  out 0x0a, al
  mov si, read
  mov cx, 9
  call send
  call await
  mov cx, 7
  call receive
  ${after}
  cli
  hlt

move: call send
  call await
  mov si, sense
  mov cx, 1
  call send
  mov cx, 2
  call receive
  ret

send: push si
one: mov dx, 0x3f4
busy: in al, dx
  and al, 0xc0
  cmp al, 0x80
  jne busy
  inc dx
  lodsb
  out dx, al
  loop one
  pop si
  ret

receive: mov di, 0x600
next: mov dx, 0x3f4
empty: in al, dx
  and al, 0xc0
  cmp al, 0xc0
  jne empty
  inc dx
  in al, dx
  stosb
  loop next
  ret

await: cli
  cmp byte [flag], 0
  jne come
  sti
  hlt
  jmp await
come: mov byte [flag], 0
  ret

handler: push ax
  mov byte [flag], 1
  mov al, 0x20
  out 0x20, al
  pop ax
  iret

flag: db 0
sense: db 8
specify: db 3, 0xdf, 2
recalibrate: db 7, 0
seek: db 0x0f, 0, 1
read: db 0xe6, 4, 1, 1, 5, 2, 18, 0x1b, 0xff
`;

function createPc(engine: Engine, source: string, options: Partial<PcOptions> = {}, pieces: BootImage['pieces'] = []) {
  return testPc({ engine, boot: realModeBoot(source, pieces), ...options });
}

describe.each(ENGINES)('a floppy disk on the %s', (engine) => {
  it('a sector by DMA 2, with IRQ 6', () => {
    const medium = new BenchMedium();
    const pc = createPc(engine, readSector('', ''), { floppies: [{ medium }] });
    expect(pc.run({ instructions: 1_000_000 })).toMatchObject({ reason: 'halted' });
    expect([...pc.peekPhysical(RESULT, 7)]).toEqual([4, 0, 0, 1, 1, 6, 2]);
    const sector = 36 + 18 + 4;
    expect(pc.peekPhysical(BUFFER, 512)).toEqual(medium.bytes.slice(sector * 512, sector * 512 + 512));
    expect(pc.peekPhysical(BUFFER + 512, 1)).toEqual(Uint8Array.of(0));
  });

  it('what DMA writes over code is executed, however hot the code was', () => {
    const medium = new BenchMedium();
    const sector = 36 + 18 + 4;
    medium.bytes.set(assembled('mov ax, 2\nret', BUFFER), sector * 512);
    const run = 'mov bx, 0x2000\nmov cx, 3000\nagain_NAME: call bx\nadd bp, ax\nloop again_NAME';
    const source = readSector(run.replaceAll('NAME', 'a'), run.replaceAll('NAME', 'b'));
    const code = assembled('mov ax, 1\nret', BUFFER);
    const pc = createPc(engine, source, { floppies: [{ medium }] }, [{ address: BUFFER, bytes: code }]);
    expect(pc.run({ instructions: 1_000_000 }).reason).toBe('halted');
    expect(pc.processor.state.reg32(5)).toBe(3000 + 6000);
  });

  it('memory to memory over the next instruction', () => {
    const out = (...pairs: [number, number][]) =>
      pairs.map(([port, value]) => `mov al, ${value}\nout ${port}, al`).join('\n');
    const source = `
      mov si, 0
    again:
      ${out([0x0d, 0], [0x08, 1], [0x0b, 0x88], [0x0b, 0x85], [0x87, 0], [0x83, 0])}
      mov ax, code
      out 0x00, al
      mov al, ah
      out 0x00, al
      mov ax, patched + 1
      out 0x02, al
      mov al, ah
      out 0x02, al
      ${out([0x03, 0], [0x03, 0], [0x09, 4])}
    patched: mov bl, 1
      inc byte [code]
      add bp, bx
      inc si
      cmp si, 200
      jne again
      hlt
    code: db 5`;
    const pc = createPc(engine, source);
    expect(pc.run({ instructions: 100_000 }).reason).toBe('halted');
    const sum = Array.from({ length: 200 }, (_, index) => 5 + index).reduce((total, value) => total + value, 0);
    expect(pc.processor.state.reg32(5)).toBe(sum);
  });

  it('a slow host: the same states at the same instruction counts', async () => {
    const play = async (delayed: boolean) => {
      const medium = new BenchMedium();
      medium.delayed = delayed;
      const pc = createPc(engine, readSector('', ''), { floppies: [{ medium }] });
      let waits = 0;
      const hashes: string[] = [];
      for (const stop of [500, 2000, 1_000_000]) {
        for (let exit = pc.run({ instructions: stop - pc.instructions }); exit.reason === 'waiting'; waits++) {
          await medium.settle();
          exit = pc.run({ instructions: stop - pc.instructions });
        }
        hashes.push(pc.stateHash());
      }
      expect(waits > 0).toBe(delayed);
      return hashes;
    };
    expect(await play(true)).toEqual(await play(false));
  });
});

describe('floppy drives of a PC', () => {
  const cmos = (pc: Pc, register: number) => {
    pc.processor.ports.write(0x70, register, 1);
    return pc.processor.ports.read(0x71, 1);
  };

  it('CMOS tells their types and number, also after a reset', () => {
    const types = (floppies: PcOptions['floppies']) => {
      const pc = createPc('interpreter', 'hlt', { floppies });
      pc.processor.ports.write(0x70, 0x10, 1);
      pc.processor.ports.write(0x71, 0x00, 1);
      pc.reset();
      return [cmos(pc, 0x10), cmos(pc, 0x14) & 0xc1];
    };
    expect(types(undefined)).toEqual([0x00, 0x00]);
    expect(types([{}])).toEqual([0x40, 0x01]);
    expect(types([{ type: '1.2M' }, { medium: new BenchMedium(2880 * 1024) }])).toEqual([0x25, 0x41]);
  });

  it('without a drive the controller is there all the same', () => {
    const pc = createPc('interpreter', 'hlt');
    expect(pc.processor.ports.read(0x3f4, 1)).toBe(0);
    // In the midst of its ports is one of the IDE channel's, which has no drive either.
    expect(pc.processor.ports.read(0x3f6, 1)).toBe(0);
  });

  it('a reset keeps the disk, and its drive’s head', () => {
    const medium = new BenchMedium();
    const pc = createPc('interpreter', readSector('', ''), { floppies: [{ medium }] });
    pc.run({ instructions: 1_000_000 });
    pc.reset();
    expect(pc.floppy.state).toMatchObject({ dor: 0, phase: 'reset', drives: [{ cylinder: 1 }, {}] });
    expect(pc.run({ instructions: 1_000_000 }).reason).toBe('halted');
    expect([...pc.peekPhysical(RESULT, 2)]).toEqual([4, 0]);
  });

  it('a host that fails: the guest sees an error, the user one line', () => {
    const medium = new BenchMedium();
    medium.failure = new Error('a.img: input/output error');
    const lines: string[] = [];
    const onHostError = (line: string) => void lines.push(line);
    const pc = createPc('interpreter', readSector('', ''), { floppies: [{ medium }], onHostError });
    expect(pc.run({ instructions: 1_000_000 }).reason).toBe('halted');
    expect([...pc.peekPhysical(RESULT, 3)]).toEqual([0x44, 0x20, 0x20]);
    expect(lines).toEqual(['floppy A: a.img: input/output error']);
  });
});
