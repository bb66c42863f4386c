/** What an emulator's process tells the benchmark, and the clocks it is measured with. */
import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds by the wall clock, and of processor time, all threads together. */
export interface Span {
  readonly wall: number;
  readonly cpu: number;
}
export type TimeBasis = keyof Span;

/** One round of a program. */
export interface Round {
  readonly span: Span;
  /** What the program computed: eight hex digits. */
  readonly checksum: string;
  /** From marker to marker, where the emulator counts them. */
  readonly instructions?: number;
}

/** What is known at the shell prompt. */
export interface Prompt {
  /** Resident memory of the process, in bytes. */
  readonly resident: number;
  /** The same when nothing but Node had started. */
  readonly residentBefore?: number;
  /** Bytes of guest memory that the guest has touched. */
  readonly touched?: number;
  readonly instructions?: number;
}

/** Messages from an emulator's process, one line of JSON each. `started`: loaded and compiled, the guest begins. */
export type Message =
  | { readonly kind: 'started' }
  | { readonly kind: 'round'; readonly round: Round }
  | { readonly kind: 'prompt'; readonly prompt: Prompt };

/** Now, by both clocks of this process. */
export function now(): Span {
  const { user, system } = process.cpuUsage();
  return { wall: performance.now(), cpu: (user + system) / 1000 };
}

export const since = (start: Span, end = now()): Span => ({ wall: end.wall - start.wall, cpu: end.cpu - start.cpu });

const NS_PER_MS = 1e6;

/** Processor time of another process in ms, all its threads; NaN where the system does not tell (not Linux). */
export function cpuTimeOf(pid: number): number {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    const times = tasks.map((task) =>
      Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ', 1)[0]),
    );
    return times.reduce((sum, time) => sum + time, 0) / NS_PER_MS;
  } catch {
    return Number.NaN;
  }
}

/** Resident memory of another process in bytes; NaN where the system does not tell. */
export function residentMemoryOf(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
  } catch {
    return Number.NaN;
  }
}

/** Finds rounds in what a guest program writes: 'S', 'E', eight hex digits. */
export class RoundReader {
  readonly #now: () => Span;
  readonly #onRound: (span: Span, checksum: string) => void;
  #start: Span | undefined;
  #span: Span | undefined;
  #digits = '';

  constructor(onRound: (span: Span, checksum: string) => void, clock: () => Span = now) {
    this.#onRound = onRound;
    this.#now = clock;
  }

  put(byte: number): void {
    const character = String.fromCharCode(byte);
    if (this.#span) {
      this.#digits += character;
      if (this.#digits.length < 8) return;
      this.#onRound(this.#span, this.#digits);
      [this.#start, this.#span, this.#digits] = [undefined, undefined, ''];
    } else if (character === 'E' && this.#start) this.#span = since(this.#start, this.#now());
    else if (character === 'S') this.#start = this.#now();
  }
}
