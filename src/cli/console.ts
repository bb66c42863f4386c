/**
 * The user's terminal, or pipe, at the guests' serial ports: input goes to the guest in front, Ctrl-A begins a command.
 *
 * On a terminal every key goes to the guest at once (raw mode); whatever ends the process, the terminal is put back.
 * From a pipe, input waits until the guest listens; after its end the guest gets Ctrl-D whenever it falls silent, as a
 * shell reading from the pipe itself would see the end.
 */
import chalk from 'chalk';
import type { PcGuest as Guest } from '../hypervisor/create-guest.ts';
import type { Screen } from './screen.ts';

export interface ConsoleOptions {
  readonly guests: readonly Guest[];
  /** With several guests on a terminal: what shows the one in front. */
  readonly screen?: Screen | undefined;
  /** False: only the commands work, keys are not sent. */
  readonly serialInput: boolean;
  /** Runs the monitor; the console takes its hands off the input until it resolves. */
  readonly onMonitor: (guest: Guest, end: AbortSignal) => Promise<'continue' | 'paused' | 'quit'>;
  readonly onQuit: () => void;
  /** The terminal is gone. */
  readonly onHangUp: () => void;
  /** Takes lines about the emulator itself. Default: standard error. */
  readonly onReport?: ((line: string) => void) | undefined;
  /** Somebody has typed something for a guest. */
  readonly onInput: (guest: Guest) => void;
}

const CTRL_A = 0x01;
const CTRL_D = 0x04;
const HELP = 'Ctrl-A x quit, c monitor, n next guest, s tell the guest the size of the terminal, a send Ctrl-A';
const CARRIAGE_RETURN = '\r';
/** Silence, in ns of guest time, after which a guest whose input has ended gets another Ctrl-D. */
const SILENCE = 1_000_000_000;
/** How often, in ms, a piped guest is looked at. */
const LOOK = 20;
/** Bytes that may wait for a guest; then the pipe is not read. */
const BACKLOG = 1 << 16;
/** After a change of the terminal's size, in ms, it has come to rest. */
const REST = 500;

export class Console {
  readonly #options: ConsoleOptions;
  readonly #terminal = process.stdin.isTTY === true;
  #front: Guest;
  /** Ctrl-A was typed; the next key is a command. */
  #escaped = false;
  #inMonitor = false;
  #feeder: NodeJS.Timeout | undefined;
  /** The console is closed, and the monitor with it. */
  readonly #end = new AbortController();
  #resizing: NodeJS.Timeout | undefined;

  constructor(options: ConsoleOptions) {
    this.#options = options;
    this.#front = options.guests[0];
    process.on('exit', this.#restoreTerminal);
    process.stdin.on('error', options.onHangUp);
    if (this.#terminal) {
      this.#takeTerminal();
      process.stdin.on('end', this.#onEnd);
      process.on('SIGCONT', this.#onContinue);
      process.stdout.on('resize', this.#onResize);
    } else if (options.serialInput) this.#takePipe();
  }

  /** The guest that gets the keys. */
  get front(): Guest {
    return this.#front;
  }

  /** A line about the emulator itself. */
  report(text: string): void {
    if (this.#options.onReport) return this.#options.onReport(text);
    process.stderr.write(this.#terminal ? `\r\n${chalk.dim(`[vetro] ${text}`)}\r\n` : `vetro: ${text}\n`);
  }

  /** Gives terminal and process back. */
  close(): void {
    this.#end.abort();
    clearInterval(this.#feeder);
    clearTimeout(this.#resizing);
    process.stdin.removeAllListeners('data').removeAllListeners('end').pause();
    process.stdin.unref?.();
    process.off('SIGCONT', this.#onContinue);
    process.stdout.off('resize', this.#onResize);
    this.#restoreTerminal();
    process.off('exit', this.#restoreTerminal);
  }

  #takeTerminal(): void {
    process.stdin.setRawMode(true);
    process.stdin.on('data', this.#onKeys);
    process.stdin.resume();
  }

  readonly #restoreTerminal = (): void => {
    if (this.#terminal) process.stdin.setRawMode(false);
  };

  /** The shell that brings us back to the foreground has set the terminal to its own liking. */
  readonly #onContinue = (): void => {
    if (!this.#inMonitor) process.stdin.setRawMode(true);
  };

  readonly #onEnd = (): void => {
    if (!this.#inMonitor) this.#options.onHangUp();
  };

  /** Said once: it may come in the middle of a guest's screen. */
  readonly #onResize = (): void => {
    clearTimeout(this.#resizing);
    this.#resizing = setTimeout(() => {
      process.stdout.off('resize', this.#onResize);
      const line = `to tell it: ${sizeCommand()} (Ctrl-A s types that)`;
      this.report(`the guest cannot see that the terminal has another size now; ${line}`);
    }, REST);
  };

  readonly #onKeys = (keys: Buffer): void => {
    if (this.#inMonitor) return;
    let passed: number[] = [];
    const type = () => {
      if (passed.length > 0) this.#type(Uint8Array.from(passed));
      passed = [];
    };
    for (const key of keys) {
      if (this.#escaped) {
        this.#escaped = false;
        if (key === CTRL_A || key === 0x61) passed.push(CTRL_A);
        else {
          // A command acts on what comes behind it.
          type();
          this.#command(String.fromCharCode(key));
        }
      } else if (key === CTRL_A) this.#escaped = true;
      else passed.push(key);
    }
    type();
  };

  #type(data: Uint8Array | string): void {
    if (!this.#options.serialInput || this.front.state === 'stopped') return;
    this.front.serial.write(data);
    this.#options.onInput(this.front);
  }

  #command(key: string): void {
    switch (key) {
      case 'x':
        return this.#options.onQuit();
      case 'c':
        void this.openMonitor(this.front);
        return;
      case 'n':
        return this.next();
      case 's':
        return this.#type(`${sizeCommand()}${CARRIAGE_RETURN}`);
      default:
        return this.report(HELP);
    }
  }

  /** Brings the next guest that has not stopped to the front. */
  next(): void {
    const { guests } = this.#options;
    const at = guests.indexOf(this.front);
    const others = [...guests.slice(at + 1), ...guests.slice(0, at)];
    this.#bringToFront(others.find(({ state }) => state !== 'stopped') ?? this.front);
  }

  #bringToFront(guest: Guest): void {
    this.#front = guest;
    this.report(`${guest.name} is in front`);
    this.#options.screen?.show(guest);
  }

  /** Looks into a guest, which is paused for it; at once, unless somebody looks into one already. */
  async openMonitor(guest: Guest): Promise<void> {
    if (!this.#terminal || this.#end.signal.aborted) return;
    if (this.#inMonitor) {
      if (guest !== this.front) this.report(`${guest.name} has met a breakpoint`);
      return;
    }
    this.#inMonitor = true;
    if (guest !== this.front) this.#bringToFront(guest);
    process.stdin.off('data', this.#onKeys);
    process.stdin.setRawMode(false);
    const answer = await this.#options.onMonitor(guest, this.#end.signal);
    this.#inMonitor = false;
    if (this.#end.signal.aborted) return;
    if (answer === 'quit') return this.#options.onQuit();
    this.#takeTerminal();
    if (guest.state === 'stopped') return;
    if (answer === 'continue' && (guest.state === 'paused' || guest.state === 'created'))
      guest.run().catch((error: Error) => this.report(error.message));
    const goesOn = guest.state === 'running' ? 'goes on' : 'stays paused; Ctrl-A c, then c, continues';
    this.report(`${guest.name} ${goesOn}`);
  }

  /** All guests get the same input; each at its own pace. */
  #takePipe(): void {
    const feeds = this.#options.guests.map((guest) => new Feed(guest, this.#options.onInput));
    process.stdin.on('data', (bytes: Buffer) => {
      for (const feed of feeds) feed.push(bytes);
      if (feeds.some(({ backlog }) => backlog > BACKLOG)) process.stdin.pause();
    });
    process.stdin.on('end', () => {
      for (const feed of feeds) feed.end();
    });
    process.stdin.resume();
    this.#feeder = setInterval(() => {
      for (const feed of feeds) feed.look();
      if (process.stdin.isPaused() && feeds.every(({ backlog }) => backlog <= BACKLOG)) process.stdin.resume();
    }, LOOK);
  }
}

const sizeCommand = (): string => `stty rows ${process.stdout.rows} cols ${process.stdout.columns}`;

/** Input of one guest from a pipe. */
class Feed {
  readonly #guest: Guest;
  readonly #onInput: (guest: Guest) => void;
  readonly #waiting: Buffer[] = [];
  #ended = false;
  /** Guest time of its last sign of life. */
  #heardAt = 0;

  constructor(guest: Guest, onInput: (guest: Guest) => void) {
    this.#guest = guest;
    this.#onInput = onInput;
    guest.serial.on('data', () => {
      this.#heardAt = guest.machine.time;
    });
  }

  /** Bytes that the guest has not taken. A guest that has stopped takes none: it keeps nobody waiting. */
  get backlog(): number {
    if (this.#guest.state === 'stopped') return 0;
    return this.#waiting.reduce((sum, bytes) => sum + bytes.length, this.#guest.serial.pending);
  }

  push(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.look();
  }

  end(): void {
    this.#ended = true;
  }

  look(): void {
    if (this.#guest.state === 'stopped') this.#waiting.length = 0;
    const { machine, serial } = this.#guest;
    if (!machine.serialListening) return;
    if (this.#waiting.length > 0) this.#onInput(this.#guest);
    for (const bytes of this.#waiting.splice(0)) serial.write(bytes);
    if (!this.#ended || serial.pending > 0 || machine.time - this.#heardAt < SILENCE) return;
    this.#heardAt = machine.time;
    serial.write(Uint8Array.of(CTRL_D));
  }
}
