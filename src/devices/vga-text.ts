/**
 * VGA, as far as a text screen goes. IBM VGA, "Personal System/2 Hardware Interface Technical Reference: Video Subsystems".
 * Powers on in mode 3 (80 × 25 cells of character and attribute) as a video BIOS would leave it.
 *
 * Not modelled (a later issue): graphics modes and planes, loadable fonts, the palette's effect, the monochrome
 * port addresses. All registers are stored and read back.
 */
import type { VirtualClock } from '../base/virtual-clock.ts';
import type { Device } from '../bus/device.ts';
import type { MmioDevice, MmioSize } from '../bus/mmio.ts';
import type { PortDevice } from '../bus/port-bus.ts';
import { decodeCodePage437 } from './code-page-437.ts';
import { ticksAt } from './crystal.ts';

/** Offsets from port 3C0h. */
const PORT = {
  ATTRIBUTE: 0x00,
  ATTRIBUTE_READ: 0x01,
  MISCELLANEOUS_WRITE_STATUS0: 0x02,
  SEQUENCER_INDEX: 0x04,
  SEQUENCER_DATA: 0x05,
  DAC_MASK: 0x06,
  DAC_READ_INDEX: 0x07,
  DAC_WRITE_INDEX: 0x08,
  DAC_DATA: 0x09,
  FEATURE_READ: 0x0a,
  MISCELLANEOUS_READ: 0x0c,
  GRAPHICS_INDEX: 0x0e,
  GRAPHICS_DATA: 0x0f,
  CRTC_INDEX: 0x14,
  CRTC_DATA: 0x15,
  STATUS1_FEATURE_WRITE: 0x1a,
} as const;
const CRTC = {
  OVERFLOW: 0x07,
  CURSOR_START: 0x0a,
  START_HIGH: 0x0c,
  START_LOW: 0x0d,
  CURSOR_HIGH: 0x0e,
  CURSOR_LOW: 0x0f,
  RETRACE_END: 0x11,
} as const;
const CRTC_PROTECT = 0x80;
const OVERFLOW_LINE_COMPARE = 0x10;
const CURSOR_OFF = 0x20;
const STATUS1 = { BLANKED: 0x01, VERTICAL_RETRACE: 0x08 } as const;

/** Registers of mode 3. */
// biome-ignore format: register values as the manual lists them
const MODE_3 = {
  miscellaneous: 0x67,
  sequencer: [0x03, 0x00, 0x03, 0x00, 0x02],
  crtc: [
    0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00,
    0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
  ],
  graphics: [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff],
  attribute: [
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f,
    0x0c, 0x00, 0x0f, 0x08, 0x00,
  ],
} as const;

const COLUMNS = 80;
const ROWS = 25;
export const VGA_TEXT_SIZE = 32 * 1024;
/** A blank: a space, light grey on black. */
const BLANK = [0x20, 0x07] as const;

/** Timing of mode 3: 28.322 MHz / 9 dots a character, 100 characters a line, 449 lines a frame (70 Hz). */
const CHARACTER_HZ = 3_146_889;
const CHARACTERS_PER_LINE = 100;
const LINES_PER_FRAME = 449;
const DISPLAYED_LINES = 400;
const RETRACE_LINES = [412, 413] as const;

/** An index register and the file it selects from; writes beyond the file are lost, reads give 0. */
interface IndexedRegisters {
  index: number;
  values: Uint8Array;
}
const file = (values: readonly number[]): IndexedRegisters => ({ index: 0, values: Uint8Array.from(values) });

const powerOnState = () => {
  const memory = new Uint8Array(VGA_TEXT_SIZE);
  for (let at = 0; at < memory.length; at += 2) memory.set(BLANK, at);
  return {
    memory,
    miscellaneous: MODE_3.miscellaneous as number,
    feature: 0,
    sequencer: file(MODE_3.sequencer),
    crtc: file(MODE_3.crtc),
    graphics: file(MODE_3.graphics),
    attribute: file(MODE_3.attribute),
    /** The next write to the attribute port is data. */
    attributeTakesData: false,
    dac: { mask: 0xff, values: new Uint8Array(768), readAt: 0, writeAt: 0, reads: false },
  };
};

export class VgaText implements PortDevice, MmioDevice, Device {
  readonly name = 'vga';
  readonly stateVersion = 1;
  readonly state = powerOnState();
  readonly #clock: VirtualClock;

  constructor(wiring: { clock: VirtualClock }) {
    this.#clock = wiring.clock;
  }

  /** The screen's 25 rows of 80 characters, code page 437 as Unicode; NUL shows as a space. */
  text(): string[] {
    const { memory } = this.state;
    return Array.from({ length: ROWS }, (_, row) => {
      let line = '';
      for (let column = 0; column < COLUMNS; column++) {
        line += decodeCodePage437(memory[(2 * (this.#start + row * COLUMNS + column)) % VGA_TEXT_SIZE]);
      }
      return line;
    });
  }

  /** Where the cursor stands on the screen; undefined if it is off or elsewhere. */
  get cursor(): { row: number; column: number } | undefined {
    const { values } = this.state.crtc;
    const at = ((values[CRTC.CURSOR_HIGH] << 8) | values[CRTC.CURSOR_LOW]) - this.#start;
    if (values[CRTC.CURSOR_START] & CURSOR_OFF || at < 0 || at >= ROWS * COLUMNS) return undefined;
    return { row: Math.floor(at / COLUMNS), column: at % COLUMNS };
  }

  readMemory(offset: number, size: MmioSize): number {
    let value = 0;
    for (let index = size - 1; index >= 0; index--) value = value * 256 + (this.state.memory[offset + index] ?? 0xff);
    return value;
  }

  writeMemory(offset: number, value: number, size: MmioSize): void {
    let rest = value;
    for (let index = 0; index < size; index++) {
      this.state.memory[offset + index] = rest % 256; // beyond the end: lost
      rest = Math.floor(rest / 256);
    }
  }

  readPort(offset: number): number {
    const { state } = this;
    const indexed = this.#file(offset);
    if (indexed) return offset & 1 ? (indexed.values[indexed.index] ?? 0) : indexed.index;
    switch (offset) {
      case PORT.ATTRIBUTE:
        return state.attribute.index;
      case PORT.ATTRIBUTE_READ:
        return state.attribute.values[state.attribute.index & 0x1f] ?? 0;
      case PORT.MISCELLANEOUS_WRITE_STATUS0:
        return 0;
      case PORT.DAC_MASK:
        return state.dac.mask;
      case PORT.DAC_READ_INDEX:
        return state.dac.reads ? 3 : 0;
      case PORT.DAC_WRITE_INDEX:
        return Math.floor(state.dac.writeAt / 3);
      case PORT.DAC_DATA: {
        const value = state.dac.values[state.dac.readAt];
        state.dac.readAt = (state.dac.readAt + 1) % state.dac.values.length;
        return value;
      }
      case PORT.FEATURE_READ:
        return state.feature;
      case PORT.MISCELLANEOUS_READ:
        return state.miscellaneous;
      case PORT.STATUS1_FEATURE_WRITE:
        state.attributeTakesData = false;
        return this.#inputStatus1;
      default:
        return 0xff;
    }
  }

  writePort(offset: number, value: number): void {
    const { state } = this;
    const indexed = this.#file(offset);
    if (indexed) {
      if (!(offset & 1)) indexed.index = value;
      else if (indexed === state.crtc) this.#writeCrtc(value);
      else indexed.values[indexed.index] = value;
      return;
    }
    switch (offset) {
      case PORT.ATTRIBUTE:
        if (state.attributeTakesData) state.attribute.values[state.attribute.index & 0x1f] = value;
        else state.attribute.index = value & 0x3f;
        state.attributeTakesData = !state.attributeTakesData;
        break;
      case PORT.MISCELLANEOUS_WRITE_STATUS0:
        state.miscellaneous = value;
        break;
      case PORT.DAC_MASK:
        state.dac.mask = value;
        break;
      case PORT.DAC_READ_INDEX:
        state.dac.readAt = value * 3;
        state.dac.reads = true;
        break;
      case PORT.DAC_WRITE_INDEX:
        state.dac.writeAt = value * 3;
        state.dac.reads = false;
        break;
      case PORT.DAC_DATA:
        state.dac.values[state.dac.writeAt] = value & 0x3f;
        state.dac.writeAt = (state.dac.writeAt + 1) % state.dac.values.length;
        break;
      case PORT.STATUS1_FEATURE_WRITE:
        state.feature = value;
        break;
    }
  }

  reset(): void {
    Object.assign(this.state, powerOnState());
  }

  resume(): void {}

  /** The register file behind an index or data port. */
  #file(offset: number): IndexedRegisters | undefined {
    const { sequencer, crtc, graphics } = this.state;
    switch (offset & ~1) {
      case PORT.SEQUENCER_INDEX:
        return sequencer;
      case PORT.GRAPHICS_INDEX:
        return graphics;
      case PORT.CRTC_INDEX:
        return crtc;
      default:
        return undefined;
    }
  }

  /** Registers 0–7 are write-protected by bit 7 of register 11h, but for the line compare bit of register 7. */
  #writeCrtc(value: number): void {
    const { index, values } = this.state.crtc;
    if (index > CRTC.OVERFLOW || !(values[CRTC.RETRACE_END] & CRTC_PROTECT)) values[index] = value;
    else if (index === CRTC.OVERFLOW) {
      values[index] = (values[index] & ~OVERFLOW_LINE_COMPARE) | (value & OVERFLOW_LINE_COMPARE);
    }
  }

  /** The cell shown at the top left. */
  get #start(): number {
    const { values } = this.state.crtc;
    return (values[CRTC.START_HIGH] << 8) | values[CRTC.START_LOW];
  }

  get #inputStatus1(): number {
    const characters = ticksAt(this.#clock.now, CHARACTER_HZ);
    const line = Math.floor(characters / CHARACTERS_PER_LINE) % LINES_PER_FRAME;
    const blanked = line >= DISPLAYED_LINES || characters % CHARACTERS_PER_LINE >= COLUMNS;
    const retrace = line >= RETRACE_LINES[0] && line <= RETRACE_LINES[1];
    return (blanked ? STATUS1.BLANKED : 0) | (retrace ? STATUS1.VERTICAL_RETRACE : 0);
  }
}
