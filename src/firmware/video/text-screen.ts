/** The text screen behind INT 10h: cells, cursors and pages. What is asked for beyond the screen is cut to it. */
import { BDA, BiosData } from '../bios-data.ts';
import type { Board } from '../board.ts';
import { describeMode, programMode, readIndexed, VIDEO_MODES, writeIndexed } from './video-mode.ts';
import { WriteBackMemory } from './write-back-memory.ts';

const CRTC = { MAXIMUM_SCAN_LINE: 0x09, CURSOR_START: 0x0a, CURSOR_END: 0x0b, START: 0x0c, CURSOR: 0x0e } as const;
const CONTROL_CHARACTER = { BELL: 0x07, BACKSPACE: 0x08, LINE_FEED: 0x0a, CARRIAGE_RETURN: 0x0d } as const;
const CURSOR_OFF = 0x20;
const PAGES = 8;
const BLANK = 0x20;
const NORMAL = 0x07;
/** What the data area may say of the screen, whoever has written there. */
const [LEAST_COLUMNS, USUAL_COLUMNS, MOST_COLUMNS, MOST_ROWS] = [20, 80, 132, 64];

export interface Place {
  readonly page: number;
  readonly row: number;
  readonly column: number;
}

export class TextScreen {
  readonly #board: Pick<Board, 'memory' | 'ports'>;
  readonly #bda: BiosData;

  constructor(board: Pick<Board, 'memory' | 'ports'>) {
    this.#board = board;
    this.#bda = new BiosData(board.memory);
  }

  /** @returns whether there is such a mode */
  setMode(number: number, { clear, keepPalette = false }: { clear: boolean; keepPalette?: boolean }): boolean {
    const mode = VIDEO_MODES[number];
    if (mode === undefined) return false;
    programMode(this.#board.ports, number, { keepPalette });
    if (clear) this.#board.memory.copyIn(mode.memory, cells(PAGES * mode.pageSize, BLANK, NORMAL));
    // Last: a page fault of the caller's leaves it as it was, and all that was decided by it is decided again.
    describeMode(this.#bda, number, { cleared: clear });
    this.#showCursor({ page: 0, row: 0, column: 0 });
    return true;
  }

  get columns(): number {
    const columns = this.#bda.word(BDA.COLUMNS);
    return columns >= LEAST_COLUMNS && columns <= MOST_COLUMNS ? columns : USUAL_COLUMNS;
  }
  get rows(): number {
    return Math.min(this.#bda.byte(BDA.LAST_ROW) + 1, MOST_ROWS);
  }
  get activePage(): number {
    return this.#bda.byte(BDA.ACTIVE_PAGE) % PAGES;
  }

  cursorOf(page: number): Place {
    const position = this.#bda.word(BDA.CURSORS + 2 * (page % PAGES));
    return { page: page % PAGES, row: position >>> 8, column: position & 0xff };
  }

  moveCursor(place: Place): void {
    this.#bda.setWord(BDA.CURSORS + 2 * (place.page % PAGES), (place.row << 8) | place.column);
    if (place.page % PAGES === this.activePage) this.#showCursor(place);
  }

  /** First and last line as the 6845 of a CGA has them, unless bit 0 of the video control byte says that they are real. */
  shapeCursor(start: number, end: number): void {
    this.#bda.setWord(BDA.CURSOR_SHAPE, (start << 8) | end);
    const height = this.#bda.word(BDA.CHARACTER_HEIGHT);
    const scaled = (this.#bda.byte(BDA.VIDEO_CONTROL) & 1) === 0 && height > 8 && (start & 0x1f) < 8 && end < 8;
    const [first, last] = scaled ? scaleCursor(start & 0x1f, end & 0x1f, height) : [start & 0x1f, end & 0x1f];
    this.#writeCrtc(CRTC.CURSOR_START, (start & CURSOR_OFF) | first);
    this.#writeCrtc(CRTC.CURSOR_END, last);
  }

  showPage(page: number): void {
    if (page >= PAGES) return;
    const start = page * this.#bda.word(BDA.PAGE_SIZE);
    this.#bda.setWord(BDA.PAGE_START, start);
    this.#bda.setByte(BDA.ACTIVE_PAGE, page);
    this.#writeCrtc(CRTC.START, start >>> 9);
    this.#writeCrtc(CRTC.START + 1, (start >>> 1) & 0xff);
    this.#showCursor(this.cursorOf(page));
  }

  /** Character in bits 7–0, attribute above. */
  readCell(place: Place): number {
    return this.#board.memory.read(this.#addressOf(place), 2);
  }

  /** `attribute` undefined: the one that is there stays. */
  writeCell(place: Place, character: number, attribute: number | undefined): void {
    const address = this.#addressOf(place);
    if (attribute === undefined) this.#board.memory.write(address, character, 1);
    else this.#board.memory.write(address, (attribute << 8) | character, 2);
  }

  /** As many cells as asked for, at most a page of them. */
  fill(place: Place, character: number, attribute: number | undefined, count: number): void {
    const room = this.rows * this.columns - place.row * this.columns - place.column;
    for (let index = 0; index < Math.min(count, room); index++)
      this.writeCell({ ...place, column: place.column + index }, character, attribute);
  }

  /** Writes at the cursor of a page and moves it, as a teletype does. `attribute`: as for `writeCell`. */
  type(page: number, character: number, attribute?: number): void {
    const { columns, rows } = this;
    let { row, column } = this.cursorOf(page);
    switch (character) {
      case CONTROL_CHARACTER.BELL:
        return;
      case CONTROL_CHARACTER.BACKSPACE:
        column = Math.max(column - 1, 0);
        break;
      case CONTROL_CHARACTER.CARRIAGE_RETURN:
        column = 0;
        break;
      case CONTROL_CHARACTER.LINE_FEED:
        row++;
        break;
      default:
        this.writeCell({ page, row, column }, character, attribute);
        column++;
    }
    if (column >= columns) {
      column = 0;
      row++;
    }
    if (row < rows) return this.moveCursor({ page, row, column });
    row = rows - 1;
    const filler = this.readCell({ page, row, column }) >>> 8;
    this.inBulk((screen) => {
      screen.scroll({ page, top: 0, left: 0, bottom: rows - 1, right: columns - 1, lines: 1, attribute: filler });
      screen.moveCursor({ page, row, column });
    });
  }

  print(text: string): void {
    this.inBulk((screen) => {
      for (const character of text) screen.type(screen.activePage, character.charCodeAt(0));
    });
  }

  /** What is done to the screen changes memory at the end, and once: a page fault of the caller's leaves nothing half done. */
  inBulk(action: (screen: TextScreen) => void): void {
    const { memory, ports } = this.#board;
    if (memory instanceof WriteBackMemory) return action(this);
    const once = new WriteBackMemory(memory);
    action(new TextScreen({ memory: once, ports }));
    once.store();
  }

  /** `lines`: how far up; negative: down; 0: the window is cleared. */
  scroll(request: ScrollRequest): void {
    const { memory } = this.#board;
    const { page, top, left, lines, attribute } = request;
    const bottom = Math.min(request.bottom, this.rows - 1);
    const width = 2 * (Math.min(request.right, this.columns - 1) - left + 1);
    const height = bottom - top + 1;
    if (width <= 0 || height <= 0) return;
    // Rows of full width lie one behind the other, but where the adapter's memory begins again.
    const addresses = Array.from({ length: height }, (_, index) =>
      this.#addressOf({ page, row: top + index, column: left }),
    );
    const inOne = addresses.every((address, index) => address === addresses[0] + index * width);
    const parts = inOne ? [addresses[0]] : addresses;
    const partSize = inOne ? height * width : width;
    const old = new Uint8Array(height * width);
    for (const [index, address] of parts.entries()) old.set(memory.copyOut(address, partSize), index * partSize);
    const moved = lines === 0 ? height : Math.min(Math.abs(lines), height);
    const blank = cells(moved * width, BLANK, attribute);
    const kept = (height - moved) * width;
    const next = new Uint8Array(height * width);
    next.set(lines < 0 ? old.subarray(0, kept) : old.subarray(moved * width), lines < 0 ? blank.length : 0);
    next.set(blank, lines < 0 ? 0 : kept);
    for (const [index, address] of parts.entries())
      memory.copyIn(address, next.subarray(index * partSize, (index + 1) * partSize));
  }

  /** Height of characters in lines: as many rows as the picture's 400 lines hold. */
  setCharacterHeight(height: number): void {
    const rows = Math.floor(400 / height);
    this.#bda.setWord(BDA.CHARACTER_HEIGHT, height);
    this.#bda.setByte(BDA.LAST_ROW, rows - 1);
    this.#bda.setWord(BDA.PAGE_SIZE, Math.ceil((2 * rows * this.columns) / 256) * 256);
    const port = this.#crtc;
    const kept = readIndexed(this.#board.ports, port, CRTC.MAXIMUM_SCAN_LINE) & 0xe0;
    writeIndexed(this.#board.ports, port, CRTC.MAXIMUM_SCAN_LINE, kept | (height - 1));
    this.shapeCursor(this.#bda.byte(BDA.CURSOR_SHAPE + 1), this.#bda.byte(BDA.CURSOR_SHAPE));
  }

  get #crtc(): number {
    return this.#bda.word(BDA.CRTC_PORT) === 0x3b4 ? 0x3b4 : 0x3d4;
  }

  #writeCrtc(index: number, value: number): void {
    writeIndexed(this.#board.ports, this.#crtc, index, value);
  }

  #showCursor({ page, row, column }: Place): void {
    const cell = (this.#pageStart(page) >>> 1) + row * this.columns + column;
    this.#writeCrtc(CRTC.CURSOR, cell >>> 8);
    this.#writeCrtc(CRTC.CURSOR + 1, cell);
  }

  #pageStart(page: number): number {
    return (page % PAGES) * this.#bda.word(BDA.PAGE_SIZE);
  }

  #addressOf({ page, row, column }: Place): number {
    const { memory } = VIDEO_MODES[this.#bda.byte(BDA.VIDEO_MODE)] ?? VIDEO_MODES[3];
    return memory + ((this.#pageStart(page) + 2 * (row * this.columns + column)) & 0x7fff);
  }
}

export interface ScrollRequest {
  readonly page: number;
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
  readonly lines: number;
  readonly attribute: number;
}

function cells(bytes: number, character: number, attribute: number): Uint8Array {
  const result = new Uint8Array(bytes).fill(attribute);
  for (let at = 0; at < bytes; at += 2) result[at] = character;
  return result;
}

/** Lines of an 8-line character in a taller one. The usual underline cursor keeps clear of the bottom line. */
function scaleCursor(start: number, end: number, height: number): [first: number, last: number] {
  if (end === start + 1 && end === 7) return [height - 3, height - 2];
  const scale = (line: number) => Math.floor(((line + 1) * height) / 8) - 1;
  return [start === 0 ? 0 : scale(start), scale(end)];
}
