/**
 * What a CD-ROM drive answers to packet commands, as functions of what it knows. MMC-4 (T10/1545-D), SPC-2 (T10/1236-D),
 * SFF-8020i. A disc has one session with one track of data, of 2048-byte blocks from address 0.
 */
import type { DriveIdentity } from './identify-data.ts';

export const BLOCK = 2048;
const FRAMES_PER_SECOND = 75;
const SECONDS_PER_MINUTE = 60;
/** The two seconds before the first block. */
const PREGAP = 2 * FRAMES_PER_SECOND;
/** An address that minutes cannot hold. */
const LAST_MSF = [0, 255, 59, 74] as const;
/** Blocks of a CD of 80 minutes with some overburning; what is larger is a DVD. */
const MOST_CD_BLOCKS = 90 * SECONDS_PER_MINUTE * FRAMES_PER_SECOND;
const LEAD_OUT = 0xaa;
/** Q subchannel: the position is encoded, the track holds data. */
const DATA_TRACK = 0x14;
const MULTIMEDIA_PROFILE = { NONE: 0, CD_ROM: 0x0008, DVD_ROM: 0x0010 } as const;

export const bigEndian = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, index) => Math.floor(value / 2 ** (8 * (bytes - 1 - index))) % 0x100);

/** The number in `length` bytes from `offset` on. */
export const fromBigEndian = (bytes: Uint8Array, offset: number, length: number): number =>
  bytes.subarray(offset, offset + length).reduce((value, byte) => value * 0x100 + byte, 0);

const text = (string: string, length: number): number[] =>
  Array.from({ length }, (_, index) => (string.padEnd(length).charCodeAt(index) & 0x7f) as number);

/** With the length of what follows, in two bytes, before it. */
const counted = (rest: readonly number[]): Uint8Array => Uint8Array.from([...bigEndian(rest.length, 2), ...rest]);

export function inquiryData({ model, firmware }: DriveIdentity): Uint8Array {
  const [vendor, ...product] = model.split(' ');
  return Uint8Array.from([
    ...[0x05, 0x80, 0x00, 0x21, 31, 0, 0, 0], // CD-ROM, removable, ATAPI
    ...text(vendor, 8),
    ...text(product.join(' '), 16),
    ...text(firmware, 4),
  ]);
}

export const capacityData = (blocks: number): Uint8Array =>
  Uint8Array.from([...bigEndian(blocks - 1, 4), ...bigEndian(BLOCK, 4)]);

/** READ FORMAT CAPACITIES: the current one alone. */
export function formatCapacities(blocks: number | undefined): Uint8Array {
  const kind = blocks === undefined ? 3 : 2; // no medium; formatted
  return Uint8Array.from([0, 0, 0, 8, ...bigEndian(blocks ?? 0, 4), kind, ...bigEndian(BLOCK, 3)]);
}

function position(lba: number, msf: boolean): readonly number[] {
  if (!msf) return bigEndian(lba, 4);
  const frames = lba + PREGAP;
  const seconds = Math.floor(frames / FRAMES_PER_SECOND);
  const minutes = Math.floor(seconds / SECONDS_PER_MINUTE);
  if (minutes > LAST_MSF[1]) return LAST_MSF;
  return [0, minutes, seconds % SECONDS_PER_MINUTE, frames % FRAMES_PER_SECOND];
}

/** READ TOC, format 0; undefined if there is no such track. */
export function tracks(blocks: number, from: number, msf: boolean): Uint8Array | undefined {
  if (from > 1 && from !== LEAD_OUT) return undefined;
  return counted([
    ...[1, 1], // first and last track
    ...(from <= 1 ? [0, DATA_TRACK, 1, 0, ...position(0, msf)] : []),
    ...[0, DATA_TRACK, LEAD_OUT, 0, ...position(blocks, msf)],
  ]);
}

/** Format 1: the first track of the last session. */
export const sessions = (msf: boolean): Uint8Array => counted([1, 1, 0, DATA_TRACK, 1, 0, ...position(0, msf)]);

/** Format 2: as in the lead-in: first track, last track, lead-out, and the track. Positions are always minutes there. */
export function rawToc(blocks: number): Uint8Array {
  const entry = (point: number, at: readonly number[]) => [1, DATA_TRACK, 0, point, 0, 0, 0, 0, ...at.slice(1)];
  return counted([
    ...[1, 1], // first and last session
    ...entry(0xa0, [0, 1, 0, 0]),
    ...entry(0xa1, [0, 1, 0, 0]),
    ...entry(0xa2, position(blocks, true)),
    ...entry(1, position(0, true)),
  ]);
}

export const isDvd = (blocks: number): boolean => blocks > MOST_CD_BLOCKS;

/** GET CONFIGURATION. `request`: 0 all features, 1 the current ones, 2 the one that `from` names. */
export function configuration(blocks: number | undefined, request: number, from: number): Uint8Array {
  const { NONE, CD_ROM, DVD_ROM } = MULTIMEDIA_PROFILE;
  const profile = blocks === undefined ? NONE : isDvd(blocks) ? DVD_ROM : CD_ROM;
  const flags = (version: number, { persistent = false, current = false }) =>
    (version << 2) | (persistent ? 2 : 0) | (current ? 1 : 0);
  const has = blocks !== undefined;
  const always = { persistent: true, current: true };
  const profiles = [DVD_ROM, CD_ROM].flatMap((each) => [...bigEndian(each, 2), each === profile ? 1 : 0, 0]);
  const features: { code: number; version: number; persistent?: boolean; current: boolean; data: number[] }[] = [
    { code: 0x0000, version: 0, ...always, data: profiles },
    { code: 0x0001, version: 1, ...always, data: [0, 0, 0, 2, 0, 0, 0, 0] }, // core: ATAPI
    { code: 0x0002, version: 0, ...always, data: [0, 0, 0, 0] }, // morphing: events by polling
    { code: 0x0003, version: 0, ...always, data: [0x29, 0, 0, 0] }, // removable: tray, eject, lock
    { code: 0x0010, version: 0, current: has, data: [...bigEndian(BLOCK, 4), 0, 1, 0, 0] }, // random readable
    { code: 0x001e, version: 2, current: profile === CD_ROM, data: [0, 0, 0, 0] }, // CD read
    { code: 0x001f, version: 0, current: profile === DVD_ROM, data: [] }, // DVD read
    { code: 0x0100, version: 0, ...always, data: [] }, // power management
  ];
  const chosen = features.filter(({ code, current }) =>
    request === 2 ? code === from : code >= from && (request === 0 || current),
  );
  const body = chosen.flatMap(({ code, version, data, ...rest }) => [
    ...bigEndian(code, 2),
    flags(version, rest),
    data.length,
    ...data,
  ]);
  return Uint8Array.from([...bigEndian(body.length + 4, 4), 0, 0, ...bigEndian(profile, 2), ...body]);
}

/** READ DISC INFORMATION: one complete session, finalised, not erasable. */
export function discInformation(): Uint8Array {
  const bytes = new Uint8Array(34);
  bytes.set([0, 32, 0x0e, 1, 1, 1, 1, 0x20, 0x00]);
  bytes.fill(0xff, 16, 24); // no last possible lead-in and lead-out
  return bytes;
}

/** MECHANISM STATUS: no changer. */
export function mechanismStatus(tray: 'open' | 'closed'): Uint8Array {
  const bytes = new Uint8Array(8);
  if (tray === 'open') bytes[1] = 0x10;
  return bytes;
}

/** READ SUB-CHANNEL: nothing plays; `format` 1: where it would. */
export function subChannel({ data, format }: { readonly data: boolean; readonly format: number }): Uint8Array {
  const noAudioStatus = 0x15;
  const at = data && format === 1 ? [1, DATA_TRACK, 1, 1, ...bigEndian(0, 4), ...bigEndian(0, 4)] : [];
  return Uint8Array.from([0, noAudioStatus, ...bigEndian(at.length, 2), ...at]);
}

/** The media class of GET EVENT STATUS NOTIFICATION. */
export const MEDIA_EVENT = { NONE: 0, EJECT_REQUEST: 1, NEW_MEDIUM: 2, REMOVED: 3 } as const;
export const MEDIA_CLASS = 4;

export function eventStatus(
  event: number,
  { classes, tray, present }: { readonly classes: number; readonly tray: 'open' | 'closed'; readonly present: boolean },
): Uint8Array {
  const supported = 1 << MEDIA_CLASS;
  if ((classes & supported) === 0) return Uint8Array.of(0, 2, 0x80, supported);
  const status = (tray === 'open' ? 1 : 0) | (present ? 2 : 0);
  return Uint8Array.of(0, 6, MEDIA_CLASS, supported, event, status, 0, 0);
}
