/** PCI as a guest's program meets it: enumeration, sizing, RAM and ROM that trade places under running code, power. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../../../src/isa/assemble.ts';
import type { Pc } from '../../../src/machine/pc.ts';
import { createTestFunction } from '../../support/pci.ts';
import { realModeBoot, testPc } from '../../support/test-pc.ts';

const ENGINES = ['interpreter', 'jit', 'reference'] as const;
type Engine = (typeof ENGINES)[number];
/** Where programs leave doublewords. */
const RESULTS = 0x6000;
const ROM = 0xc_8000;

/** EAX: address as in CONFADD. Both destroy DX. */
const CONFIG = `
  read_config:
    mov dx, 0xcf8
    out dx, eax
    mov dx, 0xcfc
    in eax, dx
    ret
  write_config:
    mov dx, 0xcf8
    out dx, eax
    mov dx, 0xcfc
    mov eax, ebx
    out dx, eax
    ret`;
const write = (address: number, value: number) => `mov eax, ${address}\nmov ebx, ${value}\ncall write_config\n`;
const read = (address: number) => `mov eax, ${address}\ncall read_config\n`;
/** Appends EAX to the results, for which DI is kept. */
const KEEP = 'mov [di], eax\nadd di, 4\n';
/** Attributes of C8000h–CFFFFh, a byte for both halves, written as fast as can be: DX is CONFDATA. */
const PAM2 = 0x8000_005b;
const attributes = (value: number) => `mov al, ${value}\nout dx, al\n`;
const selectPam = `mov dx, 0xcf8\nmov eax, ${PAM2 & ~3}\nout dx, eax\nmov dx, ${0xcfc + (PAM2 & 3)}\n`;

function createPc(source: string, engine: Engine) {
  const pc = testPc({ engine, boot: realModeBoot(`mov di, ${RESULTS}\n${source}\ncli\nhlt\n${CONFIG}`) });
  const results = (count: number) =>
    Array.from({ length: count }, (_, index) => pc.memory.read(RESULTS + 4 * index, 4));
  return { pc, results };
}

/** A ROM at C8000h, with the machine as after power-on. */
function createPcWithRom(source: string, rom: string, engine: Engine) {
  const bench = createPc(source, engine);
  const image = new Uint8Array(0x8000).fill(0xff);
  image.set(assemble(`bits 16\norg 0\n${rom}\n`).bytes);
  bench.pc.memory.addRom(ROM, image);
  bench.pc.reset();
  return bench;
}

const runToEnd = (pc: Pc, instructions = 1_000_000) => expect(pc.run({ instructions }).reason).toBe('halted');

describe.each(ENGINES)('PCI on the %s', (engine) => {
  it('a program finds the functions there are, and nothing elsewhere', () => {
    const { pc, results } = createPc(
      `mov esi, 0x80000000
      next: mov eax, esi
      call read_config
      cmp eax, -1
      je absent
      mov [di], esi
      mov [di + 4], eax
      add di, 8
      absent: add esi, 0x100
      cmp esi, 0x80020000
      jb next`,
      engine,
    );
    pc.pci.attach({ device: 5, function: 0 }, createTestFunction());
    runToEnd(pc);
    expect(results(10)).toEqual([
      ...[0x8000_0000, 0x1237_8086, 0x8000_0800, 0x7000_8086, 0x8000_0900, 0x7010_8086],
      ...[0x8000_0b00, 0x7113_8086, 0x8000_2800, 0x5678_1234],
    ]);
  });

  it('sizes a base address, moves it, enables it, and reaches what is behind it', () => {
    const BAR = 0x8000_2810;
    const { pc, results } = createPc(
      `${write(BAR, 0xffff_ffff)}${read(BAR)}${KEEP}
      ${write(0x8000_0058, 0x0033_3010)}${write(BAR, ROM)}${write(0x8000_2804, 2)}
      mov ax, ${ROM >> 4}
      mov es, ax
      mov dword [es:0x10], 0x12345678
      mov eax, [es:0x10]
      ${KEEP}
      ${write(BAR, ROM + 0x4000)}
      mov eax, [es:0x10]
      ${KEEP}
      mov eax, [es:0x4010]
      ${KEEP}
      ${write(0x8000_2804, 0)}
      mov eax, [es:0x4010]
      ${KEEP}
      ${write(BAR, 0x2_0000)}${write(0x8000_2804, 2)}
      mov ax, 0x2000
      mov es, ax
      mov dword [es:0x10], 0x55
      mov eax, [es:0x10]
      ${KEEP}`,
      engine,
    );
    const tested = createTestFunction();
    pc.pci.attach({ device: 5, function: 0 }, tested);
    runToEnd(pc);
    expect(results(6)).toEqual([0xffff_f000, 0x1234_5678, 0xffff_ffff, 0x1234_5678, 0xffff_ffff, 0x55]);
    // RAM comes before a base address below its top.
    expect(new DataView(tested.state.memory.buffer).getUint32(0x10, true)).toBe(0x1234_5678);
  });

  it('loads and stores see at once where they go, however often they were made', () => {
    const { pc, results } = createPcWithRom(
      `mov ax, ${ROM >> 4}
      mov es, ax
      mov cx, 300
      again:
      ${selectPam}
      ${attributes(0x33)}
      mov word [es:0x20], 0
      inc word [es:0x20]
      ${attributes(0x11)}
      inc word [es:0x20]
      mov si, [es:0x20]
      add [${RESULTS}], si
      ${attributes(0x22)}
      mov si, [es:0x20]
      add [${RESULTS + 4}], si
      mov byte [es:0x20], 7
      ${attributes(0x00)}
      mov byte [es:0x20], 9
      mov si, [es:0x20]
      add [${RESULTS + 8}], si
      ${attributes(0x11)}
      mov si, [es:0x20]
      add [${RESULTS + 12}], si
      dec cx
      jnz again`,
      `times 0x20 nop\ndw 2`,
      engine,
    );
    runToEnd(pc);
    expect(results(4)).toEqual([300, 600, 600, 300 * 7]);
  });

  const ROUTINE = (step: number) => `xor ax, ax\nmov cx, 50\nagain: add ax, ${step}\nloop again\nretf`;
  /** Offset of the step in the routine. */
  const STEP_AT = assemble(`bits 16\norg 0\n${ROUTINE(0x55)}\n`).bytes.indexOf(0x55);

  it('code that runs from ROM and from the RAM in its place is what is there', () => {
    const call = (result: number) => `push dx\ncall ${ROM >> 4}:0\npop dx\nadd [${RESULTS + 4 * result}], eax\n`;
    const { pc, results } = createPcWithRom(
      `mov ax, ${ROM >> 4}
      mov es, ax
      mov ds, ax
      mov bp, 40
      again:
      ${selectPam}
      ${attributes(0x00)}
      xor eax, eax
      mov ds, ax
      ${call(0)}
      ${attributes(0x22)}
      xor si, si
      mov ds, si
      push di
      mov si, es
      mov ds, si
      xor si, si
      xor di, di
      mov cx, 0x40
      cld
      rep movsb
      pop di
      mov byte [${STEP_AT}], 3
      xor eax, eax
      mov ds, ax
      ${call(1)}
      ${attributes(0x11)}
      mov byte [es:${STEP_AT}], 9
      ${call(2)}
      ${attributes(0x33)}
      mov byte [es:${STEP_AT}], 5
      ${call(3)}
      mov byte [es:${STEP_AT}], 6
      ${call(4)}
      dec bp
      jnz again`,
      ROUTINE(1),
      engine,
    );
    runToEnd(pc);
    expect(results(5)).toEqual([1, 1, 3, 5, 6].map((step) => step * 50 * 40));
  });

  it('code that switches its own segment goes on in what has taken its place', () => {
    const body = (step: number) => `next: out dx, al\nadd si, ${step}\nxor al, 0x11\nloop next\nretf`;
    const inRam = assemble(`bits 16\norg 0\n${body(100)}\n`).bytes;
    const copy = [...inRam].map((byte, index) => `mov byte [es:${index}], ${byte}`).join('\n');
    const { pc, results } = createPcWithRom(
      `mov ax, ${ROM >> 4}
      mov es, ax
      ${selectPam}
      ${attributes(0x22)}
      ${copy}
      mov cx, 1000
      xor si, si
      mov al, 0x11
      call ${ROM >> 4}:0
      movzx eax, si
      ${KEEP}`,
      body(1),
      engine,
    );
    runToEnd(pc);
    // Every other round adds in RAM.
    expect(results(1)).toEqual([500 * 100 + 500]);
  });

  it('SMRAM: the RAM behind the video adapter, while it is open', () => {
    const { pc, results } = createPc(
      `mov ax, 0xb800
      mov es, ax
      mov word [es:0], 0x0741
      ${write(0x8000_0070, 0x004a_1020)}
      mov eax, [es:0]
      ${KEEP}
      mov dword [es:0], 0x12345678
      ${write(0x8000_0070, 0x000a_1020)}
      movzx eax, word [es:0]
      ${KEEP}
      ${write(0x8000_0070, 0x004a_1020)}
      mov eax, [es:0]
      ${KEEP}
      ${write(0x8000_0070, 0x000a_1020)}`,
      engine,
    );
    runToEnd(pc);
    expect(results(3)).toEqual([0, 0x0741, 0x1234_5678]);
    expect(pc.screen()[0][0]).toBe('A');
  });

  const PM = `${write(0x8000_0b40, 0xb000)}${write(0x8000_0b80, 1)}`;

  it('SUS_EN ends the run', () => {
    const { pc } = createPc(
      `${PM}mov dx, 0xb004\nmov ax, 0x0001\nout dx, ax\nmov ax, 0x2001\nout dx, ax\njmp $`,
      engine,
    );
    expect(pc.run({ instructions: 1000 })).toMatchObject({ reason: 'power-off' });
    pc.reset();
    expect(pc.run({ instructions: 1000 }).reason).toBe('power-off');
  });

  it('the reset control register (CF9h): 02h, then 06h', () => {
    const { pc } = createPc('mov dx, 0xcf9\nmov al, 2\nout dx, al\nmov al, 6\nout dx, al\njmp $', engine);
    expect(pc.run({ instructions: 1000 })).toEqual({ reason: 'reset', executed: 6 });
    pc.reset();
    expect(pc.processor.ports.read(0xcf9, 1)).toBe(0);
  });

  it('the power button wakes a guest that waits, by IRQ 9, and it powers off', () => {
    const { pc } = createPc(
      `mov word [0x71 * 4], handler
      mov word [0x71 * 4 + 2], 0
      ${[0x20, 0xa0].map((port, index) => `mov al, 0x11\nout ${port}, al\nmov al, ${[8, 0x70][index]}\nout ${port + 1}, al\nmov al, ${[4, 2][index]}\nout ${port + 1}, al\nmov al, 1\nout ${port + 1}, al\n`).join('')}
      mov al, 0xfb\nout 0x21, al\nmov al, 0xfd\nout 0xa1, al
      mov dx, 0x4d1\nmov al, 2\nout dx, al
      ${PM}mov al, 0xf1\nout 0xb2, al
      mov dx, 0xb002\nmov ax, 0x0100\nout dx, ax
      sti
      wait: hlt
      jmp wait
      handler:
      mov dx, 0xb000\nin ax, dx\nmov [${RESULTS}], ax\nout dx, ax
      mov dx, 0xb004\nmov ax, 0x2001\nout dx, ax
      jmp $`,
      engine,
    );
    expect(pc.run({ instructions: 1000 }).reason).toBe('idle');
    pc.pressPowerButton();
    expect(pc.run({ instructions: 1000 }).reason).toBe('power-off');
    expect(pc.memory.read(RESULTS, 2)).toBe(0x0100);
  });
});

it('all engines leave the same state, and count the same, while RAM and ROM trade places', () => {
  const hashes = ENGINES.map((engine) => {
    const { pc } = createPcWithRom(
      `mov bp, 30
      again: ${selectPam}${attributes(0x22)}
      push dx\ncall ${ROM >> 4}:0\npop dx
      ${attributes(0x00)}push dx\ncall ${ROM >> 4}:0\npop dx
      mov ax, ${ROM >> 4}\nmov es, ax\nmov [es:bp], bp
      dec bp\njnz again`,
      'mov cx, 20\nnext: inc si\nloop next\nretf',
      engine,
    );
    runToEnd(pc);
    return [pc.stateHash(), pc.instructions];
  });
  expect(hashes[1]).toEqual(hashes[0]);
  expect(hashes[2]).toEqual(hashes[0]);
});
