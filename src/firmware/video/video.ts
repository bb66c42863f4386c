/**
 * INT 10h: text modes. IBM PS/2 and PC BIOS Interface Technical Reference, "Interrupt 10h - Video".
 *
 * Not modelled: graphics modes, fonts and what loads them (the height of characters is set), light pen, saving the state
 * of the adapter (AH=1Ch), VESA (AH=4Fh answers that there is none), the sum to grey.
 */
import { bit } from '../../base/bits.ts';
import { BDA, BiosData } from '../bios-data.ts';
import type { Board } from '../board.ts';
import type { CallFrame } from '../call-frame.ts';
import { realAddress } from '../memory-access.ts';
import { SERVICE, type Service, type Services } from '../service.ts';
import { TextScreen } from './text-screen.ts';
import { setPalette } from './video-palette.ts';

const KEEP_CONTENTS = 0x80;
/** More than any screen holds. */
const LONGEST_STRING = 8192;
/** VGA with an analog color display. */
const DISPLAY_CODE = 0x08;
/** Bits of the video control byte. */
const CURSOR_NOT_EMULATED = 0x01;
/** Bit of the options byte: a mode set leaves the palette alone. */
const KEEP_PALETTE = 0x08;

export function videoServices(board: Board): Services {
  const screen = new TextScreen(board);
  const bda = new BiosData(board.memory);
  const functions = new Map<number, (frame: CallFrame) => void>([
    [
      0x00,
      (frame) => {
        const number = frame.al & ~KEEP_CONTENTS;
        const keepPalette = (bda.byte(BDA.VIDEO_OPTIONS) & KEEP_PALETTE) !== 0;
        if (!screen.setMode(number, { clear: (frame.al & KEEP_CONTENTS) === 0, keepPalette })) return;
        // As later VGAs answer: 30h for text modes.
        frame.al = 0x30;
      },
    ],
    [0x01, (frame) => screen.shapeCursor(frame.ch, frame.cl)],
    [0x02, (frame) => screen.moveCursor({ page: frame.bh, row: frame.dh, column: frame.dl })],
    [
      0x03,
      (frame) => {
        const { row, column } = screen.cursorOf(frame.bh);
        frame.cx = bda.word(BDA.CURSOR_SHAPE);
        frame.dh = row;
        frame.dl = column;
      },
    ],
    [0x05, (frame) => screen.showPage(frame.al)],
    [0x06, (frame) => screen.inBulk((copy) => copy.scroll(scrollRequest(frame, copy, 1)))],
    [0x07, (frame) => screen.inBulk((copy) => copy.scroll(scrollRequest(frame, copy, -1)))],
    [
      0x08,
      (frame) => {
        frame.ax = screen.readCell(screen.cursorOf(frame.bh));
      },
    ],
    [0x09, (frame) => screen.fill(screen.cursorOf(frame.bh), frame.al, frame.bl, frame.cx)],
    [0x0a, (frame) => screen.fill(screen.cursorOf(frame.bh), frame.al, undefined, frame.cx)],
    [0x0e, (frame) => screen.type(screen.activePage, frame.al)],
    [
      0x0f,
      (frame) => {
        frame.al = bda.byte(BDA.VIDEO_MODE) | (bda.byte(BDA.VIDEO_CONTROL) & KEEP_CONTENTS);
        frame.ah = screen.columns;
        frame.bh = screen.activePage;
      },
    ],
    [0x10, (frame) => setPalette(board, frame)],
    [0x11, (frame) => setFont(frame, screen, board)],
    [0x12, (frame) => select(frame, bda)],
    [0x13, (frame) => writeString(frame, screen, board)],
    [
      0x1a,
      (frame) => {
        if (frame.al === 0) frame.bx = DISPLAY_CODE;
        frame.al = 0x1a;
      },
    ],
    [
      0x1b,
      (frame) => {
        board.memory.copyIn(realAddress(frame.es, frame.di), functionality(board, screen));
        frame.al = 0x1b;
      },
    ],
  ]);
  const service: Service = ({ frame }) => functions.get(frame.ah)?.(frame) as undefined;
  return { [SERVICE.VIDEO]: service };
}

const scrollRequest = (frame: CallFrame, { activePage }: TextScreen, direction: 1 | -1) => ({
  page: activePage,
  ...{ top: frame.ch, left: frame.cl, bottom: frame.dh, right: frame.dl },
  lines: frame.al * direction,
  attribute: frame.bh,
});

/** AH=11h: of fonts, their height alone. */
function setFont(frame: CallFrame, screen: TextScreen, { memory }: Board): void {
  if (frame.al === 0x30) {
    const bda = new BiosData(memory);
    frame.cx = bda.word(BDA.CHARACTER_HEIGHT);
    frame.dl = bda.byte(BDA.LAST_ROW);
    // There are no fonts in the ROM; INT 1Fh and 43h are what programs have put there.
    const pointer = memory.read(4 * (frame.bh === 0 ? 0x1f : 0x43), 4);
    frame.es = pointer >>> 16;
    frame.bp = pointer & 0xffff;
    return;
  }
  // Also without "and the mode is set anew": a program that loads a font of another height means to see it.
  const height = [frame.bh, 14, 8, undefined, 16][frame.al & 0x0f];
  if (frame.al < 0x20 && height !== undefined && height > 0 && height <= 32) screen.setCharacterHeight(height);
}

/** AH=12h, alternate select: BL says of what. */
function select(frame: CallFrame, bda: BiosData): void {
  const control = bda.byte(BDA.VIDEO_CONTROL);
  switch (frame.bl) {
    case 0x10: // information
      frame.bx = 0x0003;
      frame.cx = 0x0009;
      return;
    case 0x30: // scan lines: 400 they stay
    case 0x32: // addressing of the adapter
    case 0x33: // sum to grey
    case 0x36: // refresh
      break;
    case 0x31: {
      const options = bda.byte(BDA.VIDEO_OPTIONS);
      bda.setByte(BDA.VIDEO_OPTIONS, bit(frame.al, 0) ? options | KEEP_PALETTE : options & ~KEEP_PALETTE);
      break;
    }
    case 0x34:
      bda.setByte(BDA.VIDEO_CONTROL, (control & ~CURSOR_NOT_EMULATED) | bit(frame.al, 0));
      break;
    default:
      return;
  }
  frame.al = 0x12;
}

/** AH=13h. AL bit 0: the cursor moves; bit 1: each character is followed by its attribute. */
function writeString(frame: CallFrame, screen: TextScreen, { memory }: Board): void {
  const [moves, withAttributes] = [bit(frame.al, 0), bit(frame.al, 1)];
  const page = frame.bh;
  const before = screen.cursorOf(page);
  const count = Math.min(frame.cx, LONGEST_STRING);
  const bytes = memory.copyOut(realAddress(frame.es, frame.bp), withAttributes ? 2 * count : count);
  // A string of line feeds scrolls with each of them.
  screen.inBulk((copy) => {
    copy.moveCursor({ page, row: frame.dh, column: frame.dl });
    for (let index = 0; index < count; index++) {
      const [at, attribute] = withAttributes ? [2 * index, bytes[2 * index + 1]] : [index, frame.bl];
      copy.type(page, bytes[at], attribute);
    }
    if (!moves) copy.moveCursor(before);
  });
}

/** AH=1Bh: the dynamic part; its pointer to the static one, which says what an adapter can do, is 0. */
function functionality({ memory }: Board, { rows }: TextScreen): Uint8Array {
  const bytes = new Uint8Array(64);
  // Mode, columns, page, cursors and CRTC as in the data area.
  bytes.set(memory.copyOut(0x400 + BDA.VIDEO_MODE, 30), 4);
  bytes[0x22] = rows;
  bytes[0x23] = memory.read(0x400 + BDA.CHARACTER_HEIGHT, 1);
  bytes[0x25] = DISPLAY_CODE;
  bytes.set([16, 0], 0x27); // colours
  bytes[0x29] = 8; // pages
  bytes[0x2a] = 2; // 400 lines
  bytes[0x31] = 3; // 256 KiB
  return bytes;
}
