/** The command `vetro` on a terminal of its own: a pseudo-terminal that `script` (util-linux) opens. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { EventSource } from '../../src/base/event-source.ts';
import type { Conversation } from './debian.ts';

export const hasScript = spawnSync('script', ['--version']).error === undefined;

/** Printed after the command has ended, if it has left the terminal's settings as it found them. */
export const RESTORED = 'terminal restored';
export const ROWS = 30;
export const COLUMNS = 100;

export class Terminal implements Conversation {
  readonly #child: ChildProcess;
  readonly #events = new EventSource<{ data: [bytes: Uint8Array]; exit: [exit: { reason: string }] }>({
    onListenerError: (error) => {
      throw error;
    },
  });
  readonly #ended: Promise<number | null>;

  /** Runs `words` as a command. */
  constructor(words: readonly string[]) {
    const command = words.map((word) => `'${word}'`).join(' ');
    const line = [
      `stty rows ${ROWS} cols ${COLUMNS}; before=$(stty -g)`,
      `${command}; status=$?`,
      `[ "$before" = "$(stty -g)" ] && echo ${RESTORED}; exit $status`,
    ].join('\n');
    this.#child = spawn('script', ['-q', '-e', '-c', line, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdin!.on('error', () => {}); // it may have ended
    this.#child.stdout!.on('data', (bytes: Buffer) => this.#events.emit('data', bytes));
    this.#ended = new Promise((resolve) => {
      this.#child.on('close', (status) => {
        this.#events.emit('exit', { reason: `status ${status}` });
        resolve(status);
      });
    });
  }

  readonly serial = {
    on: (name: 'data', listener: (bytes: Uint8Array) => void) => this.#events.on(name, listener),
    write: (text: string) => void this.#child.stdin!.write(text),
  };

  /** `listener` is called at once if it has ended already. */
  on(name: 'exit', listener: (exit: { reason: string }) => void): () => void {
    if (this.#child.exitCode !== null) listener({ reason: `status ${this.#child.exitCode}` });
    return this.#events.on(name, listener);
  }

  /** The exit status of the command. */
  get ended(): Promise<number | null> {
    return this.#ended;
  }

  kill(): void {
    this.#child.kill();
  }
}
