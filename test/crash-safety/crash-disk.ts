/** A guest's disk with ext4 on it, in one of several kinds of image, and what is wrong with it after a crash. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, copyFileSync, mkdirSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { QEMU_IMG_MISSING, qemuImg } from '../support/qemu-img.ts';
import { lostRecords, SLOT_BYTES, SLOTS } from './crash-records.ts';

export const KINDS = ['raw', 'qcow2', 'overlay'] as const;
export type DiskKind = (typeof KINDS)[number];

const SIZE = '48M';
/** Where Debian has e2fsprogs. */
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
/** Exit status of e2fsck(8): no errors, or errors corrected. */
const FIXED = 1;
/** s_feature_incompat of the superblock, and its bit that says that the journal must be replayed. */
const FEATURES_AT = 1024 + 0x60;
const RECOVER = 4;
/** Exit status of qemu-img check. */
const LEAKS = 3;

const missing = ['mke2fs', 'e2fsck', 'debugfs', 'xz'].find((name) => tool(name, '-V').missing);
export const DISK_TOOLS_MISSING = missing
  ? `no ${missing}, from the packages e2fsprogs and xz-utils`
  : QEMU_IMG_MISSING;

export interface Judgement {
  readonly problems: readonly string[];
  readonly checked: number;
  readonly lost: readonly number[];
  /** Whether the file system was in use, so that the next mount has to replay its journal. */
  readonly needsRecovery: boolean;
}

export class CrashDisk {
  readonly kind: DiskKind;
  readonly name: string;
  /** Where its files are. */
  readonly folder: string;
  /** The value of `--disk`. */
  readonly option: string;
  /** Clusters of the image that are lost to it: the most that were seen. */
  leaks = 0;
  /** The last record that was acknowledged. */
  acknowledged = 0;
  /** As the last crash has left it. */
  needsRecovery = false;
  /** How many crashes it has seen. */
  rounds = 0;
  /** The file that is written. */
  readonly image: string;
  readonly #baseHash: string;

  /** @param folder for its files: must not exist yet @param clusterBytes of a qcow2 image */
  constructor(kind: DiskKind, { folder, clusterBytes }: { readonly folder: string; readonly clusterBytes: number }) {
    this.kind = kind;
    this.name = kind === 'qcow2' ? `${kind} (clusters of ${clusterBytes})` : kind;
    this.folder = folder;
    const base = join(folder, 'base.img');
    mkdirSync(join(folder, 'content', 'records'), { recursive: true });
    mkdirSync(join(folder, 'content', 'bulk'));
    writeFileSync(join(folder, 'content', 'log'), '');
    writeFileSync(join(folder, 'content', 'slots'), new Uint8Array(SLOTS * SLOT_BYTES));
    const made = tool('mke2fs', '-q', '-t', 'ext4', '-d', join(folder, 'content'), base, SIZE);
    if (made.status !== 0) throw new Error(`mke2fs: ${made.output}`);
    this.#baseHash = hashOf(base);
    this.image = kind === 'raw' ? base : join(folder, `${kind}.qcow2`);
    if (kind === 'qcow2') qemuImg('convert', '-O', 'qcow2', '-o', `cluster_size=${clusterBytes}`, base, this.image);
    this.option = kind === 'overlay' ? `file=${base},overlay=${this.image}` : `file=${this.image},write=through`;
  }

  /** Looks at the disk as a crash has left it, which stays as it is. */
  judge(): Judgement {
    const problems = [...this.#checkImage()];
    const copy = join(this.folder, 'copy.img');
    const out = join(this.folder, 'out');
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out);
    if (this.kind === 'raw') copyFileSync(this.image, copy);
    else qemuImg('convert', '-O', 'raw', this.image, copy);
    const needsRecovery = (featuresOf(copy) & RECOVER) !== 0;
    const repair = tool('e2fsck', '-fp', copy);
    if (repair.status > FIXED) problems.push(`e2fsck: ${repair.output}`);
    if (needsRecovery !== repair.output.includes('recovering journal'))
      problems.push(`e2fsck replayed ${needsRecovery ? 'no' : 'a'} journal: ${repair.output}`);
    const again = tool('e2fsck', '-fn', copy);
    if (again.status !== 0) problems.push(`e2fsck, once more: ${again.output}`);
    writeFileSync(
      join(this.folder, 'commands'),
      `dump log ${out}/log\ndump slots ${out}/slots\nrdump records ${out}\n`,
    );
    tool('debugfs', '-f', join(this.folder, 'commands'), copy);
    return { ...lostRecords(out, this.acknowledged), problems, needsRecovery };
  }

  /** @returns what is wrong with the image once leaks are repaired, or with what is under it */
  retire(): string[] {
    const problems = [];
    if (this.kind === 'overlay' && hashOf(join(this.folder, 'base.img')) !== this.#baseHash)
      problems.push('the image under the overlay has changed');
    if (this.kind !== 'raw') {
      tool('qemu-img', 'check', '-r', 'leaks', this.image);
      const { status, output } = tool('qemu-img', 'check', this.image);
      if (status !== 0) problems.push(`qemu-img check, leaks being repaired: ${output}`);
    }
    if (problems.length === 0) rmSync(this.folder, { recursive: true });
    return problems;
  }

  *#checkImage(): Generator<string> {
    // An overlay is made by the first run.
    if (this.kind === 'raw') return;
    const { status, output } = tool('qemu-img', 'check', '--output=json', this.image);
    if (status !== 0 && status !== LEAKS) yield `qemu-img check: ${output}`;
    if (status === LEAKS) this.leaks = Math.max(this.leaks, Number(/"leaks": (\d+)/.exec(output)?.[1]));
  }
}

function featuresOf(path: string): number {
  const bytes = Buffer.alloc(4);
  const file = openSync(path, 'r');
  readSync(file, bytes, 0, 4, FEATURES_AT);
  closeSync(file);
  return bytes.readUInt32LE(0);
}

const hashOf = (path: string): string => createHash('md5').update(readFileSync(path)).digest('hex');

function tool(name: string, ...args: string[]): { status: number; output: string; missing: boolean } {
  const { status, stdout, stderr, error } = spawnSync(name, args, { encoding: 'utf8', env: { ...process.env, PATH } });
  return { status: status ?? -1, output: `${stdout}${stderr}`, missing: error !== undefined };
}
