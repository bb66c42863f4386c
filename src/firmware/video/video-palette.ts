/** INT 10h, AH=10h: registers of the attribute controller and of the DAC. */
import { BDA, BiosData } from '../bios-data.ts';
import type { Board } from '../board.ts';
import type { CallFrame } from '../call-frame.ts';
import { realAddress } from '../memory-access.ts';
import { statusPort } from './video-mode.ts';

const ATTRIBUTE = { WRITE: 0x3c0, READ: 0x3c1, MODE: 0x10, OVERSCAN: 0x11, SELECT: 0x14, ENABLE: 0x20 } as const;
const DAC = { MASK: 0x3c6, READ_INDEX: 0x3c7, WRITE_INDEX: 0x3c8, DATA: 0x3c9 } as const;
const PALETTE_SIZE = 16;
const BLINK = 0x08;
const PAGES_OF_16 = 0x80;

export function setPalette(board: Board, frame: CallFrame): void {
  const { ports, memory } = board;
  const crtc = new BiosData(memory).word(BDA.CRTC_PORT) === 0x3b4 ? 0x3b4 : 0x3d4;
  const select = (index: number) => {
    ports.read(statusPort(crtc), 1);
    ports.write(ATTRIBUTE.WRITE, index, 1);
  };
  const show = () => select(ATTRIBUTE.ENABLE);
  const write = (index: number, value: number) => {
    select(index & 0x1f);
    ports.write(ATTRIBUTE.WRITE, value, 1);
    show();
  };
  const read = (index: number) => {
    select(index & 0x1f);
    const value = ports.read(ATTRIBUTE.READ, 1);
    show();
    return value;
  };
  const buffer = realAddress(frame.es, frame.dx);
  switch (frame.al) {
    case 0x00:
      return write(frame.bl, frame.bh);
    case 0x01:
      return write(ATTRIBUTE.OVERSCAN, frame.bh);
    case 0x02: {
      const values = memory.copyOut(buffer, PALETTE_SIZE + 1);
      for (const [index, value] of values.entries()) write(index === PALETTE_SIZE ? ATTRIBUTE.OVERSCAN : index, value);
      return;
    }
    case 0x03:
      return write(ATTRIBUTE.MODE, (read(ATTRIBUTE.MODE) & ~BLINK) | (frame.bl & 1 ? BLINK : 0));
    case 0x07:
      frame.bh = read(frame.bl);
      return;
    case 0x08:
      frame.bh = read(ATTRIBUTE.OVERSCAN);
      return;
    case 0x09: {
      const values = Array.from({ length: PALETTE_SIZE }, (_, index) => read(index));
      return memory.copyIn(buffer, Uint8Array.of(...values, read(ATTRIBUTE.OVERSCAN)));
    }
    case 0x10:
      ports.write(DAC.WRITE_INDEX, frame.bl, 1);
      for (const value of [frame.dh, frame.ch, frame.cl]) ports.write(DAC.DATA, value, 1);
      return;
    case 0x12: {
      ports.write(DAC.WRITE_INDEX, frame.bl, 1);
      for (const value of memory.copyOut(buffer, 3 * Math.min(frame.cx, 256))) ports.write(DAC.DATA, value, 1);
      return;
    }
    case 0x13:
      if (frame.bl === 0) write(ATTRIBUTE.MODE, (read(ATTRIBUTE.MODE) & 0x7f) | (frame.bh & 1 ? PAGES_OF_16 : 0));
      else write(ATTRIBUTE.SELECT, read(ATTRIBUTE.MODE) & PAGES_OF_16 ? frame.bh : (frame.bh << 2) & 0x0c);
      return;
    case 0x15:
      ports.write(DAC.READ_INDEX, frame.bl, 1);
      [frame.dh, frame.ch, frame.cl] = [0, 1, 2].map(() => ports.read(DAC.DATA, 1));
      return;
    case 0x17: {
      ports.write(DAC.READ_INDEX, frame.bl, 1);
      const count = 3 * Math.min(frame.cx, 256);
      return memory.copyIn(
        buffer,
        Uint8Array.from({ length: count }, () => ports.read(DAC.DATA, 1)),
      );
    }
    case 0x18:
      return ports.write(DAC.MASK, frame.bl, 1);
    case 0x19:
      frame.bl = ports.read(DAC.MASK, 1);
      return;
    case 0x1a: {
      const pages = (read(ATTRIBUTE.MODE) & PAGES_OF_16) !== 0;
      frame.bl = pages ? 1 : 0;
      frame.bh = pages ? read(ATTRIBUTE.SELECT) : (read(ATTRIBUTE.SELECT) >>> 2) & 3;
      return;
    }
  }
}
