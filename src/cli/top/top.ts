/**
 * `vetro run --top`: what the guests do, once a second: a table that stays in its place on a terminal, a line of JSON for
 * each guest in a pipe.
 */
import chalk from 'chalk';
import type { PcGuest as Guest } from '../../hypervisor/create-guest.ts';
import { FigureTaker, type GuestFigures } from './guest-figures.ts';

const INTERVAL = 1000;
/** The other screen of the terminal, without a cursor; and back. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const END_OF_LINE = '\x1b[K\r\n';
const END_OF_SCREEN = '\x1b[J';
/** Lines about the emulator itself that stay below the table. */
const NOTES = 5;

type Column = readonly [title: string, width: number, show: (figures: GuestFigures) => string];
const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
const COLUMNS: readonly Column[] = [
  ['GUEST', -16, ({ guest }) => guest],
  ['STATE', -8, ({ state }) => state],
  ['CPU%', 6, ({ processor }) => processor.toFixed(1)],
  ['MIPS', 8, ({ mips }) => mips.toFixed(1)],
  ['MEMORY', 8, ({ memory }) => mebibytes(memory)],
  ['IN-USE', 8, ({ inUse }) => mebibytes(inUse)],
  ['SHARED', 8, ({ shared }) => mebibytes(shared)],
  ['SWAPPED', 8, ({ swapped }) => mebibytes(swapped)],
  ['BALLOON', 8, ({ ballooned }) => mebibytes(ballooned)],
  ['EXITS/S', 8, ({ exits }) => String(exits)],
];

export interface TopOptions {
  readonly guests: readonly Guest[];
  /** Host time in ms. */
  readonly now: () => number;
  readonly output?: NodeJS.WriteStream | undefined;
}

export class Top {
  readonly #takers: readonly FigureTaker[];
  readonly #output: NodeJS.WriteStream;
  readonly #terminal: boolean;
  readonly #timer: NodeJS.Timeout;
  readonly #now: () => number;
  readonly #notes: string[] = [];
  #shown = false;
  #closed = false;

  /** Begins at once. */
  constructor({ guests, now, output = process.stdout }: TopOptions) {
    this.#takers = guests.map((guest) => new FigureTaker(guest, now));
    this.#output = output;
    this.#terminal = output.isTTY === true;
    this.#now = now;
    this.show();
    this.#timer = setInterval(() => this.#draw(), INTERVAL);
    process.on('exit', this.#leave);
  }

  /** A line about the emulator itself. */
  note(line: string): void {
    this.#notes.push(line);
    if (!this.#shown) process.stderr.write(`vetro: ${line}\n`);
  }

  /** Takes the terminal, until `hide` gives it back. In a pipe, nothing happens. */
  show(): void {
    if (!this.#terminal || this.#shown || this.#closed) return;
    this.#shown = true;
    this.#output.write(`${ENTER}${HOME}${END_OF_SCREEN}`);
  }

  hide(): void {
    this.#leave();
  }

  /** Draws for the last time, and gives the terminal back: the last table stays there, and what there was to say. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    process.off('exit', this.#leave);
    const lines = this.#lines();
    const wasShown = this.#shown;
    this.#leave();
    if (!wasShown) return;
    for (const line of lines) this.#output.write(`${line}\n`);
    for (const line of this.#notes) process.stderr.write(`vetro: ${line}\n`);
  }

  readonly #leave = (): void => {
    if (this.#shown) this.#output.write(LEAVE);
    this.#shown = false;
  };

  #draw(): void {
    if (!this.#terminal) return this.#print();
    if (!this.#shown) return;
    const lines = [...this.#lines(), '', ...this.#notes.slice(-NOTES), chalk.dim('Ctrl-A x quits, Ctrl-A c: monitor')];
    this.#output.write(`${HOME}${lines.map((line) => line + END_OF_LINE).join('')}${END_OF_SCREEN}`);
  }

  #print(): void {
    const time = Math.round(this.#now());
    // A reader that is slow misses some.
    if (this.#output.writableLength > 0) return;
    for (const taker of this.#takers) this.#output.write(`${JSON.stringify({ time, ...taker.take() })}\n`);
  }

  #lines(): string[] {
    const all = this.#takers.map((taker) => taker.take());
    const width = this.#output.columns ?? 80;
    const row = (cells: readonly string[]): string =>
      cells
        .map((cell, index) => padded(cell, COLUMNS[index][1]))
        .join(' ')
        .slice(0, width);
    return [
      chalk.bold(row(COLUMNS.map(([title]) => title))),
      ...all.map((figures) => row(COLUMNS.map(([, , show]) => show(figures)))),
    ];
  }
}

/** Longer texts of the left are cut; numbers never are. */
function padded(text: string, width: number): string {
  return width < 0 ? text.slice(0, -width).padEnd(-width) : text.padStart(width);
}
