/** A drive of a guest whose medium can be exchanged while it runs: between two slices. */
import { checkOptions, shown } from '../../base/argument-check.ts';
import { UserError } from '../../base/errors.ts';
import type { Machine } from '../../machine/machine.ts';
import { checkDrive } from '../options/check-media-options.ts';
import type { CdromOptions, FloppyOptions, ImageSource } from '../options/media-options.ts';
import { attempt, discardLine, type GuestMedia, type MediaOwner, type OpenDrive } from './guest-media.ts';
import type { ImageOpener, ImageRequest, OpenImage } from './image-opener.ts';

export interface RemovableDriveParts {
  readonly kind: 'cdrom' | 'floppy';
  /** What is in it, for all who look. */
  readonly drive: OpenDrive;
  readonly opener: ImageOpener;
  readonly owner: MediaOwner;
  /** @throws StateError */
  readonly assertUsable: () => void;
  /** Into the machine's drive. @throws UserError if it does not go in */
  readonly insert: (medium: OpenImage) => void;
  /** Out of it. @returns false if the guest has locked it in */
  readonly eject: (options: { readonly force: boolean }) => boolean;
}

/** Those of a machine. */
export function removableDrives(
  machine: Machine,
  { cdrom, floppies, opener }: GuestMedia,
  common: Pick<RemovableDriveParts, 'owner' | 'assertUsable'>,
): { cdrom: RemovableDrive | undefined; floppies: readonly RemovableDrive[] } {
  const { cdrom: discDrive, floppy: controller } = machine;
  return {
    cdrom:
      cdrom &&
      new RemovableDrive({
        ...{ ...common, opener, kind: 'cdrom', drive: cdrom },
        insert: (medium) => discDrive!.insert(medium),
        eject: (options) => discDrive!.eject(options),
      }),
    floppies: floppies.map(
      (drive, index) =>
        new RemovableDrive({
          ...{ ...common, opener, kind: 'floppy', drive },
          insert: (medium) => controller!.insert(index, medium),
          eject() {
            controller!.eject(index);
            return true;
          },
        }),
    ),
  };
}

/** What a guest's owner does with one. */
export interface ExchangeableDrive {
  readonly loaded: boolean;
  insert(image: ImageSource | CdromOptions | FloppyOptions): Promise<void>;
  eject(options?: { readonly force?: boolean | undefined }): boolean;
}

/** @throws UserError */
export function checkInserted(kind: RemovableDriveParts['kind'], image: unknown): ImageRequest {
  const { image: request } = checkDrive(kind, 'insert: image', image);
  if (request === undefined) throw new UserError('insert: image is missing: eject() empties the drive');
  return request;
}

/** @throws UserError */
export function checkEject(options: unknown): { readonly force: boolean } {
  const { force = false } = checkOptions('eject: options', options, ['force']);
  if (typeof force !== 'boolean') throw new UserError(`eject: force must be true or false, not ${shown(force)}`);
  return { force };
}

export class RemovableDrive implements ExchangeableDrive {
  readonly #parts: RemovableDriveParts;

  constructor(parts: RemovableDriveParts) {
    this.#parts = parts;
  }

  get loaded(): boolean {
    return this.#parts.drive.medium !== undefined;
  }

  async insert(image: ImageSource | CdromOptions | FloppyOptions): Promise<void> {
    const { kind, assertUsable } = this.#parts;
    assertUsable();
    await this.put(checkInserted(kind, image));
  }

  /** As `insert`, of what has been checked. */
  async put(request: ImageRequest): Promise<void> {
    const { drive, opener, owner, assertUsable } = this.#parts;
    const medium = await opener(request);
    const old = drive.medium;
    try {
      assertUsable();
      this.#parts.insert(medium);
    } catch (error) {
      await medium.abandon();
      throw error;
    }
    this.#exchange(medium);
    if (request.write === 'discard') owner.warn(discardLine([medium.name]));
    await attempt(owner, () => old?.close());
  }

  eject(options?: { readonly force?: boolean | undefined }): boolean {
    const { drive, owner, assertUsable, eject } = this.#parts;
    const { force } = checkEject(options);
    assertUsable();
    const old = drive.medium;
    if (!eject({ force })) return false;
    this.#exchange(undefined);
    void attempt(owner, () => old?.close());
    return true;
  }

  #exchange(medium: OpenImage | undefined): void {
    const { drive } = this.#parts;
    drive.medium = medium;
    drive.changes++;
  }
}
