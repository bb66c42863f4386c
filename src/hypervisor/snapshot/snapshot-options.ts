/** What can be asked of a snapshot, and of a guest that is restored from one. */
import { checkBoolean, checkChoice, checkOptions, checkString, checkWholeNumber } from '../../base/argument-check.ts';
import { UserError } from '../../base/errors.ts';
import { ENGINES, type EngineName } from '../../machine/machine.ts';
import { checkCap, checkName, checkWeight, FUEL } from '../options/check-guest-options.ts';
import { type CheckedMedia, checkMedia, checkSource } from '../options/check-media-options.ts';
import type { ClockMode, GuestOptions, LatencyClass } from '../options/guest-options.ts';
import type { ImageSource, MediaOptions } from '../options/media-options.ts';

export interface SnapshotOptions {
  /** Path of the file to be written, in the place of one that is there. Default: the snapshot stays in memory. */
  readonly to?: string | undefined;
}

export interface Snapshot {
  /** Bytes of the file. */
  readonly size: number;
  /** The file itself; undefined if it was written to a path. */
  readonly bytes: Uint8Array | undefined;
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
    Pick<GuestOptions, 'onTripleFault' | 'onReset' | 'onNothingToBoot'> {
  /** Default: `auto`, whatever the saved guest ran on. */
  readonly engine?: EngineName | undefined;
  /**
   * The snapshot is as good as your own program: files that it names are written into, and servers asked. Otherwise that is
   * refused but for drives of which the options say so (`write`). Files that are only read are opened. Default: false.
   */
  readonly trust?: boolean | undefined;
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
  const { bytes } = Object(snapshot) as { bytes?: unknown };
  return checkSource('restore: snapshot', bytes instanceof Uint8Array ? bytes : snapshot);
}

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
    disks: disks === undefined ? undefined : media.disks,
    cdrom: media.cdrom,
    floppies: floppy === undefined && floppies === undefined ? undefined : media.floppies,
  };
}
