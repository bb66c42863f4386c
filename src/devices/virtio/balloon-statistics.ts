/** What a guest says of its memory. Virtual I/O Device (VIRTIO) Version 1.2, section 5.5.6.3. Hints, and never limits. */

/** By tag (5.5.6.3.2); what Linux has added since stands behind. */
const TAGS = [
  'swapIn',
  'swapOut',
  'majorFaults',
  'minorFaults',
  'freeMemory',
  'totalMemory',
  'availableMemory',
  'diskCaches',
  'hugePageAllocations',
  'hugePageFailures',
  'outOfMemoryKills',
  'allocationStalls',
  'asyncScans',
  'directScans',
  'asyncReclaims',
  'directReclaims',
] as const;

export type StatisticName = (typeof TAGS)[number];

/** Memory in bytes, all else counts. What the guest has not said is not there. */
export type BalloonFigures = Readonly<Partial<Record<StatisticName, number>>>;

export interface Statistics {
  /** Since power-on or a reset of the machine: what has a higher number is newer. */
  readonly updates: number;
  readonly values: BalloonFigures;
}

export const NO_STATISTICS: Statistics = { updates: 0, values: {} };

const ENTRY = { SIZE: 10, VALUE: 2 } as const;
/** A driver that knows no answer says −1. */
const UNKNOWN = 0xffff_ffff_ffff_ffffn;

/** Entries of 10 bytes: tag and value. Those of tags that are not known here are left out. */
export function parseStatistics(bytes: Uint8Array, before: Statistics): Statistics {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const values: Partial<Record<StatisticName, number>> = {};
  for (let at = 0; at + ENTRY.SIZE <= bytes.length; at += ENTRY.SIZE) {
    const name = TAGS[view.getUint16(at, true)];
    const value = view.getBigUint64(at + ENTRY.VALUE, true);
    if (name !== undefined && value !== UNKNOWN) values[name] = Number(value);
  }
  return { updates: before.updates + 1, values };
}
