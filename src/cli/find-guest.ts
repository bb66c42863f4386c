/** What `vetro run` boots, and what is in the guest's drives. */
import { UserError } from '../base/errors.ts';
import type { BootDrive, GuestBoot } from '../index.ts';
import { bootBios, SEABIOS } from './bios-boot.ts';
import { type DriveBoot, modulePath } from './boot-file.ts';
import { findBoot } from './find-boot.ts';
import { filesOf, type MediaOptions, parseBootOrder, parseMedia } from './media-options.ts';
import type { RunArguments } from './run-arguments.ts';

export interface FoundGuest {
  readonly boot: GuestBoot;
  readonly media: MediaOptions;
  /** Paths of what is read. */
  readonly inputs: readonly string[];
  /** What FILE was taken for, in one line, where that is not plain. */
  readonly taken?: string;
}

const DRIVES: readonly BootDrive[] = ['floppy', 'disk', 'cdrom'];
const IN_WORDS: Readonly<Record<BootDrive, string>> = {
  floppy: 'from floppy drive A',
  disk: 'from the first hard disk',
  cdrom: 'from the CD-ROM drive',
};

/** @throws UserError; the reason of `stop` if it is aborted */
export async function findGuest(options: RunArguments, stop: AbortSignal): Promise<FoundGuest> {
  const media = parseMedia(options);
  const order = parseBootOrder(options.boot);
  const { file, kernel, initrd, module, bios, guest } = options;
  const paths = [file, kernel, initrd, bios === SEABIOS ? undefined : bios].filter((path) => path !== undefined);
  const inputs = [...paths, ...module.map(modulePath), ...filesOf(media)];
  if (order !== undefined && file === undefined) {
    if (media.disks.length + media.floppies.length === 0 && media.cdrom === undefined)
      throw new UserError('--boot needs drives: give --disk, --cdrom or --floppy');
    return { boot: await startBy({ bios, order }, stop), media, inputs };
  }
  const found = await findBoot(file === undefined ? options : { ...options, bios: undefined }, stop);
  if (!('drive' in found)) {
    if (file !== undefined && bios !== undefined)
      throw new UserError('FILE and --bios both say what to boot: give one of them');
    if (order !== undefined) throw new UserError(`--boot starts from drives, and ${file} is none: give one of them`);
    const { boot, cd } = found;
    if (cd === undefined) return { boot, media, inputs };
    if (media.cdrom !== undefined) throw new UserError(`${guest} is a CD, and --cdrom another: there is one drive`);
    return { boot, media: { ...media, cdrom: { image: cd } }, inputs };
  }
  const { drive, path, what } = found;
  const boot = order ?? [drive, ...DRIVES.filter((other) => other !== drive)];
  const withFile = inserted(media, found);
  const taken = `${path} is ${what}; booting ${IN_WORDS[boot[0]]}`;
  return { boot: await startBy({ bios, order: boot }, stop), media: withFile, inputs, taken };
}

/** By our BIOS, or by the one that the user names. */
const startBy = async (
  { bios, order }: { readonly bios: string | undefined; readonly order: readonly BootDrive[] },
  stop: AbortSignal,
): Promise<GuestBoot> => (bios === undefined ? { order } : { ...(await bootBios(bios, stop)), order });

/** FILE is the first of its kind. @throws UserError */
function inserted(media: MediaOptions, { drive, path }: DriveBoot): MediaOptions {
  const image = { image: path };
  switch (drive) {
    case 'disk':
      return { ...media, disks: [image, ...media.disks] };
    case 'floppy':
      if (media.floppies.length > 1) throw new UserError(`${path} is a floppy, and --floppy fills both drives`);
      return { ...media, floppies: [image, ...media.floppies] };
    case 'cdrom':
      if (media.cdrom !== undefined) throw new UserError(`${path} is a CD, and --cdrom another: there is one drive`);
      return { ...media, cdrom: image };
  }
}
