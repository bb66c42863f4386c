/**
 * Text modes of a VGA, register by register. IBM Personal System/2 Hardware Interface Technical Reference, "Video
 * Subsystem"; numbers of scan lines for characters of 9 × 16.
 */
import { BDA, type BiosData } from '../bios-data.ts';
import type { PortAccess } from '../board.ts';

export interface VideoMode {
  readonly columns: 40 | 80;
  /** Linear address of the cells. */
  readonly memory: number;
  /** Bytes of a page in memory. */
  readonly pageSize: number;
  /** Index port of the CRTC. */
  readonly crtc: number;
  /** As the 6845's mode control register of old would have it: the BIOS data area keeps it. */
  readonly control: number;
}

const color = (columns: 40 | 80, control: number): VideoMode => {
  return { columns, memory: 0xb_8000, pageSize: columns === 40 ? 0x800 : 0x1000, crtc: 0x3d4, control };
};
export const VIDEO_MODES: Readonly<Record<number, VideoMode>> = {
  0: color(40, 0x2c),
  1: color(40, 0x28),
  2: color(80, 0x2d),
  3: color(80, 0x29),
  7: { columns: 80, memory: 0xb_0000, pageSize: 0x1000, crtc: 0x3b4, control: 0x29 },
};
export const MONOCHROME_MODE = 7;
export const TEXT_ROWS = 25;
export const CHARACTER_HEIGHT = 16;
/** Cursor lines as a program of the CGA's time gives them: the lower two of eight. */
const CURSOR_SHAPE = 0x0607;

// biome-ignore format: register values as the manual lists them
const CRTC_80 = [
  0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00,
  0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
] as const;
// biome-ignore format: register values as the manual lists them
const CRTC_40 = [
  0x2d, 0x27, 0x28, 0x90, 0x2b, 0xa0, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00,
  0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x14, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
] as const;
const CRTC_MODE_7_UNDERLINE = 0x0d;
const GRAPHICS = [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff] as const;
const GRAPHICS_MODE_7_MEMORY = 0x0a;
const COLOR_PALETTE = [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f] as const;
const MONOCHROME_PALETTE = [0, 8, 8, 8, 8, 8, 8, 8, 0x10, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x18] as const;
/** Blinking and 9-dot graphics characters; overscan; planes; panning by 8; no colour select. */
const ATTRIBUTE_CONTROL = [0x0c, 0x00, 0x0f, 0x08, 0x00] as const;
const MONOCHROME_CONTROL = 0x0e;

const PORT = { ATTRIBUTE: 0x3c0, MISCELLANEOUS: 0x3c2, SEQUENCER: 0x3c4, DAC_MASK: 0x3c6, GRAPHICS: 0x3ce } as const;
const DAC = { WRITE_INDEX: 0x3c8, DATA: 0x3c9 } as const;
const CRTC_PROTECT = 0x11;
const DAC_COLORS = 64;

/** Input status 1 is six ports behind the CRTC's index; reading it makes the attribute port expect an index. */
export const statusPort = (crtc: number): number => crtc + 6;

export function writeIndexed(ports: PortAccess, port: number, index: number, value: number): void {
  ports.write(port, index, 1);
  ports.write(port + 1, value & 0xff, 1);
}

export function readIndexed(ports: PortAccess, port: number, index: number): number {
  ports.write(port, index, 1);
  return ports.read(port + 1, 1);
}

/** Registers of a mode; `keepPalette`: the DAC stays as it is. */
export function programMode(ports: PortAccess, number: number, { keepPalette }: { keepPalette: boolean }): void {
  const { crtc, columns } = VIDEO_MODES[number];
  const monochrome = number === MONOCHROME_MODE;
  // Bit 0 of the miscellaneous output register moves the CRTC, so that comes first.
  ports.write(PORT.MISCELLANEOUS, monochrome ? 0x66 : 0x67, 1);
  const sequencer = [0x03, columns === 40 ? 0x08 : 0x00, 0x03, 0x00, 0x02];
  for (const [index, value] of sequencer.entries()) writeIndexed(ports, PORT.SEQUENCER, index, value);
  writeIndexed(ports, crtc, CRTC_PROTECT, 0);
  for (const [index, value] of (columns === 40 ? CRTC_40 : CRTC_80).entries()) {
    writeIndexed(ports, crtc, index, index === 0x14 && monochrome ? CRTC_MODE_7_UNDERLINE : value);
  }
  for (const [index, value] of GRAPHICS.entries()) {
    writeIndexed(ports, PORT.GRAPHICS, index, index === 6 && monochrome ? GRAPHICS_MODE_7_MEMORY : value);
  }
  writeAttributes(ports, crtc, [
    ...(monochrome ? MONOCHROME_PALETTE : COLOR_PALETTE),
    ...ATTRIBUTE_CONTROL.map((value, index) => (index === 0 && monochrome ? MONOCHROME_CONTROL : value)),
  ]);
  if (!keepPalette) loadDefaultColors(ports);
}

function writeAttributes(ports: PortAccess, crtc: number, values: readonly number[]): void {
  ports.read(statusPort(crtc), 1);
  for (const [index, value] of values.entries()) {
    ports.write(PORT.ATTRIBUTE, index, 1);
    ports.write(PORT.ATTRIBUTE, value, 1);
  }
  // Bit 5: the palette belongs to the display again.
  ports.write(PORT.ATTRIBUTE, 0x20, 1);
}

/** Of an attribute number, bits 2–0 are two thirds of red, green and blue, bits 5–3 a third. */
function loadDefaultColors(ports: PortAccess): void {
  ports.write(PORT.DAC_MASK, 0xff, 1);
  ports.write(DAC.WRITE_INDEX, 0, 1);
  for (let number = 0; number < DAC_COLORS; number++)
    for (const shift of [2, 1, 0])
      ports.write(DAC.DATA, 42 * ((number >>> shift) & 1) + 21 * ((number >>> (shift + 3)) & 1), 1);
}

/** What the BIOS data area says of a mode. */
export function describeMode(bda: BiosData, number: number, { cleared }: { cleared: boolean }): void {
  const mode = VIDEO_MODES[number];
  bda.setByte(BDA.VIDEO_MODE, number);
  bda.setWord(BDA.COLUMNS, mode.columns);
  bda.setWord(BDA.PAGE_SIZE, mode.pageSize);
  bda.setWord(BDA.PAGE_START, 0);
  for (let page = 0; page < 8; page++) bda.setWord(BDA.CURSORS + 2 * page, 0);
  bda.setWord(BDA.CURSOR_SHAPE, CURSOR_SHAPE);
  bda.setByte(BDA.ACTIVE_PAGE, 0);
  bda.setWord(BDA.CRTC_PORT, mode.crtc);
  bda.setByte(BDA.CRT_MODE, mode.control);
  bda.setByte(BDA.CRT_PALETTE, 0x30);
  bda.setByte(BDA.LAST_ROW, TEXT_ROWS - 1);
  bda.setWord(BDA.CHARACTER_HEIGHT, CHARACTER_HEIGHT);
  // 256 KiB of memory; bit 7: the last mode was set without clearing.
  bda.setByte(BDA.VIDEO_CONTROL, cleared ? 0x60 : 0xe0);
  bda.setByte(BDA.VIDEO_SWITCHES, 0xf9);
  // 400 lines, VGA.
  bda.setByte(BDA.VIDEO_OPTIONS, 0x11);
  bda.setByte(BDA.DISPLAY_CODE, 0x08);
}
