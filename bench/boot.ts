/**
 * Debian to the shell prompt: the same kernel, initrd and command line in every emulator, from the start of the process
 * to the marker that /init writes; and what Vetro's process weighs there.
 *
 * Runs of the emulators alternate. v86 without JIT takes minutes: it runs less often.
 */
import { type BootResult, type EmulatorName, runBoot, TITLES, whyAbsent } from './emulators.ts';
import type { TimeBasis } from './measurement.ts';
import { median } from './statistics.ts';
import { number, table, times } from './table.ts';

export interface BootFiles {
  /** Paths. */
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
  /** RAM in MiB. */
  readonly memory: number;
}

export interface BootOptions {
  readonly files: BootFiles;
  /** Runs of each emulator; an odd number. */
  readonly runs: number;
  /** Runs of v86 without JIT. */
  readonly slowRuns: number;
  readonly basis: TimeBasis;
  /** Time limit of a run in ms. */
  readonly limit: number;
  readonly onProgress: (text: string) => void;
}

const COMPETITORS: readonly EmulatorName[] = ['vetro', 'vetro-host-clock', 'v86', 'v86-jit', 'qemu'];
const SLOW: readonly EmulatorName[] = ['v86', 'v86-jit'];
const GOAL = 4;
const MEMORY_GOAL = 120;
const MIB = 2 ** 20;

export async function compareBoot(options: BootOptions): Promise<string> {
  const { basis, files, limit } = options;
  const remarks: string[] = [];
  const present = COMPETITORS.filter((emulator) => {
    const reason = whyAbsent(emulator);
    if (reason) remarks.push(`${TITLES[emulator]} skipped: ${reason}`);
    return reason === undefined;
  });
  const results = new Map<EmulatorName, BootResult[]>(present.map((emulator) => [emulator, []]));
  for (let run = 1; run <= options.runs; run++) {
    for (const emulator of present) {
      const runs = SLOW.includes(emulator) ? options.slowRuns : options.runs;
      if (run > runs) continue;
      options.onProgress(`boot, ${TITLES[emulator]}, ${run} of ${runs}`);
      const result = await runBoot({ kind: 'boot', emulator, boot: files }, limit);
      if (result) results.get(emulator)!.push(result);
      else remarks.push(`${TITLES[emulator]}: run ${run} did not reach the prompt in ${number(limit / 1000)} s`);
    }
  }

  const seconds = (emulator: EmulatorName) =>
    median(results.get(emulator)?.map(({ span }) => span[basis] / 1000) ?? []);
  const own = seconds('vetro');
  const rows = present.map((emulator) => {
    const all = results.get(emulator)!;
    const spans = all.map(({ span }) => span[basis] / 1000);
    const fromPowerOn = all.flatMap(({ fromPowerOn }) => (fromPowerOn ? [fromPowerOn[basis] / 1000] : []));
    const instructions = all[0]?.prompt.instructions;
    return [
      TITLES[emulator],
      String(all.length),
      number(median(spans)),
      all.length > 0 ? `${number(Math.min(...spans))}–${number(Math.max(...spans))}` : '–',
      number(median(fromPowerOn)),
      emulator === 'vetro' ? '' : times(seconds(emulator) / own),
      number(median(all.map(({ prompt }) => prompt.resident / MIB))),
      number(instructions && instructions / 1e6),
    ];
  });
  const head = ['', 'runs', 'prompt s', 'least–greatest', 'from power-on s', 'vs Vetro', 'resident MiB', 'Minstr'];
  const ratio = seconds('v86') / own;
  return [
    `Boot to prompt: ${files.kernel}, ${files.memory} MiB, "${files.commandLine}"`,
    '',
    table(head, rows),
    '',
    Number.isNaN(ratio)
      ? `Goal: at least ${GOAL}× faster than v86 without JIT. Not measured.`
      : `Goal: at least ${GOAL}× faster than v86 without JIT. Measured: ${times(ratio)}, ${ratio >= GOAL ? 'reached' : 'NOT reached'}.`,
    ...describeMemory(results.get('vetro')!),
    ...remarks.map((remark) => `! ${remark}`),
  ].join('\n');
}

/** Medians over Vetro's runs of what its process weighs at the prompt. */
function describeMemory(runs: readonly BootResult[]): string[] {
  if (runs.length === 0) return [];
  const middle = (pick: (prompt: BootResult['prompt']) => number | undefined) =>
    median(runs.map(({ prompt }) => (pick(prompt) ?? Number.NaN) / MIB));
  const resident = middle(({ resident }) => resident);
  const touched = middle(({ touched }) => touched);
  const before = middle(({ residentBefore }) => residentBefore);
  const own = resident - touched;
  return [
    `Goal: resident below ${MEMORY_GOAL} MiB plus what the guest touched. Measured: ${number(resident)} MiB resident, ` +
      `${number(touched)} MiB touched, ${number(own)} MiB besides (${number(before)} of it Node with this program), ` +
      `${own < MEMORY_GOAL ? 'reached' : 'NOT reached'}.`,
  ];
}
