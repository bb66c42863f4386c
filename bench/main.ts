/**
 * `npm run bench`: Vetro beside v86 and QEMU, in one run, with medians.
 *
 *   npm run bench                     everything
 *   npm run bench -- --quick          fewer repeats; v86 does not boot
 *   npm run bench -- alu sort boot    only these
 *   npm run bench -- --help           all options
 */

import { createRequire } from 'node:module';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { UserError } from '../src/base/errors.ts';
import { fetchSystem } from '../src/cli/fetch/debian.ts';
import { type BootFiles, compareBoot } from './boot.ts';
import { runVetro } from './child-vetro.ts';
import { qemuVersion, type Task } from './emulators.ts';
import type { Message, TimeBasis } from './measurement.ts';
import { PROGRAM_NAMES, PROGRAMS, type ProgramName } from './programs.ts';
import { compareSpeed } from './speed.ts';
import { number } from './table.ts';

const BOOT = 'boot';
const COMMAND_LINE = 'console=ttyS0';
const BOOT_MEMORY = 512;

const HELP = `npm run bench -- [options] [name …]

Names: ${BOOT}, programs (all programs), or single programs:
${PROGRAM_NAMES.map((name) => `  ${name.padEnd(10)} ${PROGRAMS[name]}`).join('\n')}

Options:
  --quick             1 process of each emulator per program, 1 boot, v86 not booted
  --repeats <n>       processes of each emulator per program (3)
  --rounds <n>        rounds counted in each process (3)
  --warm-up <ms>      time that each process runs before rounds count (2000)
  --boots <n>         boots of each emulator, an odd number (3)
  --slow-boots <n>    boots of v86, with and without JIT (1)
  --limit <seconds>   time limit of one process (600)
  --time wall|cpu     what is compared: the wall clock, or processor time, which a busy machine disturbs less (wall)
  --system <name>     which Debian boots: debian-686 or debian-686-pae (debian-686)
  --help`;

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args[0] === '--child') return runTask(JSON.parse(args[1]) as Task);
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      repeats: { type: 'string' },
      rounds: { type: 'string' },
      'warm-up': { type: 'string', default: '2000' },
      boots: { type: 'string' },
      'slow-boots': { type: 'string' },
      limit: { type: 'string', default: '600' },
      time: { type: 'string', default: 'wall' },
      system: { type: 'string', default: 'debian-686' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(HELP);
  const names = selectNames(positionals);
  if (values.time !== 'wall' && values.time !== 'cpu') throw new UserError('--time is wall or cpu');
  if (values.system !== 'debian-686' && values.system !== 'debian-686-pae') {
    throw new UserError('--system is debian-686 or debian-686-pae');
  }
  const basis: TimeBasis = values.time;
  const choose = (option: 'repeats' | 'rounds' | 'boots' | 'slow-boots', usual: number, quick: number) =>
    wholeNumber(option, values[option] ?? String(values.quick ? quick : usual));
  const limit = wholeNumber('limit', values.limit) * 1000;
  const onProgress = (text: string) => process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : '');
  const report = (text: string) => {
    onProgress('');
    console.log(`\n${text}`);
  };

  console.log(describeRun(args, basis));
  const programs = PROGRAM_NAMES.filter((name) => names.has(name));
  if (programs.length > 0) {
    const warmUp = wholeNumber('warm-up', values['warm-up']);
    const [repeats, rounds] = [choose('repeats', 3, 1), choose('rounds', 3, 3)];
    report(await compareSpeed(programs, { repeats, rounds, warmUp, basis, limit, onProgress }));
  }
  if (names.has(BOOT)) {
    const { kernel, initrd } = await fetchSystem(values.system, { onProgress });
    const files: BootFiles = { kernel, initrd, commandLine: COMMAND_LINE, memory: BOOT_MEMORY };
    const [runs, slowRuns] = [choose('boots', 3, 1), choose('slow-boots', 1, 0)];
    if (runs % 2 === 0) throw new UserError('--boots must be odd');
    report(await compareBoot({ files, runs, slowRuns, basis, limit, onProgress }));
  }
  console.log(`\nLoad average at the end: ${describeLoad()}.`);
}

async function runTask(task: Task): Promise<void> {
  const send = (message: Message) => process.stdout.write(`${JSON.stringify(message)}\n`);
  if (task.emulator === 'vetro' || task.emulator === 'vetro-host-clock') return runVetro(task, send);
  // Not before it is wanted: Vetro's process shall not carry it.
  const { runV86 } = await import('./child-v86.ts');
  runV86(task, send);
}

function selectNames(given: readonly string[]): Set<ProgramName | typeof BOOT> {
  if (given.length === 0) return new Set([...PROGRAM_NAMES, BOOT]);
  return new Set(
    given.flatMap((name) => {
      if (name === 'programs') return PROGRAM_NAMES;
      if (name === BOOT || name in PROGRAMS) return [name as ProgramName | typeof BOOT];
      throw new UserError(`no benchmark '${name}'; there are ${PROGRAM_NAMES.join(', ')}, programs, ${BOOT}`);
    }),
  );
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new UserError(`--${option} must be a whole number`);
  return value;
}

function describeRun(args: readonly string[], basis: TimeBasis): string {
  const processors = cpus();
  const v86 = createRequire(import.meta.url)('v86/package.json') as { version: string };
  return [
    `npm run bench${args.length > 0 ? ` -- ${args.join(' ')}` : ''}`,
    `${new Date().toISOString()}, Node ${process.version}, v86 ${v86.version}, QEMU ${qemuVersion() ?? 'absent'}`,
    `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}, load average ${describeLoad()}`,
    basis === 'wall'
      ? 'Times by the wall clock: what else runs on the machine disturbs them; see the spread.'
      : 'Times are processor time, all threads of a process together.',
  ].join('\n');
}

const describeLoad = (): string => loadavg().map(number).join(' ');

main().catch((error: unknown) => {
  console.error(error instanceof UserError ? `bench: ${error.message}` : error);
  process.exitCode = error instanceof UserError ? 2 : 1;
});
