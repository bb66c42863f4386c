/** `vetro run --profile`: profiles the guests, and at the end writes the file and the summary. */
import chalk from 'chalk';
import { UserError } from '../base/errors.ts';
import { AddressNamer } from '../debug/profile/address-namer.ts';
import { writeCollapsedStacks } from '../debug/profile/collapsed-stacks.ts';
import { type GuestProfile, GuestProfiler } from '../debug/profile/guest-profiler.ts';
import { createSpeedscopeFile } from '../debug/profile/speedscope.ts';
import { summarize } from '../debug/profile/summary.ts';
import { readSymbolFile } from '../debug/profile/symbol-file.ts';
import type { PcGuest as Guest } from '../hypervisor/create-guest.ts';
import { checkOutput, type FileLimit, isSameFile, packageVersion, readUserFile, writeUserFile } from './files.ts';

export interface ProfileOutputOptions {
  /** Ends with .txt or .collapsed for collapsed stacks; else it is a speedscope file. */
  readonly path: string;
  readonly interval: number | undefined;
  /** Paths of files that name addresses. */
  readonly symbols: readonly string[];
  /** Paths that are read besides, and must not be written over. */
  readonly inputs: readonly string[];
  /** Host time in ms. */
  readonly now: () => number;
}

const SYMBOLS_LIMIT: FileLimit = { bytes: 2 ** 29, because: 'no file of symbols may be larger' };
const COLLAPSED = /\.(txt|collapsed)$/;

export class ProfileOutput {
  readonly #options: ProfileOutputOptions;
  readonly #namer: AddressNamer;
  readonly #profilers: GuestProfiler[] = [];

  /** @throws UserError for symbols that cannot be used, and a file that cannot be written */
  constructor(options: ProfileOutputOptions) {
    const { path, symbols, inputs } = options;
    this.#options = options;
    this.#namer = new AddressNamer(
      symbols.map((name) => readSymbolFile(readUserFile(name, 'symbols', SYMBOLS_LIMIT), name)),
    );
    if ([...symbols, ...inputs].some((input) => isSameFile(input, path)))
      throw new UserError(`--profile ${path} would write over what is read: give another file`);
    checkOutput(path);
  }

  /** From its first instruction on. */
  watch(guest: Guest): void {
    const { interval, now } = this.#options;
    this.#profilers.push(new GuestProfiler(guest.machine.processor, { interval, now }));
  }

  /** Writes the file, and the summary to standard error. Before the guests are disposed. @throws UserError if it cannot */
  finish(): void {
    const { path } = this.#options;
    const profiles = this.#profilers.map(({ profile }) => profile);
    if (profiles.length === 0) return;
    writeUserFile(path, new TextEncoder().encode(this.#format(profiles)));
    const style = { strong: chalk.bold, faint: chalk.dim };
    const lines = profiles.flatMap((profile) => [...summarize(profile, this.#namer, style), '']);
    process.stderr.write(`${lines.join('\n')}profile written to ${path}\n`);
  }

  #format(profiles: readonly GuestProfile[]): string {
    const { path } = this.#options;
    if (COLLAPSED.test(path)) return writeCollapsedStacks(profiles, this.#namer);
    const names = {
      name: `vetro: ${profiles.map(({ name }) => name).join(', ')}`,
      exporter: `vetro ${packageVersion()}`,
    };
    return `${JSON.stringify(createSpeedscopeFile(profiles, this.#namer, names))}\n`;
  }
}
