/**
 * From a guest to the contents of a snapshot. The guest stands still for it; its memory is shared with the snapshot, copied
 * where the guest writes, until the contents are released.
 */
import { PAGE_SIZE } from '../../base/address.ts';
import { UserError } from '../../base/errors.ts';
import type { BootImage } from '../../machine/boot.ts';
import type { MachineState } from '../../machine/machine-state.ts';
import { type NumberedPage, SnapshotContents } from '../../snapshot/snapshot-writer.ts';
import type { PcGuest } from '../create-guest.ts';
import type { GuestMedia, OpenDrive } from '../media/guest-media.ts';
import type { KeptPage, OpenImage } from '../media/image-opener.ts';
import type { GuestSettings } from '../options/guest-options.ts';
import { GUEST_HEAD_VERSION, type GuestHead, MOST_PIECES, PAGES, type SavedMedium } from './guest-head.ts';

export interface SaveOptions {
  /**
   * The guest's pages are kept in a store, and the next snapshot there need not look at those that do not change. `diff`:
   * this one need not, either.
   */
  readonly keeps?: 'all' | 'diff' | undefined;
}

export interface SavedGuest {
  readonly head: GuestHead;
  readonly contents: SnapshotContents;
  /** `GuestMemory.saves` of this snapshot. */
  readonly saves: number;
}

/** As much of a guest as is saved. */
export interface SaveableGuest extends Pick<PcGuest, 'machine' | 'name' | 'clock' | 'fuel'> {
  readonly keyboard: Pick<PcGuest['keyboard'], 'waiting'>;
  readonly serial: Pick<PcGuest['serial'], 'unread'>;
  readonly debugConsole: Pick<PcGuest['serial'], 'unread'>;
}

export function saveGuest(guest: SaveableGuest, settings: GuestSettings, { keeps }: SaveOptions = {}): SavedGuest {
  const { machine } = guest;
  const contents = new SnapshotContents();
  const { state, memory } = machine.checkpoint();
  const changed = keeps === 'diff' ? new Set(machine.memory.unsavedPages()) : undefined;
  if (keeps) machine.memory.markSaved();
  // The checkpoint has no ROM.
  contents.addLasting(PAGES.RAM, changed ? memory.ramContents(changed) : memory.contents(), () => memory.dispose());
  if (changed) contents.changed.set(PAGES.RAM, changed);
  contents.add(PAGES.ROM, romPages(guest));
  for (const { name, pages } of bootPages(guest)) {
    contents.addLasting(name, changed ? [] : pages);
    if (changed) contents.changed.set(name, new Set());
  }
  for (const { name, pages } of keptPages(settings.media)) contents.add(name, pages);
  try {
    return { head: saveHead(guest, settings, state), contents, saves: machine.memory.saves };
  } catch (error) {
    contents.release();
    throw error;
  }
}

/** All but pages. `state`: of its machine. @throws UserError for a guest that cannot be saved */
export function saveHead(guest: SaveableGuest, settings: GuestSettings, state: MachineState): GuestHead {
  const { boot } = guest.machine;
  return {
    version: GUEST_HEAD_VERSION,
    ...besidesMachine(guest, settings),
    boot: saveBoot(boot),
    media: saveMedia(settings.media),
    machine: state,
  };
}

/** What is saved of a guest but its machine and what is in its drives. */
export function besidesMachine(
  { name, clock, fuel, keyboard, serial, debugConsole }: Omit<SaveableGuest, 'machine'>,
  settings: GuestSettings | GuestHead['guest'],
): Pick<GuestHead, 'guest' | 'strokes' | 'output'> {
  return {
    guest: {
      name,
      clock,
      fuel: Number.isFinite(fuel) ? Math.min(fuel, Number.MAX_SAFE_INTEGER) : null,
      onTripleFault: settings.onTripleFault ?? 'reset',
      onReset: settings.onReset ?? 'reset',
      onNothingToBoot: settings.onNothingToBoot ?? 'wait',
    },
    strokes: keyboard.waiting,
    output: { serial: serial.unread, debugConsole: debugConsole.unread },
  };
}

/** Pages that belong to something, in rising order. */
export interface NamedPages<Page extends NumberedPage = NumberedPage> {
  readonly name: string;
  readonly pages: Iterable<Page>;
}

export const romPages = ({ machine }: Pick<PcGuest, 'machine'>): NumberedPage[] =>
  [...machine.memory.romContents()].sort((one, other) => one.page - other.page);

/** What is loaded at a reset: it never changes. */
export function bootPages({ machine: { boot } }: Pick<PcGuest, 'machine'>): NamedPages[] {
  if (!('pieces' in boot)) return [];
  return boot.pieces.map((piece, index) => ({ name: PAGES.boot(index), pages: pagesOf(piece) }));
}

/** What was written to media and is kept in memory. */
export function keptPages(media: GuestMedia | undefined): NamedPages<KeptPage & { readonly version: number }>[] {
  return drivesOf(media).map(([name, { medium }]) => ({
    name: PAGES.medium(name),
    pages: medium?.saved().kept ?? [],
  }));
}

function saveBoot(boot: PcGuest['machine']['boot']): GuestHead['boot'] {
  const none = {
    entry: null,
    pieces: [],
    zeros: [],
    order: null,
    menuWait: 0,
    image: null,
    videoBios: null,
    serialConsole: false,
  };
  if ('bios' in boot) {
    const { order, menuWait = 0 } = boot.bios;
    return { ...none, kind: 'bios', order: order ?? null, menuWait };
  }
  if ('rom' in boot) {
    const { image, videoBios, order, serialConsole = false } = boot.rom;
    return { ...none, kind: 'rom', image, videoBios: videoBios ?? null, order: order ?? null, serialConsole };
  }
  const { pieces, zeros = [] } = boot;
  if (Math.max(pieces.length, zeros.length) > MOST_PIECES)
    throw new UserError(`a guest that is booted from ${pieces.length} pieces cannot be saved: at most ${MOST_PIECES}`);
  return {
    ...none,
    kind: 'image',
    entry: saveEntry(boot.entry),
    pieces: pieces.map(({ address, bytes }) => ({ address, length: bytes.length })),
    zeros: zeros.map(({ address, length }) => ({ address, length })),
  };
}

function saveEntry(entry: BootImage['entry']): NonNullable<GuestHead['boot']['entry']> {
  const registers = { eax: 0, ebx: 0, esi: 0 };
  if (entry.mode === 'real') {
    const { mode, ip } = entry;
    return { mode, ip, registers, codeSelector: 0, dataSelector: 0, gdt: { address: 0, limit: 0 } };
  }
  const { mode, eip: ip, codeSelector, dataSelector, gdt } = entry;
  return { mode, ip, registers: { ...registers, ...entry.registers }, codeSelector, dataSelector, gdt };
}

/** As they lie in memory: most of them are there, too, and then stored once. */
function* pagesOf({ address, bytes }: BootImage['pieces'][number]): Generator<NumberedPage> {
  const before = address % PAGE_SIZE;
  for (let page = 0; page * PAGE_SIZE < before + bytes.length; page++) {
    const from = page * PAGE_SIZE - before;
    const whole = new Uint8Array(PAGE_SIZE);
    whole.set(bytes.subarray(Math.max(from, 0), from + PAGE_SIZE), Math.max(-from, 0));
    yield { page, bytes: whole };
  }
}

function saveMedia(media: GuestMedia | undefined): GuestHead['media'] {
  if (media === undefined) return { disks: [], cdrom: null, floppies: [] };
  const drive = ({ medium, changes }: OpenDrive) => ({ medium: medium ? saveMedium(medium) : null, changes });
  return {
    disks: media.disks.map((medium) => drive({ medium, changes: 0 })),
    cdrom: media.cdrom ? drive(media.cdrom) : null,
    floppies: media.floppies.map(drive),
  };
}

/** By their names in a head. */
function drivesOf(media: GuestMedia | undefined): (readonly [name: string, drive: Pick<OpenDrive, 'medium'>])[] {
  if (media === undefined) return [];
  return [
    ...media.disks.map((medium, index) => [`disk-${index}`, { medium }] as const),
    ...(media.cdrom ? [['cdrom', media.cdrom] as const] : []),
    ...media.floppies.map((drive, index) => [`floppy-${index}`, drive] as const),
  ];
}

function saveMedium(image: OpenImage): SavedMedium {
  const { kept: _, ...saved } = image.saved();
  return { name: image.name, size: image.size, ...saved };
}
