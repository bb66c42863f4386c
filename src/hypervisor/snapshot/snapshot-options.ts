/** What can be asked of a snapshot, and of a guest that is restored from one. */
import { checkChoice, checkOptions, checkString } from '../../base/argument-check.ts';
import { UserError } from '../../base/errors.ts';
import { ENGINES, type EngineName } from '../../machine/machine.ts';
import { checkName, checkWeight } from '../check-guest-options.ts';
import { type CheckedMedia, checkMedia, checkSource } from '../check-media-options.ts';
import type { ClockMode, GuestOptions } from '../guest-options.ts';
import type { ImageSource, MediaOptions } from '../media-options.ts';

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
 * say, all of a kind together, where their images are now.
 */
export interface RestoreOptions
  extends MediaOptions,
    Pick<GuestOptions, 'name' | 'weight' | 'clock' | 'onTripleFault' | 'onReset' | 'onNothingToBoot'> {
  /** Default: `auto`, whatever the saved guest ran on. */
  readonly engine?: EngineName | undefined;
}

export interface CheckedRestoreOptions {
  readonly name: string | undefined;
  readonly engine: EngineName;
  readonly weight: number;
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
  ...(['name', 'engine', 'weight', 'clock', 'onTripleFault', 'onReset', 'onNothingToBoot'] as const),
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
    engine: choice('engine', ENGINES) ?? 'auto',
    weight: given.weight === undefined ? 1 : checkWeight('weight', given.weight),
    clock: choice('clock', ['virtual', 'host']),
    onTripleFault: choice('onTripleFault', ['reset', 'stop']),
    onReset: choice('onReset', ['reset', 'stop']),
    onNothingToBoot: choice('onNothingToBoot', ['wait', 'stop']),
    disks: disks === undefined ? undefined : media.disks,
    cdrom: media.cdrom,
    floppies: floppy === undefined && floppies === undefined ? undefined : media.floppies,
  };
}
