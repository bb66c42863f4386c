/**
 * From a guest to the contents of a snapshot. The guest stands still for it; its memory is shared with the snapshot, copied
 * where the guest writes, until the contents are released.
 */
import { PAGE_SIZE } from '../../base/address.ts';
import { UserError } from '../../base/errors.ts';
import type { BootImage } from '../../machine/boot.ts';
import { type NumberedPage, SnapshotContents } from '../../snapshot/snapshot-writer.ts';
import type { PcGuest } from '../create-guest.ts';
import type { GuestMedia, OpenDrive } from '../media/guest-media.ts';
import type { OpenImage } from '../media/image-opener.ts';
import type { GuestSettings } from '../options/guest-options.ts';
import { GUEST_HEAD_VERSION, type GuestHead, MOST_PIECES, PAGES, type SavedMedium } from './guest-head.ts';

/** As much of a guest as is saved. */
export interface SaveableGuest extends Pick<PcGuest, 'machine' | 'name' | 'clock' | 'fuel'> {
  readonly keyboard: Pick<PcGuest['keyboard'], 'waiting'>;
  readonly serial: Pick<PcGuest['serial'], 'unread'>;
  readonly debugConsole: Pick<PcGuest['serial'], 'unread'>;
}

export function saveGuest(
  guest: SaveableGuest,
  settings: GuestSettings,
): { readonly head: GuestHead; readonly contents: SnapshotContents } {
  const { machine } = guest;
  const contents = new SnapshotContents();
  const { state, memory } = machine.checkpoint();
  // The checkpoint has no ROM.
  contents.addLasting(PAGES.RAM, memory.contents(), () => memory.dispose());
  const rom = [...machine.memory.romContents()].sort((one, other) => one.page - other.page);
  contents.add(PAGES.ROM, rom);
  const head: GuestHead = {
    version: GUEST_HEAD_VERSION,
    ...besidesMachine(guest, settings),
    boot: saveBoot(machine.boot, contents),
    media: saveMedia(settings.media, contents),
    machine: state,
  };
  return { head, contents };
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

function saveBoot(boot: PcGuest['machine']['boot'], contents: SnapshotContents): GuestHead['boot'] {
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
  for (const [index, piece] of pieces.entries()) contents.addLasting(PAGES.boot(index), pagesOf(piece));
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

function saveMedia(media: GuestMedia | undefined, contents: SnapshotContents): GuestHead['media'] {
  if (media === undefined) return { disks: [], cdrom: null, floppies: [] };
  const drive = (name: string, { medium, changes }: OpenDrive) => ({
    medium: medium ? saveMedium(name, medium, contents) : null,
    changes,
  });
  return {
    disks: media.disks.map((medium, index) => drive(`disk-${index}`, { medium, changes: 0 })),
    cdrom: media.cdrom ? drive('cdrom', media.cdrom) : null,
    floppies: media.floppies.map((each, index) => drive(`floppy-${index}`, each)),
  };
}

function saveMedium(drive: string, image: OpenImage, contents: SnapshotContents): SavedMedium {
  const { kept, ...saved } = image.saved();
  if (kept) contents.add(PAGES.medium(drive), kept);
  return { name: image.name, size: image.size, ...saved };
}
