/** Checks what is to be put into drives: whatever the types said, nothing wrong gets further than here. */
import { checkChoice, checkOptions, checkString, shown } from '../../base/argument-check.ts';
import { UserError } from '../../base/errors.ts';
import type { ImageRequest } from '../media/image-opener.ts';
import type { ImageFormatName, ImageSource, MediaOptions, WriteMode } from './media-options.ts';

type DriveName = ImageRequest['drive'];

/** A drive, and what is in it. */
export interface CheckedDrive {
  readonly image: ImageRequest | undefined;
}

export interface CheckedMedia {
  readonly disks: readonly ImageRequest[];
  readonly cdrom: CheckedDrive | undefined;
  readonly floppies: readonly CheckedDrive[];
}

const FORMATS: readonly ImageFormatName[] = ['raw', 'qcow2', 'vmdk', 'vdi', 'vhd'];
const OPTIONS_OF = {
  disk: ['image', 'format', 'write', 'readOnly'],
  floppy: ['image', 'format', 'write', 'readOnly'],
  cdrom: ['image', 'format'],
} as const;
const MOST_FLOPPIES = 2;

/** @throws UserError that names the option */
export function checkMedia({ disks, cdrom, floppy, floppies }: Record<keyof MediaOptions, unknown>): CheckedMedia {
  if (floppy !== undefined && floppies !== undefined)
    throw new UserError('floppy and floppies both say what is in drive A: give one of them');
  const checked = {
    disks: checkList('disks', disks).map((disk, index) => {
      const { image } = checkDrive('disk', `disks[${index}]`, disk);
      if (image === undefined) throw new UserError(`disks[${index}].image is missing: a hard disk cannot be empty`);
      return image;
    }),
    cdrom: cdrom === undefined ? undefined : checkDrive('cdrom', 'cdrom', cdrom),
    floppies:
      floppy !== undefined
        ? [checkDrive('floppy', 'floppy', floppy)]
        : checkList('floppies', floppies).map((disk, index) => checkDrive('floppy', `floppies[${index}]`, disk)),
  };
  if (checked.floppies.length > MOST_FLOPPIES)
    throw new UserError(`${checked.floppies.length} floppies: there are two drives, A and B`);
  return checked;
}

/** An image, or options that name one. @throws UserError */
export function checkDrive(drive: DriveName, option: string, value: unknown): CheckedDrive {
  const plain = isSource(value);
  const given: Partial<Record<'image' | 'format' | 'write' | 'readOnly', unknown>> = plain
    ? { image: value }
    : checkOptions(option, value, OPTIONS_OF[drive]);
  const name = (key: string): string => (plain ? option : `${option}.${key}`);
  const format = given.format === undefined ? undefined : checkChoice(name('format'), given.format, FORMATS);
  const write = checkWriting(name, drive, given);
  if (given.image === undefined) return { image: undefined };
  return { image: { option: name('image'), drive, image: checkSource(name('image'), given.image), format, write } };
}

function checkWriting(
  name: (key: string) => string,
  drive: DriveName,
  { write, readOnly }: { readonly write?: unknown; readonly readOnly?: unknown },
): WriteMode | 'never' {
  if (readOnly !== undefined && typeof readOnly !== 'boolean')
    throw new UserError(`${name('readOnly')} must be true or false, not ${shown(readOnly)}`);
  if (readOnly && write !== undefined)
    throw new UserError(`${name('readOnly')} and ${name('write')} exclude each other: give one of them`);
  if (drive === 'cdrom' || readOnly) return 'never';
  if (write === undefined || write === 'discard') return 'discard';
  if (write === 'through') return write;
  if (typeof write !== 'object')
    throw new UserError(`${name('write')} must be discard, through or { overlay: path }, not ${shown(write)}`);
  const { overlay } = checkOptions(name('write'), write, ['overlay']);
  if (checkString(name('write.overlay'), overlay) === '') throw new UserError(`${name('write.overlay')} is empty`);
  return { overlay: overlay as string };
}

function checkList(option: string, value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new UserError(`${option} must be an array, not ${shown(value)}`);
  // A hole is an element, too.
  return Array.from(value);
}

export function checkSource(option: string, value: unknown): ImageSource {
  if (!isSource(value))
    throw new UserError(`${option} must be a path, a URL, a Blob or a Uint8Array, not ${shown(value)}`);
  if (value === '') throw new UserError(`${option} is empty: it must be a path or a URL`);
  return value;
}

function isSource(value: unknown): value is ImageSource {
  if (typeof value === 'string') return true;
  if (typeof value !== 'object' || value === null) return false;
  if (Object.prototype.toString.call(value) === '[object Uint8Array]') return true;
  const { href, size, slice } = value as { href?: unknown; size?: unknown; slice?: unknown };
  return typeof href === 'string' || (typeof size === 'number' && typeof slice === 'function');
}
