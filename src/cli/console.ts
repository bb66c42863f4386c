/**
 * The user's terminal, or pipe, at the guests' serial ports: input goes to the guest in front, Ctrl-A begins a command.
 *
 * On a terminal every key goes to the guest at once (raw mode); whatever ends the process, the terminal is put back.
 * From a pipe, input waits until the guest listens; after its end the guest gets Ctrl-D whenever it falls silent, as a
 * shell reading from the pipe itself would see the end.
 */
import chalk from 'chalk';
import type { PcGuest as Guest } from '../hypervisor/create-guest.ts';

export interface ConsoleOptions {
  readonly guests: readonly Guest[];
  /** False: only the commands work, keys are not sent. */
  readonly serialInput: boolean;
  /** Runs the monitor; the console takes its hands off the input until it resolves. */
  readonly onMonitor: (guest: Guest, end: AbortSignal) => Promise<'continue' | 'paused' | 'quit'>;
  readonly onQuit: () => void;
}

const CTRL_A = 0x01;
const CTRL_D = 0x04;
const HELP = 'Ctrl-A x quit, c monitor, n next guest, a send Ctrl-A';
/** Silence, in ns of guest time, after which a guest whose input has ended gets another Ctrl-D. */
const SILENCE = 1_000_000_000;
/** How often, in ms, a piped guest is looked at. */
const LOOK = 20;

export class Console {
  readonly #options: ConsoleOptions;
  readonly #terminal = process.stdin.isTTY === true;
  #front = 0;
  /** Ctrl-A was typed; the next key is a command. */
  #escaped = false;
  #inMonitor = false;
  #feeder: NodeJS.Timeout | undefined;
  /** The console is closed, and the monitor with it. */
  readonly #end = new AbortController();

  constructor(options: ConsoleOptions) {
    this.#options = options;
    process.on('exit', this.#restoreTerminal);
    if (this.#terminal) this.#takeTerminal();
    else if (options.serialInput) this.#takePipe();
  }

  /** The guest that gets the keys. */
  get front(): Guest {
    return this.#options.guests[this.#front]!;
  }

  /** A line about the emulator itself. */
  report(text: string): void {
    process.stderr.write(this.#terminal ? `\r\n${chalk.dim(`[vetro] ${text}`)}\r\n` : `vetro: ${text}\n`);
  }

  /** Gives terminal and process back. */
  close(): void {
    this.#end.abort();
    clearInterval(this.#feeder);
    process.stdin.removeAllListeners('data').removeAllListeners('end').pause();
    process.stdin.unref?.();
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

  readonly #onKeys = (keys: Buffer): void => {
    if (this.#inMonitor) return;
    const passed: number[] = [];
    for (const key of keys) {
      if (this.#escaped) {
        this.#escaped = false;
        if (key === CTRL_A || key === 0x61) passed.push(CTRL_A);
        else this.#command(String.fromCharCode(key));
      } else if (key === CTRL_A) this.#escaped = true;
      else passed.push(key);
    }
    if (passed.length > 0 && this.#options.serialInput) this.front.serial.write(Uint8Array.from(passed));
  };

  #command(key: string): void {
    switch (key) {
      case 'x':
        return this.#options.onQuit();
      case 'c':
        void this.openMonitor(this.front);
        return;
      case 'n':
        this.#front = (this.#front + 1) % this.#options.guests.length;
        return this.report(`keys go to ${this.front.name}`);
      default:
        return this.report(HELP);
    }
  }

  /** Looks into a guest, which is paused for it; at once, unless somebody looks into one already. */
  async openMonitor(guest: Guest): Promise<void> {
    if (!this.#terminal || this.#end.signal.aborted) return;
    if (this.#inMonitor) {
      if (guest !== this.front) this.report(`${guest.name} has met a breakpoint`);
      return;
    }
    this.#inMonitor = true;
    this.#front = this.#options.guests.indexOf(guest);
    process.stdin.off('data', this.#onKeys);
    process.stdin.setRawMode(false);
    const answer = await this.#options.onMonitor(guest, this.#end.signal);
    this.#inMonitor = false;
    if (this.#end.signal.aborted) return;
    if (answer === 'quit') return this.#options.onQuit();
    this.#takeTerminal();
    if (answer === 'continue' && (guest.state === 'paused' || guest.state === 'created')) void guest.run();
    const goesOn = guest.state === 'running' ? 'goes on' : 'stays paused; Ctrl-A c, then c, continues';
    this.report(`${guest.name} ${goesOn}`);
  }

  /** All guests get the same input; each at its own pace. */
  #takePipe(): void {
    const feeds = this.#options.guests.map((guest) => new Feed(guest));
    process.stdin.on('data', (bytes: Buffer) => {
      for (const feed of feeds) feed.push(bytes);
    });
    process.stdin.on('end', () => {
      for (const feed of feeds) feed.end();
    });
    process.stdin.resume();
    this.#feeder = setInterval(() => {
      for (const feed of feeds) feed.look();
    }, LOOK);
  }
}

/** Input of one guest from a pipe. */
class Feed {
  readonly #guest: Guest;
  readonly #waiting: Buffer[] = [];
  #ended = false;
  /** Guest time of its last sign of life. */
  #heardAt = 0;

  constructor(guest: Guest) {
    this.#guest = guest;
    guest.serial.on('data', () => {
      this.#heardAt = guest.machine.time;
    });
  }

  push(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.look();
  }

  end(): void {
    this.#ended = true;
  }

  look(): void {
    const { machine, serial } = this.#guest;
    if (!machine.serialListening) return;
    for (const bytes of this.#waiting.splice(0)) serial.write(bytes);
    if (!this.#ended || serial.pending > 0 || machine.time - this.#heardAt < SILENCE) return;
    this.#heardAt = machine.time;
    serial.write(Uint8Array.of(CTRL_D));
  }
}
