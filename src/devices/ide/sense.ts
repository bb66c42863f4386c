/** Why a packet command failed: sense key, additional sense code and qualifier. SPC-2, clause 7.20; MMC-4, annex F. */
export interface Sense {
  readonly key: number;
  readonly code: number;
  readonly qualifier: number;
}

const sense = (key: number, code: number, qualifier = 0): Sense => ({ key, code, qualifier });

export const SENSE = {
  NONE: sense(0, 0),
  NO_MEDIUM_TRAY_CLOSED: sense(2, 0x3a, 1),
  NO_MEDIUM_TRAY_OPEN: sense(2, 0x3a, 2),
  UNRECOVERED_READ_ERROR: sense(3, 0x11),
  INVALID_COMMAND: sense(5, 0x20),
  ADDRESS_OUT_OF_RANGE: sense(5, 0x21),
  INVALID_FIELD: sense(5, 0x24),
  SAVING_NOT_SUPPORTED: sense(5, 0x39),
  REMOVAL_PREVENTED: sense(5, 0x53, 2),
  MEDIUM_MAY_HAVE_CHANGED: sense(6, 0x28),
  RESET_OCCURRED: sense(6, 0x29),
} as const satisfies Record<string, Sense>;

const FIXED_FORMAT = 0x70;
const LENGTH = 18;

/** What REQUEST SENSE answers. */
export function senseData({ key, code, qualifier }: Sense): Uint8Array {
  const bytes = new Uint8Array(LENGTH);
  bytes[0] = FIXED_FORMAT;
  bytes[2] = key;
  bytes[7] = LENGTH - 8;
  bytes[12] = code;
  bytes[13] = qualifier;
  return bytes;
}
