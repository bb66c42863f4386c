/**
 * `npm run bench`: Linux guests under Vetro beside v86, QEMU and, if wanted, an older Vetro, in one run.
 *
 *   npm run bench                          everything
 *   npm run bench -- --quick               in about five minutes
 *   npm run bench -- --base da6d244 system one group, beside that revision
 *   npm run bench -- --help                all options
 */
import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { UserError } from '../src/base/errors.ts';
import { fetchSystem } from '../src/cli/fetch/debian.ts';
import { checkOutput, writeUserFile } from '../src/cli/files.ts';
import { createProgress } from '../src/cli/progress.ts';
import { debianModules } from '../test/support/debian-modules.ts';
import { buildTree, checkOut, describeTree, ROOT, resolveRevision } from './base-revision.ts';
import { measureLibrary } from './child-library.ts';
import { CleanUp } from './clean-up.ts';
import { writeDiskImage } from './disk-image.ts';
import {
  type Emulator,
  type EmulatorName,
  type GuestSystem,
  qemu,
  qemuVersion,
  v86,
  v86Version,
  vetro,
} from './emulators.ts';
import { measureIdle, measureIdleDemo, measureLibraryOf } from './figures.ts';
import { addModules, buildGuestImage } from './guest-image.ts';
import { measureHypervisor } from './hypervisor.ts';
import { type BenchOptions, HELP, parseOptions } from './options.ts';
import { needsDisk } from './programs.ts';
import { type EmulatorFigures, figureRemarks, figureTable, plain, programTable } from './report.ts';
import { runRounds } from './rounds.ts';
import { summarize } from './summary.ts';
import { number } from './table.ts';

/**
 * The ciphers of Debian's kernel are not tested at every boot: as `vetro run` has it. Guests are stopped while others have
 * their turn: no watchdog shall mind.
 */
const COMMAND_LINE = 'console=ttyS0 cryptomgr.notests nowatchdog';

/** Of the disk on IDE. */
const MODULES = ['ata_piix', 'sd_mod'];

const progress = createProgress();

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args[0] === '--library') {
    const { root, system } = JSON.parse(args[1]) as { root: string; system: GuestSystem };
    console.log(JSON.stringify(await measureLibrary(root, system)));
    process.exit();
  }
  if (args[0] === '--v86') {
    // Not before it is wanted: no other process shall carry it.
    const { runV86 } = await import('./child-v86.ts');
    return runV86(JSON.parse(args[1]));
  }
  if (args[0] === 'hypervisor') {
    if (args.length > 1) throw new UserError('hypervisor takes no options');
    for (const line of await measureHypervisor()) console.log(line);
    process.exit();
  }
  const options = parseOptions(args);
  if (options.help) return console.log(HELP);
  if (options.json !== undefined) checkOutput(options.json);
  const baseCommit = options.base === undefined ? undefined : resolveRevision(options.base);
  const cleanUp = new CleanUp();
  cleanUp.atExit();
  cleanUp.add(() => progress.end());
  const system = await prepareSystem(options, cleanUp);
  const diskSystem = options.selection.programs.some(needsDisk) ? await addDisk(system, options, cleanUp) : undefined;
  const { emulators, remarks } = prepareEmulators(options, baseCommit, cleanUp);
  const run = describeRun(args, system, emulators);
  console.log(run.join('\n'));
  await compare(options, { system, diskSystem, emulators, remarks, run, cleanUp });
}

interface Prepared {
  readonly system: GuestSystem;
  readonly diskSystem: GuestSystem | undefined;
  readonly emulators: readonly Emulator[];
  readonly remarks: string[];
  readonly run: readonly string[];
  readonly cleanUp: CleanUp;
}

async function compare(options: BenchOptions, prepared: Prepared): Promise<void> {
  const { system, emulators, remarks, run, cleanUp } = prepared;
  const { figures: wanted, programs } = options.selection;
  const { bootLimit } = options;
  const rounds =
    programs.length > 0 || wanted.has('boot')
      ? await runRounds({ ...options, ...prepared, programs, boots: wanted.has('boot'), onProgress: progress.show })
      : undefined;
  const figures = new Map<EmulatorName, EmulatorFigures>();
  for (const emulator of emulators) {
    const { name, root } = emulator;
    const idleOptions = { system, cleanUp, length: options.idle, limit: bootLimit };
    if (wanted.size > 0) progress.show(`${emulator.title}: figures`);
    figures.set(name, {
      ...(rounds && { boots: rounds.boots.get(name) ?? [] }),
      ...(wanted.has('idle') && { idle: await measureIdle(emulator, idleOptions) }),
      ...(wanted.has('idle') && root !== undefined && { idleDemo: await measureIdleDemo(root, idleOptions) }),
      ...(wanted.has('creation') &&
        root !== undefined && { library: await measureLibraryOf(root, { system, cleanUp, limit: 2 * bootLimit }) }),
    });
  }
  progress.end();

  const summary = rounds && summarize(programs, rounds.outcomes);
  const all = [
    ...remarks,
    ...(rounds?.remarks ?? []),
    ...(summary?.remarks ?? []),
    ...figureRemarks(emulators, figures),
  ];
  if (summary && programs.length > 0) {
    const compared =
      emulators.length > 1 ? `; then the time of ${emulators[0].title} divided by that of the others` : '';
    console.log(`\nSeconds, medians${compared}`);
    console.log(`\n${programTable(summary, emulators)}`);
    if (summary.programs.some(({ counts }) => !counts)) console.log('* counts in no mean');
  }
  console.log(`\n${figureTable(emulators, figures)}\n`);
  for (const fault of summary?.faults ?? []) console.log(`! FAULT ${fault}`);
  for (const remark of all) console.log(`! ${remark}`);
  console.log(`Load average at the end: ${describeLoad()}.`);
  if (options.json !== undefined) {
    const results = { run, system, emulators, summary, figures, outcomes: rounds?.outcomes, remarks: all };
    writeUserFile(options.json, new TextEncoder().encode(`${JSON.stringify(plain(results), undefined, 2)}\n`));
  }
  if ((summary?.faults.length ?? 0) > 0) process.exitCode = 1;
}

async function prepareSystem({ system, memory }: BenchOptions, cleanUp: CleanUp): Promise<GuestSystem> {
  const { kernel } = await fetchSystem(system, { onProgress: progress.show });
  progress.end();
  const folder = cleanUp.temporaryFolder();
  const initrd = join(folder, 'initrd.cpio');
  buildGuestImage(readFileSync(join(dirname(kernel), 'busybox')), initrd, folder);
  return { kernel, initrd, commandLine: COMMAND_LINE, memory };
}

/** The same with a disk, and the modules that Debian's kernel has for it. */
async function addDisk(system: GuestSystem, options: BenchOptions, cleanUp: CleanUp): Promise<GuestSystem> {
  progress.show('making the disk');
  const folder = cleanUp.temporaryFolder();
  const [initrd, disk] = ['initrd.cpio', 'disk.img'].map((name) => join(folder, name));
  addModules(system.initrd, await debianModules(options.system, MODULES), initrd);
  writeDiskImage(disk);
  progress.end();
  return { ...system, initrd, disk };
}

/** This tree is built too: what is measured shall be what is there. */
function prepareEmulators({ emulators: names }: BenchOptions, baseCommit: string | undefined, cleanUp: CleanUp) {
  const remarks: string[] = [];
  const emulators: Emulator[] = [];
  for (const name of names) {
    if (name === 'vetro') {
      progress.show('building');
      buildTree(ROOT, 'this tree cannot be built');
      emulators.push(vetro('vetro', 'Vetro', ROOT));
    } else if (name === 'qemu') {
      if (qemuVersion() === undefined) remarks.push('QEMU skipped: qemu-system-i386 is not installed');
      else emulators.push(qemu);
    } else if (name !== 'base') emulators.push(v86(name));
    if (emulators.length === 1 && baseCommit !== undefined && !emulators.some(({ name }) => name === 'base')) {
      progress.show('building the base');
      emulators.push(vetro('base', baseCommit.slice(0, 7), checkOut(baseCommit, cleanUp)));
    }
  }
  progress.end();
  if (emulators.length === 0) throw new UserError(remarks[0] ?? 'no emulator is to be measured');
  return { emulators, remarks };
}

function describeRun(args: readonly string[], system: GuestSystem, emulators: readonly Emulator[]): string[] {
  const processors = cpus();
  return [
    `npm run bench${args.length > 0 ? ` -- ${args.join(' ')}` : ''}`,
    `${new Date().toISOString()}, Vetro ${describeTree() ?? 'without git'}, Node ${process.version}, v86 ${v86Version()}, ` +
      `QEMU ${qemuVersion() ?? 'absent'}`,
    `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}, load average ${describeLoad()}`,
    `Guests: ${system.kernel}, ${system.memory} MiB, "${system.commandLine}"`,
    `In turn: ${emulators.map(({ title }) => title).join(', ')}. Times are by the wall clock, without waiting for processors.`,
  ];
}

const describeLoad = (): string => loadavg().map(number).join(' ');

main().then(
  () => {
    // Emulators and folders are gone by now or go at the exit; open pipes of theirs shall not hold us.
    if (!process.argv.includes('--v86')) process.exit();
  },
  (error: unknown) => {
    progress.end();
    console.error(error instanceof UserError ? `bench: ${error.message}` : error);
    process.exit(error instanceof UserError ? 2 : 1);
  },
);
