/**
 * The emulators side by side. Each measurement has a process of its own: this program again with `--child` for Vetro
 * and v86, `qemu-system-i386` for QEMU.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { BootFiles } from './boot.ts';
import {
  cpuTimeOf,
  type Message,
  type Prompt,
  type Round,
  RoundReader,
  residentMemoryOf,
  type Span,
} from './measurement.ts';
import { PROGRAM_MEMORY } from './programs.ts';

export const EMULATORS = ['vetro', 'vetro-host-clock', 'v86', 'v86-jit', 'qemu'] as const;
export type EmulatorName = (typeof EMULATORS)[number];

export const TITLES: Record<EmulatorName, string> = {
  vetro: 'Vetro interpreter',
  'vetro-host-clock': 'Vetro, wall clock',
  v86: 'v86, no JIT',
  'v86-jit': 'v86, JIT',
  qemu: 'QEMU TCG',
};

/** The guest said this on its first serial port. */
export const BOOT_MARKER = 'vetro: shell ready';
const QEMU = 'qemu-system-i386';

/** What a child process is to do: its arguments, as JSON. */
export type Task =
  | { readonly emulator: EmulatorName; readonly kind: 'program'; readonly image: string }
  | { readonly emulator: EmulatorName; readonly kind: 'boot'; readonly boot: BootFiles };

/** Why an emulator cannot take part; undefined if it can. */
export function whyAbsent(emulator: EmulatorName): string | undefined {
  if (emulator !== 'qemu') return undefined;
  const { error } = spawnSync(QEMU, ['--version']);
  return error && `${QEMU} is not installed`;
}

export const qemuVersion = (): string | undefined => {
  const { stdout, error } = spawnSync(QEMU, ['--version'], { encoding: 'utf8' });
  return error ? undefined : /version (\S+)/.exec(stdout)?.[1];
};

export interface BootResult {
  /** From the start of the process to the prompt. */
  readonly span: Span;
  /** From when the emulator was loaded; not known for QEMU. */
  readonly fromPowerOn: Span | undefined;
  readonly prompt: Prompt;
}

export interface ProgramLimits {
  /** Rounds that count, at most. */
  readonly rounds: number;
  /** Rounds before this time, in ms since the first began, do not count, nor does the first: compilers are at work. */
  readonly warmUp: number;
  /** Time limit for all of it, in ms. */
  readonly limit: number;
}

/** Rounds of a program, in a process of its own, that count. Fewer than asked for if the time limit is over first. */
export async function runProgram(task: Task & { kind: 'program' }, limits: ProgramLimits): Promise<Round[]> {
  const rounds: Round[] = [];
  let warm = 0;
  let first = true;
  const add = (round: Round, child: ChildProcess) => {
    if (first || warm < limits.warmUp) warm += round.span.wall;
    else if (rounds.length < limits.rounds) rounds.push(round);
    first = false;
    if (rounds.length === limits.rounds) child.kill('SIGKILL');
  };
  if (task.emulator === 'qemu') {
    const child = startQemu([
      ...['-m', String(PROGRAM_MEMORY), '-kernel', task.image],
      ...['-serial', 'none', '-debugcon', 'stdio'],
    ]);
    const clock = (): Span => ({ wall: performance.now(), cpu: cpuTimeOf(child.pid!) });
    const reader = new RoundReader((span, checksum) => add({ span, checksum }, child), clock);
    child.stdout!.on('data', (bytes: Buffer) => {
      for (const byte of bytes) reader.put(byte);
    });
    await ended(child, limits.limit);
    return rounds;
  }
  await runChild(task, limits.limit, (message, child) => {
    if (message.kind === 'round') add(message.round, child);
  });
  return rounds;
}

/** Boots to the prompt. Undefined if the time limit, in ms, is over first. */
export async function runBoot(task: Task & { kind: 'boot' }, limit: number): Promise<BootResult | undefined> {
  const start = performance.now();
  const clock = (child: ChildProcess): Span => ({ wall: performance.now() - start, cpu: cpuTimeOf(child.pid!) });
  let result: BootResult | undefined;
  if (task.emulator === 'qemu') {
    const { kernel, initrd, commandLine, memory } = task.boot;
    const child = startQemu([
      ...['-m', String(memory), '-kernel', kernel, '-initrd', initrd, '-append', commandLine],
      ...['-serial', 'stdio', '-no-reboot'],
    ]);
    let output = '';
    child.stdout!.on('data', (bytes: Buffer) => {
      output = (output + bytes.toString('latin1')).slice(-4096);
      if (result || !output.includes(BOOT_MARKER)) return;
      result = { span: clock(child), fromPowerOn: undefined, prompt: { resident: residentMemoryOf(child.pid!) } };
      child.kill('SIGKILL');
    });
    await ended(child, limit);
    return result;
  }
  let powerOn: Span | undefined;
  await runChild(task, limit, (message, child) => {
    if (message.kind === 'started') powerOn = clock(child);
    if (message.kind !== 'prompt') return;
    const span = clock(child);
    const fromPowerOn = powerOn && { wall: span.wall - powerOn.wall, cpu: span.cpu - powerOn.cpu };
    result = { span, fromPowerOn, prompt: message.prompt };
    child.kill('SIGKILL');
  });
  return result;
}

function startQemu(options: readonly string[]): ChildProcess {
  const common = ['-accel', 'tcg', '-display', 'none', '-monitor', 'none', '-nodefaults', '-vga', 'std'];
  return spawn(QEMU, [...common, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function runChild(
  task: Task,
  limit: number,
  onMessage: (message: Message, child: ChildProcess) => void,
): Promise<void> {
  const child = spawn(process.execPath, [process.argv[1], '--child', JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  createInterface({ input: child.stdout! }).on('line', (line) => onMessage(parseMessage(line), child));
  await ended(child, limit);
}

function parseMessage(line: string): Message {
  try {
    return JSON.parse(line) as Message;
  } catch (cause) {
    throw new Error(`the emulator's process printed: ${line}`, { cause });
  }
}

/** Resolves when the process has ended and its output is read; ends it after `limit` ms. */
async function ended(child: ChildProcess, limit: number): Promise<void> {
  const timer = setTimeout(() => child.kill('SIGKILL'), limit);
  const stop = () => child.kill('SIGKILL');
  process.once('exit', stop);
  await new Promise<void>((resolve, reject) => child.once('error', reject).once('close', () => resolve()));
  process.off('exit', stop);
  clearTimeout(timer);
}
