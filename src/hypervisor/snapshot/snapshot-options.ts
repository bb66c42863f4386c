/** What can be asked of a snapshot, and of a guest that is restored from one. */
import { checkBoolean, checkChoice, checkOptions, checkString, checkWholeNumber } from '../../base/argument-check.ts';
import { UserError } from '../../base/errors.ts';
import { ENGINES, type EngineName } from '../../machine/machine.ts';
import { checkCap, checkName, checkWeight, FUEL } from '../options/check-guest-options.ts';
import { type CheckedMedia, checkMedia, checkSource } from '../options/check-media-options.ts';
import { type CheckedCheckpoint, checkCheckpoint } from '../options/checkpoint-options.ts';
import type { ClockMode, GuestOptions, LatencyClass } from '../options/guest-options.ts';
import type { ImageSource, MediaOptions } from '../options/media-options.ts';

export interface SnapshotOptions {
  /**
   * Path of the file to be written, in the place of one that is there; or of a store, which keeps many snapshots, and of
   * each what has changed since the one before: a folder that is one, a path that ends in a slash (it is made if it is not
   * there), or, to give the snapshot a name of yours, `STORE/ID`. Default: the snapshot stays in memory.
   */
  readonly to?: string | undefined;
}

export interface Snapshot {
  /** Bytes of the file; in a store, those that were added. */
  readonly size: number;
  /** The file itself; undefined if it was written to a path. */
  readonly bytes: Uint8Array | undefined;
  /** In a store: what it is called there. */
  readonly id: string | undefined;
  /** Path that restores it; undefined: it is in memory. */
  readonly path: string | undefined;
  /** Instructions that the guest had retired. */
  readonly instructions: number;
  /** How long the guest, and the world, had to wait, in ms. */
  readonly stopped: number;
}

/**
 * What was saved counts, but for what is given here. Drives are those of the saved guest: `disks`, `cdrom` and `floppies`
 * say, all of a kind together, where their images are now. `weight`, `cap` and `latency` are not saved.
 */
export interface RestoreOptions
  extends MediaOptions,
    Pick<GuestOptions, 'name' | 'weight' | 'cap' | 'fuel' | 'latency' | 'clock' | 'pool'>,
    Pick<GuestOptions, 'onTripleFault' | 'onReset' | 'onNothingToBoot' | 'checkpoint'> {
  /** Default: `auto`, whatever the saved guest ran on. */
  readonly engine?: EngineName | undefined;
  /**
   * The snapshot is as good as your own program: files that it names are written into, and servers asked. Otherwise that is
   * refused but for drives of which the options say so (`write`). Files that are only read are opened. Default: false.
   */
  readonly trust?: boolean | undefined;
}

/** Of all that are recovered alike. Drives are where the checkpoints say. */
export type RecoverOptions = Pick<RestoreOptions, 'engine' | 'trust' | 'clock' | 'latency'>;

export interface Recovered<Guest> {
  readonly guests: readonly Guest[];
  /** What could not be read, and was passed over: a line each. */
  readonly problems: readonly string[];
}

export interface CheckedRestoreOptions {
  readonly name: string | undefined;
  readonly pool: string | undefined;
  readonly engine: EngineName;
  readonly weight: number;
  readonly cap: number | undefined;
  readonly fuel: number | undefined;
  readonly latency: LatencyClass | undefined;
  readonly trust: boolean;
  readonly clock: ClockMode | undefined;
  readonly onTripleFault: 'reset' | 'stop' | undefined;
  readonly onReset: 'reset' | 'stop' | undefined;
  readonly onNothingToBoot: 'wait' | 'stop' | undefined;
  readonly checkpoint: CheckedCheckpoint | undefined;
  /** As given; undefined: as saved. */
  readonly disks: CheckedMedia['disks'] | undefined;
  readonly cdrom: CheckedMedia['cdrom'];
  readonly floppies: CheckedMedia['floppies'] | undefined;
}

const RESTORE_OPTIONS = [
  ...([
    'name',
    'pool',
    'engine',
    'trust',
    'weight',
    'cap',
    'fuel',
    'latency',
    'clock',
    'onTripleFault',
    'onReset',
    'onNothingToBoot',
    'checkpoint',
  ] as const),
  ...(['disks', 'cdrom', 'floppy', 'floppies'] as const),
];

/** @throws UserError */
export function checkSnapshotOptions(options: unknown): { readonly to: string | undefined } {
  const { to } = checkOptions('snapshot: options', options, ['to']);
  if (to === undefined) return { to };
  if (checkString('snapshot: to', to) === '') throw new UserError('snapshot: to is empty: it must be a path');
  return { to: to as string };
}

/** Where a snapshot is, or one that `snapshot` gave. @throws UserError */
export function checkSnapshotSource(snapshot: unknown): ImageSource {
  const { bytes, path } = Object(snapshot) as { bytes?: unknown; path?: unknown };
  const given = typeof path === 'string' ? path : snapshot;
  return checkSource('restore: snapshot', bytes instanceof Uint8Array ? bytes : given);
}

/** @throws UserError that names the option */
export const checkRecoverOptions = (options: unknown): CheckedRestoreOptions =>
  checkRestoreOptions(checkOptions('recover: options', options, ['engine', 'trust', 'clock', 'latency']));

/** @throws UserError that names the option */
export function checkRestoreOptions(options: unknown): CheckedRestoreOptions {
  const given = checkOptions('restore: options', options, RESTORE_OPTIONS);
  const { disks, cdrom, floppy, floppies } = given;
  const media = checkMedia({ disks, cdrom, floppy, floppies });
  const choice = <Choice extends string>(name: keyof typeof given, choices: readonly Choice[]): Choice | undefined =>
    given[name] === undefined ? undefined : checkChoice(name, given[name], choices);
  return {
    name: given.name === undefined ? undefined : checkName(given.name),
    pool: given.pool === undefined ? undefined : checkName(given.pool, 'pool'),
    engine: choice('engine', ENGINES) ?? 'auto',
    weight: given.weight === undefined ? 1 : checkWeight('weight', given.weight),
    cap: given.cap === undefined ? undefined : checkCap('cap', given.cap),
    fuel: given.fuel === undefined ? undefined : checkWholeNumber('fuel', given.fuel, FUEL),
    latency: choice('latency', ['normal', 'interactive']),
    trust: given.trust === undefined ? false : checkBoolean('trust', given.trust),
    clock: choice('clock', ['virtual', 'host']),
    onTripleFault: choice('onTripleFault', ['reset', 'stop']),
    onReset: choice('onReset', ['reset', 'stop']),
    onNothingToBoot: choice('onNothingToBoot', ['wait', 'stop']),
    checkpoint: checkCheckpoint(given.checkpoint),
    disks: disks === undefined ? undefined : media.disks,
    cdrom: media.cdrom,
    floppies: floppy === undefined && floppies === undefined ? undefined : media.floppies,
  };
}
