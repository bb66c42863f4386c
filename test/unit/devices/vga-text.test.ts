import { describe, expect, it } from 'vitest';
import { createVgaText } from '../../support/devices.ts';

const [ATTRIBUTE, ATTRIBUTE_READ, DAC_READ, DAC_WRITE, DAC_DATA, MISCELLANEOUS] = [0, 1, 7, 8, 9, 0x0c];
const [CRTC_INDEX, CRTC_DATA, STATUS1] = [0x14, 0x15, 0x1a];

function bench() {
  const { vga, clock } = createVgaText();
  const crtc = (index: number, value: number) => {
    vga.writePort(CRTC_INDEX, index);
    vga.writePort(CRTC_DATA, value);
  };
  const print = (cell: number, text: string) => {
    for (const [index, character] of [...text].entries()) {
      vga.writeMemory(2 * (cell + index), character.charCodeAt(0), 1);
    }
  };
  return { vga, clock, crtc, print };
}

describe('VGA text buffer', () => {
  it('even bytes are characters, odd ones attributes, 80 cells a row', () => {
    const { vga, print } = bench();
    print(0, 'Hello');
    print(81, 'world');
    const text = vga.text();
    expect([text.length, text[0].length]).toEqual([25, 80]);
    expect([text[0].trimEnd(), text[1].trimEnd()]).toEqual(['Hello', ' world']);
    expect(vga.readMemory(0, 2)).toBe(0x0748);
  });

  it('accesses are little-endian, of 1, 2, 4 and 8 bytes', () => {
    const { vga } = bench();
    vga.writeMemory(4, 0x8877_6655, 4);
    expect([vga.readMemory(4, 1), vga.readMemory(5, 2), vga.readMemory(4, 4)]).toEqual([0x55, 0x7766, 0x8877_6655]);
    vga.writeMemory(8, 0x1_0000_0002, 8);
    expect(vga.readMemory(8, 8)).toBe(0x1_0000_0002);
  });

  it('beyond the end there is nothing', () => {
    const { vga } = bench();
    vga.writeMemory(32_766, 0x1234_5678, 4);
    expect(vga.readMemory(32_766, 4)).toBe(0xffff_5678);
  });

  it('the start address scrolls, also around the end of the buffer', () => {
    const { vga, crtc, print } = bench();
    print(80, 'second row');
    crtc(0x0d, 80);
    expect(vga.text()[0].trimEnd()).toBe('second row');
    print(0, 'first row');
    crtc(0x0c, 0x3f);
    crtc(0x0d, 0xb0); // 3FB0h = 4000h - 80
    expect(vga.text()[1].trimEnd()).toBe('first row');
  });

  it('shows code page 437', () => {
    const { vga } = bench();
    for (const [cell, code] of [0x01, 0x7f, 0xb0, 0xc9, 0xe4, 0xff, 0x00].entries()) vga.writeMemory(2 * cell, code, 1);
    expect(vga.text()[0].trimEnd()).toBe('☺⌂░╔Σ');
  });
});

describe('VGA registers', () => {
  it('CRTC registers are selected by an index and read back', () => {
    const { vga, crtc } = bench();
    crtc(0x0e, 0x12);
    expect([vga.readPort(CRTC_INDEX), vga.readPort(CRTC_DATA)]).toEqual([0x0e, 0x12]);
    vga.writePort(CRTC_INDEX, 0x40);
    vga.writePort(CRTC_DATA, 1);
    expect(vga.readPort(CRTC_DATA)).toBe(0);
  });

  it('the cursor location is relative to the start address; bit 5 of its start register turns it off', () => {
    const { vga, crtc } = bench();
    crtc(0x0d, 80);
    crtc(0x0f, 80 + 83);
    expect(vga.cursor).toEqual({ row: 1, column: 3 });
    crtc(0x0a, 0x2d);
    expect(vga.cursor).toBeUndefined();
  });

  it('registers 0–7 are protected by bit 7 of register 11h', () => {
    const { vga, crtc } = bench();
    crtc(0x00, 0x11);
    expect(vga.readPort(CRTC_DATA)).toBe(0x5f);
    crtc(0x07, 0x00); // only the line compare bit takes
    expect(vga.readPort(CRTC_DATA)).toBe(0x0f);
    crtc(0x11, 0x0e);
    crtc(0x00, 0x11);
    expect(vga.readPort(CRTC_DATA)).toBe(0x11);
  });

  it('the attribute port takes index and data in turn; reading input status 1 begins with the index', () => {
    const { vga } = bench();
    vga.readPort(STATUS1);
    vga.writePort(ATTRIBUTE, 0x25);
    vga.writePort(ATTRIBUTE, 0x3f);
    vga.writePort(ATTRIBUTE, 0x25);
    expect(vga.readPort(ATTRIBUTE_READ)).toBe(0x3f);
    vga.readPort(STATUS1);
    vga.writePort(ATTRIBUTE, 0x20);
    expect(vga.readPort(ATTRIBUTE_READ)).toBe(0);
  });

  it('the DAC takes and gives three six-bit components a colour', () => {
    const { vga } = bench();
    vga.writePort(DAC_WRITE, 255);
    for (const value of [0xff, 2, 3, 4]) vga.writePort(DAC_DATA, value);
    vga.writePort(DAC_READ, 255);
    expect([0, 0, 0, 0].map(() => vga.readPort(DAC_DATA))).toEqual([0x3f, 2, 3, 4]);
  });

  it('the miscellaneous output register is written at 3C2h and read at 3CCh', () => {
    const { vga } = bench();
    vga.writePort(2, 0xe3);
    expect(vga.readPort(MISCELLANEOUS)).toBe(0xe3);
  });

  it('input status 1 shows a vertical retrace seventy times a second', () => {
    const { vga, clock } = bench();
    let retraces = 0;
    let last = 0;
    for (let at = 0; at < 1_000_000_000; at += 20_000) {
      clock.advanceTo(at);
      const retrace = vga.readPort(STATUS1) & 0x08;
      if (retrace) expect(vga.readPort(STATUS1) & 0x01).toBe(1);
      if (retrace && !last) retraces++;
      last = retrace;
    }
    expect(retraces).toBe(70);
  });
});
