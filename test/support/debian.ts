/** The real kernel for tests: fetched once into the user's cache, or a reason why there is none. */
import { readFileSync } from 'node:fs';
import { fetchSystem, type SystemName } from '../../src/cli/fetch/debian.ts';
import type { GuestBoot } from '../../src/index.ts';

export { READY_MARKER } from '../../src/cli/fetch/initramfs.ts';

export const COMMAND_LINE = 'console=ttyS0 cryptomgr.notests';

/** `reason` is given when the machine has neither apt with i386 packages nor a filled cache. */
export async function debianBoot(name: SystemName): Promise<{ boot?: GuestBoot; reason?: string }> {
  try {
    const { kernel, initrd } = await fetchSystem(name);
    return { boot: { kernel: readFileSync(kernel), initrd: readFileSync(initrd), commandLine: COMMAND_LINE } };
  } catch (error) {
    return { reason: (error as Error).message };
  }
}

/** What has a serial terminal: a guest, or the command that runs one. */
export interface Conversation {
  readonly serial: {
    on(name: 'data', listener: (bytes: Uint8Array) => void): unknown;
    write(text: string): void;
  };
  on(name: 'exit', listener: (exit: { reason: string }) => void): () => void;
}

/** Someone at a serial terminal: types, and waits for what appears. */
export class Typist {
  readonly #guest: Conversation;
  readonly #prompt: RegExp;
  #transcript = '';
  /** Where the search for the next expected text starts. */
  #from = 0;
  #check = (): void => {};

  /** `prompt`: what the shell says when it is ready for a command. */
  constructor(guest: Conversation, { prompt = PROMPT }: { prompt?: RegExp } = {}) {
    this.#guest = guest;
    this.#prompt = prompt;
    const decoder = new TextDecoder();
    guest.serial.on('data', (bytes) => {
      this.#transcript += decoder.decode(bytes, { stream: true });
      this.#check();
    });
  }

  get transcript(): string {
    return this.#transcript;
  }

  type(text: string): void {
    this.#guest.serial.write(text);
  }

  /** Waits for `expected` after what was waited for before. @returns everything in between. */
  async waitFor(expected: string | RegExp, timeout = 600_000): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#check = () => {};
        reject(new Error(`no ${expected} in: …${this.#transcript.slice(-2000)}`));
      }, timeout);
      const off = this.#guest.on('exit', (exit) => {
        clearTimeout(timer);
        reject(new Error(`the guest ended (${exit.reason}) before ${expected} in: …${this.#transcript.slice(-2000)}`));
      });
      // What has been looked at once is not looked at again: a command may print megabytes, a few bytes at a time.
      let looked = this.#from;
      this.#check = () => {
        const start = Math.max(this.#from, looked - LONGEST_MATCH);
        const rest = this.#transcript.slice(start);
        looked = this.#transcript.length;
        const match = typeof expected === 'string' ? literal(expected, rest) : expected.exec(rest);
        if (!match) return;
        const between = this.#transcript.slice(this.#from, start + match.index);
        this.#check = () => {};
        off();
        clearTimeout(timer);
        this.#from = start + match.index + match[0].length;
        resolve(between);
      };
      this.#check();
    });
  }

  /** Runs a command in the shell. @returns what it printed. */
  async command(line: string): Promise<string> {
    this.type(`${line}\r`);
    await this.waitFor('\n'); // the echo
    return (await this.waitFor(this.#prompt)).replaceAll('\r', '').replaceAll(ASK_CURSOR, '').trimEnd();
  }
}

/** Nothing that is waited for is longer. */
const LONGEST_MATCH = 256;

/** The shell's prompt, then the question for the cursor's place with which it begins to edit a line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence is what is looked for
export const PROMPT = /\n?[~/][^\n]* # \x1b\[6n/;
const ASK_CURSOR = '\x1b[6n';

const literal = (text: string, within: string): { index: number; 0: string } | undefined => {
  const index = within.indexOf(text);
  return index < 0 ? undefined : { index, 0: text };
};
