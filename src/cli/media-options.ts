/** The options of `vetro run` that say what is in the guest's drives, and from which it boots. */
import type { Argv } from 'yargs';
import { UserError } from '../base/errors.ts';
import type { BootDrive, CdromOptions, DiskOptions, FloppyOptions, WriteMode } from '../index.ts';
import { IMAGE_FORMATS, type ImageFormat } from '../storage/block-store.ts';

export interface MediaArguments {
  disk: string[];
  cdrom?: string;
  floppy: string[];
  boot?: string;
}

/** What is put into the drives, as the library takes it. */
export interface MediaOptions {
  readonly disks: readonly DiskOptions[];
  readonly cdrom: CdromOptions | undefined;
  readonly floppies: readonly FloppyOptions[];
}

export const MEDIA_EPILOGUE = `Drives: a disk or floppy is FILE or file=FILE,KEY=VALUE…; a comma in a name is doubled. Keys:
  write=discard   what the guest writes is kept in memory, and thrown away at the end (the default)
  write=through   it is written into the image, which nobody else may write meanwhile
  write=never     the guest cannot write
  overlay=FILE    it is written into this qcow2 file, made if need be; the image stays as it is
  format=NAME     ${IMAGE_FORMATS.join(', ')} (default: by content); the last three are read only
Images may be URLs (http, https) if the server sends parts of files.`;

const DRIVES: readonly BootDrive[] = ['floppy', 'disk', 'cdrom'];
const MOST_FLOPPIES = 2;
/** Instead of an image. */
const EMPTY = 'empty';
const WRITES = ['discard', 'through', 'never'] as const;

/** Declares them, behind what `args` has. */
export const mediaOptions = <Given>(args: Argv<Given>) =>
  args
    .option('disk', {
      type: 'array',
      string: true,
      nargs: 1,
      default: [] as string[],
      requiresArg: true,
      describe: 'a hard disk (repeatable): FILE, or file=FILE,write=through; see below',
    })
    .option('cdrom', {
      type: 'string',
      requiresArg: true,
      describe: 'a CD-ROM drive: FILE, or file=FILE,format=NAME; empty: without a disc',
    })
    .option('floppy', {
      type: 'array',
      string: true,
      nargs: 1,
      default: [] as string[],
      requiresArg: true,
      describe: 'a floppy drive, A then B (repeatable): as a disk; empty: with nothing in it',
    })
    .option('boot', {
      type: 'string',
      requiresArg: true,
      describe: 'start from drives, in this order: --boot cdrom,disk (default: the drive of FILE, or a kernel)',
    })
    .example('$0 run disk.qcow2', 'boot from a disk, or a CD or floppy: what it is shows its content')
    .example('$0 run --disk file=d.img,write=through', 'Debian, with a disk (sda) that keeps what is written')
    .example('$0 run --disk file=d.img,overlay=o.qcow2', 'keep what is written apart')
    .example('$0 run bzImage --append root=/dev/sda1 --disk d.img', 'your kernel, its root on a disk')
    .example('$0 run --cdrom image.iso --floppy a.img --boot floppy', 'boot from a floppy, with a CD');

/** @throws UserError for what cannot be read, and for words and keys that there are not */
export function parseMedia({ disk, cdrom, floppy }: MediaArguments): MediaOptions {
  const floppies = floppy.map((text) => (text === EMPTY ? {} : parseRemovable('floppy', '--floppy', text)));
  if (floppies.length > MOST_FLOPPIES)
    throw new UserError(`--floppy is given ${floppies.length} times: there are two drives, A and B`);
  return {
    disks: disk.map((text) => parseDrive('--disk', text)),
    cdrom: cdrom === undefined ? undefined : cdrom === EMPTY ? {} : parseRemovable('cdrom', '--cdrom', cdrom),
    floppies,
  };
}

/** @throws UserError */
export function parseBootOrder(text: string | undefined): readonly BootDrive[] | undefined {
  if (text === undefined) return undefined;
  const order = text.split(',').map((word) => {
    const drive = DRIVES.find((name) => name === word);
    if (drive === undefined)
      throw new UserError(`--boot takes drives from ${DRIVES.join(', ')}, as in cdrom,disk; not ${word || 'none'}`);
    return drive;
  });
  const twice = order.find((drive, index) => order.indexOf(drive) !== index);
  if (twice !== undefined) throw new UserError(`--boot names ${twice} twice`);
  return order;
}

/** Paths of files that are read, or written. */
export const filesOf = ({ disks, cdrom, floppies }: MediaOptions): readonly string[] =>
  [...disks, ...(cdrom ? [cdrom] : []), ...floppies].flatMap((drive) => {
    const { image, write } = drive as FloppyOptions;
    const overlay = typeof write === 'object' ? [write.overlay] : [];
    return typeof image === 'string' ? [image, ...overlay] : overlay;
  });

/** What is put into a drive. @param option for messages. @throws UserError */
export function parseRemovable(kind: 'cdrom' | 'floppy', option: string, text: string): DiskOptions {
  const drive = parseDrive(option, text);
  if (kind === 'floppy') return drive;
  const { image, format, write, readOnly } = drive;
  if (write !== undefined || readOnly)
    throw new UserError(`${option}: a CD is never written; it takes file= and format=`);
  return { image, format };
}

function parseDrive(option: string, text: string): DiskOptions {
  if (text === '') throw new UserError(`${option} is empty: give it a value or leave it out`);
  const keys = keysOf(option, text);
  const { file, write, overlay, format } = keys;
  if (file === undefined) throw new UserError(`${option} ${text}: file= is missing`);
  if (write !== undefined && overlay !== undefined)
    throw new UserError(`${option}: write= and overlay= both say where writes go: give one of them`);
  if (write !== undefined && !WRITES.includes(write as 'never'))
    throw new UserError(`${option}: write= must be one of ${WRITES.join(', ')}, not ${write}`);
  if (format !== undefined && !IMAGE_FORMATS.includes(format as ImageFormat))
    throw new UserError(`${option}: format= must be one of ${IMAGE_FORMATS.join(', ')}, not ${format}`);
  const mode: WriteMode | undefined =
    overlay !== undefined ? { overlay } : write === 'never' ? undefined : (write as WriteMode | undefined);
  return { image: file, format: format as ImageFormat | undefined, write: mode, readOnly: write === 'never' };
}

const KEYS = ['file', 'write', 'overlay', 'format'] as const;
type Keys = Partial<Record<(typeof KEYS)[number], string>>;

/** A text that does not begin with a key is a path, whatever is in it. */
function keysOf(option: string, text: string): Keys {
  if (!/^\w+=/.test(text)) return { file: text };
  const keys: Keys = {};
  for (const part of text.split(/(?<!,),(?!,)/)) {
    const [, name = '', value = ''] = /^(\w*)=(.*)$/s.exec(part) ?? [];
    const key = KEYS.find((each) => each === name);
    if (key === undefined)
      throw new UserError(
        `${option}: there is no key ${name || part}; there is ${KEYS.join(', ')} (or give ./${text})`,
      );
    if (value === '') throw new UserError(`${option}: ${key}= is empty`);
    if (keys[key] !== undefined) throw new UserError(`${option}: ${key}= is given twice`);
    keys[key] = value.replaceAll(',,', ',');
  }
  return keys;
}
