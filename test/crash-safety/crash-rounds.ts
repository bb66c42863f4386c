/**
 * Kills `vetro run` with SIGKILL at random moments while its guest writes records, and looks at the disk each time: on the
 * host, and by the guest of the next round, which mounts it.
 *
 * What it does not see: a loss of power. What the emulator has written is in the host's cache, and outlives it; that nothing
 * is missing on stable storage at a flush is what `test/unit/storage` checks, with recorded writes.
 */
import { mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRandom } from '../support/random-transfers.ts';
import { buildVetro, type RunningVetro, type Vetro } from '../support/run-vetro.ts';
import { CrashDisk, type DiskKind, KINDS } from './crash-disk.ts';
import { commandLine, MODES, prepareGuest, readWords } from './crash-guest.ts';
import { expectedFindings, guestParameters } from './crash-records.ts';

/** A disk is replaced after so many kills: young images grow, and looking through old records takes time. */
const LIFE = 10;
const CLUSTER_BYTES = [512, 4096, 65_536];
/** Nothing that is waited for takes longer, in ms, on a busy machine. */
const LIMIT = 300_000;

/**
 * When the process is killed: at some moment after the guest has said something, within such a part of the time that it
 * took until then. So a busy machine does not change what happens meanwhile.
 */
const MOMENTS = [
  { name: 'while it writes', said: /\back \d+\r/, within: 0.4, leaveAfter: undefined, weight: 7 },
  { name: 'while it mounts', said: /\bmounting\r/, within: 0.03, leaveAfter: undefined, weight: 2 },
  { name: 'while it unmounts', said: /\bleaving\r/, within: 0.012, leaveAfter: 12, weight: 1 },
] as const;

export interface CrashTotals {
  kills: number;
  /** Runs that were over before they were killed. */
  tooLate: number;
  acknowledged: number;
  /** Records that were looked for after a kill, summed over all kills; those not found, or not whole. */
  checked: number;
  lost: number;
  /** How often e2fsck replayed a journal, and how often a guest did, who then read all records again. */
  replays: number;
  guestReplays: number;
  guestChecks: number;
  /** Kills before the guest had mounted the disk, which it had begun. */
  midMount: number;
  qcow2Checks: number;
  /** Clusters that images lost. */
  leaks: number;
  readonly moments: Record<string, number>;
  readonly problems: string[];
}

export interface CrashOptions {
  readonly kills: number;
  readonly seed: number;
  /** Is told each kill in a line. */
  readonly say?: (line: string) => void;
  /** No more kills once it is aborted. */
  readonly signal?: AbortSignal;
}

/** What is wrong stands in `problems`; the files of disks with problems are kept. */
export async function killAtRandom({ kills, seed, say = () => {}, signal }: CrashOptions): Promise<CrashTotals> {
  const folder = mkdtempSync(join(tmpdir(), 'vetro-crash-'));
  const vetro = await buildVetro();
  try {
    const rounds = new CrashRounds({ vetro, folder, seed, guest: await prepareGuest(folder) });
    for (let round = 0; rounds.totals.kills < kills && !signal?.aborted; round++) {
      const line = await rounds.next(KINDS[round % KINDS.length]);
      say(`${rounds.totals.kills}/${kills} ${line}`);
    }
    return rounds.end();
  } finally {
    vetro.dispose();
    // Not if there are files of disks with problems in it.
    for (const name of ['kernel', 'initrd']) rmSync(join(folder, name), { force: true });
    attemptToRemove(folder);
  }
}

interface Setting {
  readonly vetro: Vetro;
  readonly folder: string;
  readonly seed: number;
  /** Arguments of `vetro`. */
  readonly guest: readonly string[];
}

class CrashRounds {
  readonly totals: CrashTotals = {
    ...{ kills: 0, tooLate: 0, acknowledged: 0, checked: 0, lost: 0, replays: 0, guestReplays: 0, guestChecks: 0 },
    ...{ midMount: 0, qcow2Checks: 0, leaks: 0, moments: {}, problems: [] },
  };
  readonly #setting: Setting;
  readonly #random: ReturnType<typeof createRandom>;
  readonly #disks = new Map<DiskKind, CrashDisk>();
  #made = 0;

  constructor(setting: Setting) {
    this.#setting = setting;
    this.#random = createRandom(setting.seed);
  }

  /** @returns what happened, in a line */
  async next(kind: DiskKind): Promise<string> {
    const disk = this.#disks.get(kind) ?? this.#makeDisk(kind);
    const mode = this.#random.pick(MODES);
    const moment = this.#random.pick(MOMENTS.flatMap((each) => Array<typeof each>(each.weight).fill(each)));
    const part = this.#random.below(1000) / 1000;
    const leave = disk.acknowledged + 1 + (moment.leaveAfter ?? Number.NEGATIVE_INFINITY);
    const parameters = { ...guestParameters(disk.acknowledged), mode, leave: Math.max(leave, 0) };
    const { vetro, guest } = this.#setting;
    const start = Date.now();
    let delay = 0;
    const run = vetro.start([...guest, '--append', commandLine(parameters), '--disk', disk.option], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    try {
      await withLimit(run.shows(moment.said), () => run.stdout);
      delay = Math.floor((Date.now() - start) * moment.within * part);
      await sleep(delay);
    } finally {
      run.child.kill('SIGKILL');
    }
    const ended = await run.ended;
    const before = disk.acknowledged;
    const wrong = [...this.#listen(disk, { run, mode }), ...this.#judge(disk)];
    if (ended === 'SIGKILL') {
      this.totals.kills++;
      this.totals.moments[moment.name] = (this.totals.moments[moment.name] ?? 0) + 1;
    } else if (ended === 0 && moment.leaveAfter !== undefined) this.totals.tooLate++;
    else wrong.push(`vetro ended by itself (${ended}): ${run.stdout.slice(-500)}${run.stderr}`);
    const what = `${disk.name}, ${mode}, ${ended === 'SIGKILL' ? `killed ${moment.name}` : 'ended'} after ${delay} ms`;
    this.#settle(disk, wrong, what);
    return [`${what}: records ${before + 1} to ${disk.acknowledged}`, ...wrong].join('\n    ');
  }

  /** @returns the totals, all disks being put away */
  end(): CrashTotals {
    for (const disk of this.#disks.values()) this.#retire(disk);
    return this.totals;
  }

  #makeDisk(kind: DiskKind): CrashDisk {
    const folder = join(this.#setting.folder, `disk-${++this.#made}`);
    const disk = new CrashDisk(kind, { folder, clusterBytes: this.#random.pick(CLUSTER_BYTES) });
    this.#disks.set(kind, disk);
    return disk;
  }

  /** Takes down what the guest has said. @returns what is wrong with it */
  *#listen(disk: CrashDisk, { run, mode }: { run: RunningVetro; mode: string }): Generator<string> {
    const words = readWords(run.stdout);
    yield* words.complaints;
    if (run.stderr !== '') yield run.stderr;
    if (!words.inOrder) yield 'records are acknowledged out of order';
    const cache = mode === 'uncached' ? 'write through' : 'write back';
    if (words.cache !== cache) yield `the disk's cache is '${words.cache}'`;
    if (words.mounted && words.replayed !== disk.needsRecovery)
      yield `the guest replayed ${disk.needsRecovery ? 'no' : 'a'} journal`;
    const expected = expectedFindings(disk.acknowledged).slice(0, words.findings.length);
    if (words.findings.join() !== expected.join())
      yield `the guest found ${words.findings.join()}, not ${expected.join()}`;
    if (words.replayed) this.totals.guestReplays++;
    if (words.mounting && !words.mounted) this.totals.midMount++;
    if (words.findings.length === expectedFindings(0).length) this.totals.guestChecks++;
    const last = words.acknowledged ?? disk.acknowledged;
    this.totals.acknowledged += last - disk.acknowledged;
    disk.acknowledged = last;
  }

  *#judge(disk: CrashDisk): Generator<string> {
    const { problems, checked, lost, needsRecovery } = disk.judge();
    yield* problems;
    if (lost.length > 0) yield `lost: ${lost.length} records, from ${lost[0]} on`;
    this.totals.checked += checked;
    this.totals.lost += lost.length;
    if (needsRecovery) this.totals.replays++;
    if (disk.kind !== 'raw') this.totals.qcow2Checks++;
    disk.needsRecovery = needsRecovery;
    disk.rounds++;
  }

  /** A disk goes when it is old or bad. */
  #settle(disk: CrashDisk, wrong: readonly string[], what: string): void {
    if (wrong.length > 0) {
      this.totals.problems.push(`${what} (${disk.folder}): ${wrong.join('; ')}`);
      this.totals.leaks += disk.leaks;
      this.#disks.delete(disk.kind);
    } else if (disk.rounds === LIFE) this.#retire(disk);
  }

  #retire(disk: CrashDisk): void {
    this.#disks.delete(disk.kind);
    this.totals.leaks += disk.leaks;
    this.totals.problems.push(...disk.retire().map((problem) => `${disk.name} (${disk.folder}): ${problem}`));
  }
}

async function withLimit(promise: Promise<void>, shown: () => string): Promise<void> {
  const stop = new AbortController();
  const late = sleep(LIMIT, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`nothing for ${LIMIT} ms after: ${shown().slice(-1000)}`);
  });
  late.catch(() => {});
  await Promise.race([promise, late]).finally(() => stop.abort());
}

function attemptToRemove(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {}
}
