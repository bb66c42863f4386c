/** From a snapshot to a guest's machine and drives. */
import { PAGE_SIZE } from '../../base/address.ts';
import { UserError } from '../../base/errors.ts';
import type { BootImage } from '../../machine/boot.ts';
import { checkConfigurationOf } from '../../machine/machine-state-schema.ts';
import { Pc, type PcOptions, type SharedCode } from '../../machine/pc.ts';
import type { SharedPool } from '../../machine/shared-pool.ts';
import type { GuestMemory } from '../../memory/guest-memory.ts';
import { PoolFullError } from '../../memory/pool-full-error.ts';
import type { SavedPages } from '../../snapshot/saved-pages.ts';
import { damaged } from '../../snapshot/snapshot-error.ts';
import { drivesOf } from '../create-guest.ts';
import type { GuestMedia } from '../media/guest-media.ts';
import type { ImageRequest } from '../media/image-opener.ts';
import type { CheckedMedia } from '../options/check-media-options.ts';
import { type GuestHead, PAGES, type SavedMedium } from './guest-head.ts';
import type { CheckedRestoreOptions } from './snapshot-options.ts';
import type { SnapshotPages } from './snapshot-pages.ts';

/** Where saved pages are. */
export type FoundPages = Pick<SavedPages, 'numbers' | 'pages'>;

type SavedDrive = GuestHead['media']['disks'][number];

/**
 * Where the images of all drives are now.
 * @throws UserError where the snapshot does not know it, and nobody says; where it would write into a file or ask a server,
 *   and the options do not say so
 */
export function mediaOf({ media }: GuestHead, file: FoundPages, options: CheckedRestoreOptions): CheckedMedia {
  const { trust } = options;
  const request = (drive: string, kind: ImageRequest['drive'], saved: SavedDrive, given: ImageRequest | undefined) =>
    saved.medium === null ? undefined : requestOf(drive, { kind, saved: saved.medium, given, file, trust });
  for (const kind of ['disks', 'floppies'] as const) {
    const given = options[kind];
    if (given && given.length !== media[kind].length)
      throw new UserError(`restore: ${kind}: the snapshot has ${media[kind].length}, not ${given.length}`);
  }
  if (options.cdrom && !media.cdrom) throw new UserError('restore: cdrom: the snapshot has no such drive');
  return {
    disks: media.disks.map((saved, index) => {
      const found = request(`disk-${index}`, 'disk', saved, options.disks?.[index]);
      if (found === undefined) throw damaged(`disk ${index} has no image`);
      return found;
    }),
    cdrom: media.cdrom ? { image: request('cdrom', 'cdrom', media.cdrom, options.cdrom?.image) } : undefined,
    floppies: media.floppies.map((saved, index) => ({
      image: request(`floppy-${index}`, 'floppy', saved, options.floppies?.[index]?.image),
    })),
  };
}

interface Wanted {
  readonly kind: ImageRequest['drive'];
  readonly saved: SavedMedium;
  readonly given: ImageRequest | undefined;
  readonly trust: boolean;
  readonly file: FoundPages;
}

function requestOf(drive: string, { kind, saved, given, file, trust }: Wanted): ImageRequest {
  const { where, name, size, stamp } = saved;
  const option = OPTION[kind];
  if (given === undefined && where === null)
    throw new UserError(`restore: ${name} was not a file or on a server: say by ${option} where it is now`);
  if (given === undefined && !trust && /^https?:/i.test(where!))
    throw new UserError(`restore: the snapshot names ${where}: say so by ${option}, or trust it`);
  const write = writeOf(saved, { option, given, trust });
  const from = given ?? { option: `${drive} of the snapshot`, image: where!, format: saved.format ?? undefined };
  const kept = { count: file.numbers(PAGES.medium(drive)).length, pages: () => file.pages(PAGES.medium(drive)) };
  return { ...from, drive: kind, write, expected: { name, size, stamp, kept } };
}

/** As it was; but a snapshot alone has no file written into. */
function writeOf(
  { name, write, overlay }: SavedMedium,
  { option, given, trust }: Pick<Wanted, 'given' | 'trust'> & { readonly option: string },
): ImageRequest['write'] {
  if (write === 'discard' || write === 'never') return write;
  const asked = given?.write;
  if (write === 'through') {
    if (trust || asked === 'through') return 'through';
    throw new UserError(`restore: the guest wrote into ${name}: say so by ${option} (write: through), or trust it`);
  }
  if (typeof asked === 'object') return asked;
  if (trust) return { overlay: overlay ?? '' };
  throw new UserError(`restore: the guest wrote into ${overlay}: say so by ${option} (an overlay), or trust it`);
}

const OPTION = { disk: 'disks', cdrom: 'cdrom', floppy: 'floppies' } as const;

export interface RestoreParts {
  readonly name: string;
  readonly head: GuestHead;
  readonly file: FoundPages;
  /** Where RAM stays until the guest touches it; undefined: all is read now. */
  readonly pages: SnapshotPages | undefined;
  readonly engine: CheckedRestoreOptions['engine'];
  readonly code: SharedCode | undefined;
  readonly media: GuestMedia | undefined;
  /** Default: one of its own. */
  readonly pool: SharedPool | undefined;
}

/** @throws UserError for a snapshot that cannot be restored: then nothing is left of it */
export async function restorePc(parts: RestoreParts): Promise<Pc> {
  const { name, head, file } = parts;
  const pc = await createUnbooted(parts);
  return await orDisposed(name, pc, async () => {
    await fillMemory(pc.memory, file, parts.pages);
    pc.restoreForeign(head.machine);
  });
}

/** A machine as the head describes it, in whose memory there is nothing. @throws UserError if it cannot be made */
export async function createUnbooted(given: Omit<RestoreParts, 'pages'>): Promise<Pc> {
  const { name, head, file, engine, code, media, pool } = given;
  const { memoryBytes, cpu, ...configuration } = checkConfigurationOf(head.machine);
  const balloon = configuration.balloon ?? undefined;
  const boot = await bootOf(head.boot, { file, media, memoryBytes });
  const drives = media && drivesOf(name, media);
  const { paravirtual } = configuration;
  const made = { name, memoryBytes, cpu, engine, boot, powerOnTime: 0, code, balloon, paravirtual };
  const parts = { ...made, pool, unbooted: true, ...drives };
  let pc: Pc | undefined;
  try {
    pc = Pc.create(parts);
    pc.memory.replaceContents([]);
    return pc;
  } catch (error) {
    pc?.dispose();
    throw error instanceof RangeError ? wantOfRoom(name, error) : clearly(name, error);
  }
}

/** Fills the machine; where that fails, it is disposed. @throws UserError */
export async function orDisposed(name: string, pc: Pc, fill: () => Promise<void>): Promise<Pc> {
  try {
    await fill();
    return pc;
  } catch (error) {
    pc.dispose();
    throw clearly(name, error);
  }
}

/** What a state that nobody can work with makes chips throw is its fault, not ours. */
function clearly(name: string, error: unknown): unknown {
  if (error instanceof UserError) return error;
  return error instanceof PoolFullError ? wantOfRoom(name, error) : damaged((error as Error).message);
}

const wantOfRoom = (name: string, { message }: Error): UserError =>
  new UserError(`no room for ${name}: ${message}; dispose other guests`);

/** Page by page: nobody holds them twice. With `left`, RAM is left there. */
async function fillMemory(memory: GuestMemory, file: FoundPages, left: SnapshotPages | undefined): Promise<void> {
  const ramPages = memory.size / PAGE_SIZE;
  for (const [kind, name] of [
    ['ram', PAGES.RAM],
    ['rom', PAGES.ROM],
  ] as const) {
    if (kind === 'ram' && file.numbers(name).some((page) => page >= ramPages)) throw damaged('pages beyond its memory');
    if (kind === 'ram' && left) leavePages(memory, file, left);
    else for await (const { page, bytes } of file.pages(name)) memory.addContent({ kind, page, bytes });
  }
}

function leavePages(memory: GuestMemory, file: FoundPages, left: SnapshotPages): void {
  const slots = left.slotsOf(PAGES.RAM);
  for (const [index, page] of file.numbers(PAGES.RAM).entries()) memory.addElsewhere(page, left, slots[index]);
}

interface BootParts {
  readonly file: FoundPages;
  readonly media: GuestMedia | undefined;
  readonly memoryBytes: number;
}

async function bootOf(
  { kind, entry, pieces, zeros, order, ...boot }: GuestHead['boot'],
  { file, media, memoryBytes }: BootParts,
): Promise<PcOptions['boot']> {
  if (kind === 'bios') {
    const onNothingToBoot = (tried: readonly string[]) => media?.nothingToBoot(tried);
    return { bios: { floppies: media?.floppies, order: order ?? undefined, menuWait: boot.menuWait, onNothingToBoot } };
  }
  if (kind === 'rom') {
    const { image, videoBios, serialConsole } = boot;
    if (image === null) throw damaged('its BIOS is missing');
    return { rom: { image, videoBios: videoBios ?? undefined, serialConsole, order: order ?? undefined } };
  }
  if (entry === null) throw damaged('it does not say where its boot image starts');
  // No more is allocated than the guest has: a piece need not have been saved as a whole.
  if (pieces.reduce((sum, { length }) => sum + length, 0) > memoryBytes) throw damaged('its boot image');
  if (zeros.some(({ address, length }) => address + length > memoryBytes)) throw damaged('its boot image');
  const { mode, ip, ...rest } = entry;
  const loaded: BootImage['pieces'][number][] = [];
  for (const [index, piece] of pieces.entries()) loaded.push(await pieceOf(piece, PAGES.boot(index), file));
  return {
    entry: mode === 'real' ? { mode, ip } : { mode, eip: ip, ...rest },
    pieces: loaded,
    zeros,
  };
}

async function pieceOf(
  { address, length }: GuestHead['boot']['pieces'][number],
  name: string,
  file: FoundPages,
): Promise<BootImage['pieces'][number]> {
  const before = address % PAGE_SIZE;
  const end = Math.ceil((before + length) / PAGE_SIZE);
  const numbers = file.numbers(name);
  if ((numbers.at(-1) ?? 0) >= Math.max(end, 1)) throw damaged('its boot image');
  const bytes = new Uint8Array(end * PAGE_SIZE);
  for await (const each of file.pages(name)) bytes.set(each.bytes, each.page * PAGE_SIZE);
  return { address, bytes: bytes.subarray(before, before + length) };
}
