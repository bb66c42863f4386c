/** A guest that has been started in an emulator, and does what it is told on its serial line. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { CleanUp } from './clean-up.ts';
import type { Invocation } from './emulators.ts';
import { type Marker, MarkerReader } from './marker-reader.ts';
import { startBehind } from './priority.ts';
import { between, type Interval, residentMemory, type Sample, sampleBeforeStart, takeSample } from './schedstat.ts';

/** In ms. */
const SHORTEST_WAIT = 50;

/** The guest did not get that far in time; its emulator has been ended. */
export class TimeLimit extends Error {}
/** The emulator ended by itself. */
export class Ended extends Error {}

export interface CommandResult {
  /** From the marker before to the marker behind. Undefined if both were read at once: it was too short, or we too late. */
  readonly time: Interval | undefined;
  readonly status: number;
  readonly output: string;
}

export class GuestSession {
  readonly #child: ChildProcess;
  readonly #reader = new MarkerReader();
  readonly #release: () => void;
  readonly #closed: Promise<void>;
  #boot: Interval | undefined;
  #resident = Number.NaN;
  #errors = '';
  #onMarker: (marker: Marker, moment: Sample) => void = () => {};
  #onEnd: ((error: Error) => void) | undefined;
  #failure: Error | undefined;

  /**
   * Starts an emulator and waits for the guest's first marker.
   * @param limit in ms
   * @throws TimeLimit, Ended
   */
  static async boot(invocation: Invocation, cleanUp: CleanUp, limit: number): Promise<GuestSession> {
    const start = sampleBeforeStart();
    const session = new GuestSession(invocation, cleanUp);
    try {
      await session.#wait<void>(limit, (resolve) => {
        session.#onMarker = (marker, moment) => {
          if (marker.kind !== 'ready') return;
          session.#boot = between(start, moment);
          session.#resident = residentMemory(session.pid);
          resolve();
        };
      });
    } catch (error) {
      await session.close();
      throw error;
    }
    return session;
  }

  private constructor({ command, args }: Invocation, cleanUp: CleanUp) {
    this.#child = startBehind(() => spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] }));
    this.#release = cleanUp.add(() => this.#child.kill('SIGKILL'));
    // It may end while something is written to it; then 'close' says so.
    this.#child.stdin!.on('error', () => {});
    this.#child.stdout!.setEncoding('latin1').on('data', (text: string) => this.#take(text));
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-500);
    });
    this.#closed = new Promise((resolve) => {
      const end = (error: Error): void => {
        this.#failure ??= error;
        this.#onEnd?.(this.#failure);
        resolve();
      };
      this.#child.once('error', (error) => end(new Ended(`${command} cannot be started: ${error.message}`)));
      this.#child.once('close', (status, signal) =>
        end(new Ended(`the emulator ended (${signal ?? status}) after: ${this.#errors.trim() || this.#reader.recent}`)),
      );
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** From the start of the process to the guest's first marker. */
  get bootTime(): Interval {
    return this.#boot!;
  }

  /** Of the process at that marker, in bytes. */
  get residentAtPrompt(): number {
    return this.#resident;
  }

  /** The emulator does not run any more. */
  get ended(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * Has the guest's shell do something, and waits for its end. A guest that exceeds the limit (ms, without what it
   * waited for a processor) is gone.
   * @throws TimeLimit, Ended
   */
  run(name: string, command: string, limit: number): Promise<CommandResult> {
    return this.#wait(limit, (resolve) => {
      let start: Sample | undefined;
      this.#onMarker = (marker, moment) => {
        if (marker.kind === 'ready' || marker.name !== name) return;
        if (marker.kind === 'start') start = moment;
        else if (start)
          resolve({
            time: start === moment ? undefined : between(start, moment),
            status: marker.status,
            output: marker.output,
          });
      };
      this.#child.stdin!.write(`run ${name} ${quoted(command)}\n`);
    });
  }

  /** Stops the process. A guest whose time follows the wall clock finds, later, that much has passed. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** Ends the emulator. */
  async close(): Promise<void> {
    this.#release();
    await this.#closed;
  }

  #take(text: string): void {
    const markers = this.#reader.put(text);
    if (markers.length === 0) return;
    const moment = takeSample(this.pid);
    for (const marker of markers) this.#onMarker(marker, moment);
  }

  async #wait<Result>(limit: number, begin: (resolve: (result: Result) => void) => void): Promise<Result> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Result>((resolve, reject) => {
        if (this.#failure) throw this.#failure;
        this.#onEnd = reject;
        const start = takeSample(this.pid);
        const check = (): void => {
          const left = limit - between(start, takeSample(this.pid)).corrected;
          if (left <= 0) reject(new TimeLimit(`more than ${limit / 1000} s`));
          else timer = setTimeout(check, Math.max(left, SHORTEST_WAIT));
        };
        timer = setTimeout(check, limit);
        begin(resolve);
      });
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      clearTimeout(timer);
      this.#onEnd = undefined;
      this.#onMarker = () => {};
    }
  }
}

/** One word of the guest's shell. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
