/** The images in a guest's drives: opened before the guest is made, exchanged while it lives, closed with it. */
import type { CheckedMedia } from '../options/check-media-options.ts';
import type { ImageOpener, ImageRequest, OpenImage } from './image-opener.ts';

/** A drive whose medium can be exchanged, and what is in it. Firmware reads the fields. */
export interface OpenDrive {
  medium: OpenImage | undefined;
  /** How often it was exchanged. */
  changes: number;
}

/** Whose drives these are. */
export interface MediaOwner {
  readonly name: string;
  warn(line: string): void;
}

/** What a guest itself does with what is in its drives. */
export interface GuestImages {
  /** What the firmware has tried in vain since this was last called. */
  takeTried(): readonly string[] | undefined;
  /** What was noted since this was last called. */
  takeLines(): readonly string[];
  /** The guest has ended: what it wrote is brought to where it is kept. */
  flush(owner: MediaOwner): Promise<void>;
  /** Resolves when nothing is open or locked any more; what goes wrong is said to the owner. */
  close(owner: MediaOwner): Promise<void>;
}

export const hasDrives = ({ disks, cdrom, floppies }: CheckedMedia): boolean =>
  disks.length + floppies.length > 0 || cdrom !== undefined;

export class GuestMedia implements GuestImages {
  readonly disks: readonly OpenImage[];
  readonly cdrom: OpenDrive | undefined;
  readonly floppies: readonly OpenDrive[];
  readonly opener: ImageOpener;
  /** What was tried in vain, a line for each drive. */
  #tried: readonly string[] | undefined;
  /** For who listens to warnings: the machine is not interrupted to tell them. */
  #lines: string[] = [];
  #closed: Promise<void> | undefined;

  private constructor(opener: ImageOpener, images: Record<'disks' | 'cdroms' | 'floppies', readonly OpenDrive[]>) {
    this.opener = opener;
    this.disks = images.disks.map(({ medium }) => medium!);
    [this.cdrom] = images.cdroms;
    this.floppies = images.floppies;
  }

  /** @throws UserError (as a rejection) for the first that cannot be had; then none is open */
  static async open({ disks, cdrom, floppies }: CheckedMedia, opener: ImageOpener): Promise<GuestMedia> {
    const opened: OpenImage[] = [];
    const openAll = async (requests: readonly (ImageRequest | undefined)[]): Promise<OpenDrive[]> => {
      const drives: OpenDrive[] = [];
      for (const request of requests) {
        const medium = request && (await opener(request));
        if (medium) opened.push(medium);
        drives.push({ medium, changes: 0 });
      }
      return drives;
    };
    try {
      const images = {
        disks: await openAll(disks),
        cdroms: await openAll(cdrom ? [cdrom.image] : []),
        floppies: await openAll(floppies.map(({ image }) => image)),
      };
      const media = new GuestMedia(opener, images);
      const requests = [...disks, ...floppies.map(({ image }) => image)];
      media.#warnOfDiscards(requests.filter((request) => request !== undefined));
      return media;
    } catch (error) {
      await Promise.allSettled(opened.map((image) => image.abandon()));
      throw error;
    }
  }

  /** The firmware found nothing to boot: a line for each drive that it tried. */
  nothingToBoot(tried: readonly string[]): void {
    this.#tried = [...tried];
  }

  takeTried(): readonly string[] | undefined {
    const tried = this.#tried;
    this.#tried = undefined;
    return tried;
  }

  /** A line for the owner, at the next opportunity. */
  note(line: string): void {
    this.#lines.push(line);
  }

  takeLines(): readonly string[] {
    return this.#lines.splice(0);
  }

  flush(owner: MediaOwner): Promise<void> {
    return this.#each(owner, (image) => image.flush());
  }

  close(owner: MediaOwner): Promise<void> {
    this.#closed ??= this.#each(owner, (image) => image.close());
    return this.#closed;
  }

  /** How often the drives were exchanged, in a guest that is restored. */
  restoreChanges({
    cdrom,
    floppies,
  }: {
    cdrom: Pick<OpenDrive, 'changes'> | null;
    floppies: readonly Pick<OpenDrive, 'changes'>[];
  }): void {
    if (this.cdrom && cdrom) this.cdrom.changes = cdrom.changes;
    for (const [index, drive] of this.floppies.entries()) drive.changes = floppies[index]?.changes ?? 0;
  }

  /** Images that the guest's writes go into, or that have a file for them. */
  get writtenFiles(): readonly OpenImage[] {
    return this.images.filter((image) => ['through', 'overlay'].includes(image.saved().write));
  }

  /** As if none had ever been opened. */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.images.map((image) => image.abandon()));
  }

  /** All that are in a drive. */
  get images(): readonly OpenImage[] {
    const drives = [...(this.cdrom ? [this.cdrom] : []), ...this.floppies];
    return [...this.disks, ...drives.flatMap(({ medium }) => (medium ? [medium] : []))];
  }

  async #each(owner: MediaOwner, action: (image: OpenImage) => void | Promise<void>): Promise<void> {
    await Promise.all(this.images.map((image) => attempt(owner, () => action(image))));
  }

  #warnOfDiscards(requests: readonly ImageRequest[]): void {
    const media = [...this.disks, ...this.floppies.flatMap(({ medium }) => (medium ? [medium] : []))];
    const names = media.filter((_, index) => requests[index].write === 'discard').map(({ name }) => name);
    if (names.length > 0) this.note(discardLine(names));
  }
}

/** What fails is said to the owner. */
export async function attempt(owner: MediaOwner, action: () => void | Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    owner.warn(`${owner.name}: ${(error as Error).message}`);
  }
}

export const discardLine = (names: readonly string[]): string =>
  `what the guest writes to ${names.join(', ')} is kept in memory and thrown away at the end`;
