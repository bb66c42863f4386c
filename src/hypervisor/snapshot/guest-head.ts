/** What a snapshot of a guest says besides its pages: all that is needed to make it anew. */
import {
  anything,
  bytes,
  choice,
  count,
  flag,
  list,
  nullable,
  record,
  type Schema,
  type TypeOf,
  text,
  u32,
  whole,
} from '../../snapshot/schema.ts';
import { damaged, isLater } from '../../snapshot/snapshot-error.ts';
import { OUTPUT_BOUND } from '../streams/guest-stream.ts';

/** Raised whenever its shape or meaning changes, but for the machine's state, which has versions of its own. */
export const GUEST_HEAD_VERSION = 1;

/** Names of what pages belong to. */
export const PAGES = {
  RAM: 'ram',
  ROM: 'rom',
  /** What is loaded into memory at a reset, by piece. */
  boot: (index: number) => `boot-${index}`,
  /** What was written to a medium and is kept in memory. */
  medium: (drive: string) => `medium-${drive}`,
} as const;

const MOST_ROM = 2 ** 18;
/** As many as there are files that a Multiboot kernel is given, and a few. */
export const MOST_PIECES = 4096;
export const MOST_STROKES = 2 ** 20;
/** What had come together when the guest was held. */
const MOST_OUTPUT = 2 * OUTPUT_BOUND;

const order = list(choice(['floppy', 'disk', 'cd']), 3);
const entry = record({
  mode: choice(['real', 'protected']),
  ip: u32,
  registers: record({ eax: u32, ebx: u32, esi: u32 }),
  codeSelector: u32,
  dataSelector: u32,
  gdt: record({ address: u32, limit: u32 }),
});

const medium = record({
  /** How messages call it. */
  name: text(),
  /** Path or URL; null: it was given as bytes or as a Blob. */
  where: nullable(text()),
  /** Bytes that the guest sees. */
  size: count,
  format: nullable(choice(['raw', 'qcow2', 'vmdk', 'vdi', 'vhd'])),
  write: choice(['discard', 'through', 'never', 'overlay']),
  /** Path, where writes go to a file of their own. */
  overlay: nullable(text()),
  /** Differs when the content does; null: nobody knows. */
  stamp: nullable(text()),
});
export type SavedMedium = TypeOf<typeof medium>;

export const stroke = record({ code: text(100), down: flag });

const drive = record({ medium: nullable(medium), /** How often it was exchanged. */ changes: count });

const head = record({
  version: u32,
  guest: record({
    name: text(100),
    clock: choice(['virtual', 'host']),
    /** Instructions, from power-on, behind which it stops; null: no end. */
    fuel: nullable(count),
    onTripleFault: choice(['reset', 'stop']),
    onReset: choice(['reset', 'stop']),
    onNothingToBoot: choice(['wait', 'stop']),
  }),
  boot: record({
    kind: choice(['image', 'bios', 'rom']),
    /** 'image': the pieces are pages, from the page that the address is in. */
    entry: nullable(entry),
    pieces: list(record({ address: u32, length: whole(0, 2 ** 32) }), MOST_PIECES),
    /** 'image': memory that is zero besides. */
    zeros: list(record({ address: u32, length: whole(0, 2 ** 32) }), MOST_PIECES),
    /** 'bios' and 'rom'. */
    order: nullable(order),
    menuWait: count,
    /** 'rom'. */
    image: nullable(bytes({ most: MOST_ROM })),
    videoBios: nullable(bytes({ most: MOST_ROM })),
    serialConsole: flag,
  }),
  media: record({ disks: list(drive, 4), cdrom: nullable(drive), floppies: list(drive, 2) }),
  /** What was typed and has not come in; what was sent and nobody has read. */
  strokes: list(stroke, MOST_STROKES),
  output: record({ serial: bytes({ most: MOST_OUTPUT }), debugConsole: bytes({ most: MOST_OUTPUT }) }),
  /** The machine looks at it itself. */
  machine: anything,
});
export type GuestHead = TypeOf<typeof head>;

/** @throws UserError for another version, or what is none */
export const checkHead: Schema<GuestHead> = (value, place) => {
  const { version } = (value ?? {}) as { version?: unknown };
  if (!Number.isInteger(version)) throw damaged('it is of no guest');
  if (version !== GUEST_HEAD_VERSION) throw isLater('guest', version, GUEST_HEAD_VERSION);
  return head(value, place);
};
