/** The reset button of a whole PC: what comes back, what is rewritten, what outlives it. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/difftest/random.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import type { BootImage } from '../../../src/machine/boot.ts';
import type { Pc } from '../../../src/machine/pc.ts';
import { realModeBoot, testPc } from '../../support/test-pc.ts';

const PAGE = 4096;
const ENGINES = ['interpreter', 'jit', 'reference'] as const;

const bytesOf = (source: string): Uint8Array => assemble(`bits 16\norg 0x7c00\n${source}\n`).bytes;
const createPc = (boot: BootImage, engine: (typeof ENGINES)[number] = 'interpreter') => testPc({ boot, engine });

const out = (pc: Pc, port: number, ...values: number[]) => {
  for (const value of values) pc.processor.ports.write(port, value, 1);
};

/** What a guest and its user can do to a PC's chips; nothing here touches the CMOS, the baud rate or memory. */
const DEEDS: Record<string, (pc: Pc) => void> = {
  keys(pc) {
    pc.keyboard.press('KeyB');
    pc.keyboard.release('KeyB');
    pc.keyboard.press('ShiftLeft');
  },
  'a disabled keyboard with answers'(pc) {
    out(pc, 0x60, 0xf2);
    out(pc, 0x64, 0xad, 0x20, 0xd0, 0x60);
  },
  'A20 closed'(pc) {
    out(pc, 0x92, 0);
    out(pc, 0x64, 0xd1);
    out(pc, 0x60, 0xdd);
  },
  'interrupts high, pending and in service'(pc) {
    out(pc, 0x20, 0x11);
    out(pc, 0x21, 8, 4, 1, 0);
    out(pc, 0xa0, 0x11);
    out(pc, 0xa1, 0x70, 2, 1, 0);
    out(pc, 0x43, 0x34);
    out(pc, 0x40, 0, 0);
    pc.keyboard.press('KeyA');
  },
  'timers and speaker'(pc) {
    out(pc, 0x43, 0x34, 0xb6);
    out(pc, 0x40, 0x10, 0);
    out(pc, 0x61, 3);
    out(pc, 0x42, 0x10, 0);
  },
  'an enabled clock interrupt'(pc) {
    pc.processor.ports.write(0x70, 0x8b, 1);
    out(pc, 0x71, 0x42);
  },
  'a serial port in use'(pc) {
    out(pc, 0x3fb, 3);
    out(pc, 0x3fa, 0x81);
    out(pc, 0x3fc, 0x0b);
    out(pc, 0x3f9, 0x0f);
    pc.serial.send(Uint8Array.of(0x41)); // comes in at once
    out(pc, 0x3f8, 0x42);
  },
  'loopback and break'(pc) {
    out(pc, 0x3fb, 0x43);
    out(pc, 0x3fc, 0x1f);
    out(pc, 0x3f8, 0x77);
  },
  'PCI set up otherwise, the power button pressed'(pc) {
    const { ports } = pc.processor;
    for (const [address, value] of [
      [0x8000_0058, 0x0031_2010],
      [0x8000_0070, 0x000a_1020],
      [0x8000_0860, 0x0b0b_0a09],
      [0x8000_0b40, 0x0000_b000],
      [0x8000_0b80, 0x0000_0001],
    ] as const) {
      ports.write(0xcf8, address, 4);
      ports.write(0xcfc, value, 4);
    }
    ports.write(0xb002, 0x0101, 2);
    out(pc, 0xb2, 0xf1);
    out(pc, 0xcf9, 2);
    pc.pressPowerButton();
  },
  'an x87 error'(pc) {
    pc.processor.x87Error!(1);
  },
  'a floppy command under way, and DMA for it'(pc) {
    out(pc, 0x0b, 0x46);
    out(pc, 0x81, 0x12);
    out(pc, 0x05, 0x12);
    out(pc, 0x0a, 2);
    out(pc, 0xc4, 0x12);
    out(pc, 0x3f2, 0x1c);
    pc.clock.fireDue();
    out(pc, 0x3f7, 1);
  },
  'a screen and a progress code'(pc) {
    pc.memory.write(0xb8000, 0x4121, 2);
    out(pc, 0x3d4, 0x0a);
    out(pc, 0x3d5, 0x20);
    out(pc, 0x80, 0x55);
  },
};

describe.each(ENGINES)('C1: a reset on the %s', (engine) => {
  const LOOP = 'again: inc ax\njmp again';

  it.each(Object.entries(DEEDS))('at the moment of power-on, after %s: the state after power-on', (_, deed) => {
    const pc = createPc(realModeBoot(LOOP), engine);
    const fresh = pc.stateHash();
    deed(pc);
    expect(pc.stateHash()).not.toBe(fresh);
    pc.reset();
    expect(pc.stateHash()).toBe(fresh);
  });

  it('after any of them, at any time: as a reset without them', () => {
    const random = new Random(0xc1);
    const names = Object.keys(DEEDS);
    const run = (deeds: readonly string[], instructions: number) => {
      const pc = createPc(realModeBoot(LOOP), engine);
      pc.run({ instructions });
      for (const deed of deeds) DEEDS[deed](pc);
      pc.reset();
      const hash = pc.stateHash();
      // And it goes on as such a one.
      pc.run({ instructions: 5000 });
      return [hash, pc.stateHash(), pc.nextAlarm];
    };
    for (let round = 0; round < 4; round++) {
      const deeds = round === 0 ? names : names.filter(() => random.oneIn(2));
      const instructions = random.below(2000);
      expect(run(deeds, instructions), deeds.join(', ')).toEqual(run([], instructions));
    }
  });

  it('with a key stroke pending: 64h reads 10h, 60h 00h, and the next stroke raises IRQ 1', () => {
    const pc = createPc(realModeBoot(LOOP), engine);
    pc.keyboard.press('KeyB');
    pc.keyboard.release('KeyB');
    pc.reset();
    expect([0x64, 0x60].map((port) => pc.processor.ports.read(port, 1))).toEqual([0x10, 0x00]);
    out(pc, 0x20, 0x11);
    out(pc, 0x21, 8, 4, 1, 0xfd);
    expect(pc.processor.interruptRequested).toBe(false);
    pc.keyboard.press('KeyA');
    expect(pc.processor.interruptRequested).toBe(true);
  });

  it('the amount of memory in the CMOS is written anew, as firmware does; the rest of it outlives the reset', () => {
    const pc = createPc(realModeBoot(LOOP), engine);
    const cmos = (index: number) => {
      out(pc, 0x70, index);
      return pc.processor.ports.read(0x71, 1);
    };
    for (const index of [0x17, 0x18, 0x40]) {
      out(pc, 0x70, index);
      out(pc, 0x71, 0x77);
    }
    pc.reset();
    expect([0x17, 0x18, 0x40].map(cmos)).toEqual([0x00, 0x0c, 0x77]); // 3072 KiB
  });
});

describe.each(ENGINES)('G2: a reset puts the boot image back, on the %s', (engine) => {
  /** Runs at 7C00; the rest of the image, many pages, is data at 100000h. */
  const bigImage = (source: string): BootImage => ({
    pieces: [
      { address: 0x10_0000 - 24, bytes: new Uint8Array(100 * PAGE).fill(0x5a) },
      { address: 0x7c00, bytes: bytesOf(source) },
      { address: 0x10_2000 + 16, bytes: new Uint8Array(32).fill(0xa5) }, // over the first, within one page
    ],
    entry: { mode: 'real', ip: 0x7c00 },
  });
  /** Bytes copied by `action`, by page. */
  const copied = (pc: Pc, action: () => void) => {
    const pages = new Map<number, number>();
    const copyIn = pc.memory.copyIn.bind(pc.memory);
    pc.memory.copyIn = (address, bytes) => {
      for (let at = 0; at < bytes.length; at++) {
        const page = Math.floor((address + at) / PAGE);
        pages.set(page, (pages.get(page) ?? 0) + 1);
      }
      copyIn(address, bytes);
    };
    action();
    pc.memory.copyIn = copyIn;
    return Object.fromEntries(pages);
  };
  const image = (pc: Pc) => [
    pc.memory.copyOut(0x10_0000 - 24, 100 * PAGE).join(),
    pc.memory.copyOut(0x7c00, 200).join(),
  ];
  // FS: base FFFF0h, so that the guest reaches above 1 MiB.
  const TOUCHES_TWO = `
    mov ax, 0xffff
    mov fs, ax
    inc word [fs:0x1010 + 7]
    mov byte [fs:0x2010 + 20], 1
    hlt`;

  it('nothing is copied if nothing was written', () => {
    const pc = createPc(bigImage('again: mov ax, [0x7c00]\nmov [0x9000], ax\njmp again'), engine);
    pc.run({ instructions: 1000 });
    for (let count = 0; count < 3; count++) expect(copied(pc, () => pc.reset())).toEqual({});
  });

  it('of what was written, the image’s part of those pages, and nothing else', () => {
    const pc = createPc(bigImage(TOUCHES_TWO), engine);
    const before = image(pc);
    for (let count = 0; count < 3; count++) {
      pc.run({ instructions: 100 });
      expect(image(pc)).not.toEqual(before);
      // Page 102h holds two pieces.
      expect(copied(pc, () => pc.reset())).toEqual({ 257: PAGE, 258: PAGE + 32 });
      expect(image(pc)).toEqual(before);
    }
  });

  it('what the guest has written beside the image in the same page stays, as on a PC', () => {
    const pc = createPc(bigImage('mov byte [0x7bff], 0x77\nmov byte [0x7c00], 0xf4\nhlt'), engine);
    pc.run({ instructions: 100 });
    pc.reset();
    expect([...pc.memory.copyOut(0x7bff, 2)]).toEqual([0x77, 0xc6]);
  });

  it('a guest that scribbles over its running code boots rightly, again and again', () => {
    const source = `
      mov dx, 0xe9
      mov al, 'A'
      out dx, al
      mov cx, 0x200
      mov di, 0x7c00
      mov al, 0xf4
      rep stosb`;
    const pc = createPc(realModeBoot(source), engine);
    let output = '';
    pc.debugConsole.onOutput = (bytes) => (output += new TextDecoder().decode(bytes));
    for (let count = 0; count < 4; count++) {
      expect(pc.run({ instructions: 10_000 }).reason).toBe('halted');
      pc.reset();
    }
    expect(output).toBe('AAAA');
  });

  it('writes through a translation from before the reset do not go unseen', () => {
    const pc = createPc(bigImage(TOUCHES_TWO), engine);
    const before = image(pc);
    for (let stop = 1; stop < 6; stop++) {
      pc.run({ instructions: stop });
      pc.reset();
      expect(image(pc)).toEqual(before);
    }
    pc.memory.write(0x10_5000, 1, 4); // by a debugger
    pc.memory.copyIn(0x10_6000, Uint8Array.of(1, 2, 3));
    pc.reset();
    expect(image(pc)).toEqual(before);
  });

  it('L6: the image is the machine’s own: its giver may write over the bytes', () => {
    const boot = bigImage(TOUCHES_TWO);
    const pc = createPc(boot, engine);
    const before = image(pc);
    for (const { bytes } of boot.pieces) bytes.fill(0);
    pc.run({ instructions: 100 });
    pc.reset();
    expect(image(pc)).toEqual(before);
  });
});
