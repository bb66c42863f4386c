/** Command words of the 82077AA: datasheet, order number 290166, "Command Set/Descriptions". */

/** The low five bits of the first byte. */
export const COMMAND = {
  READ_TRACK: 0x02,
  SPECIFY: 0x03,
  SENSE_DRIVE_STATUS: 0x04,
  WRITE_DATA: 0x05,
  READ_DATA: 0x06,
  RECALIBRATE: 0x07,
  SENSE_INTERRUPT_STATUS: 0x08,
  WRITE_DELETED_DATA: 0x09,
  READ_ID: 0x0a,
  READ_DELETED_DATA: 0x0c,
  FORMAT_TRACK: 0x0d,
  DUMPREG: 0x0e,
  SEEK: 0x0f,
  VERSION: 0x10,
  SCAN_EQUAL: 0x11,
  PERPENDICULAR_MODE: 0x12,
  CONFIGURE: 0x13,
  LOCK: 0x14,
  VERIFY: 0x16,
  SCAN_LOW_OR_EQUAL: 0x19,
  SCAN_HIGH_OR_EQUAL: 0x1d,
} as const;

/** The bits above: multi-track, MFM, skip; of SEEK: relative, and its direction; of LOCK: lock. */
export const MODIFIER = { MT: 0x80, MFM: 0x40, SK: 0x20, RELATIVE: 0x80, INWARDS: 0x40, LOCK: 0x80 } as const;

const { MT, MFM, SK, RELATIVE, INWARDS } = MODIFIER;
/** What commands that read or write look at, or ignore. */
const ANY = MT | MFM | SK;

interface Shape {
  /** Bytes of the command phase, the first included: so many are taken, never more. */
  readonly length: number;
  /** Modifier bits that it may have: with others it is invalid. */
  readonly modifiers: number;
}

const shape = (length: number, modifiers: number): Shape => ({ length, modifiers });

const SHAPES: ReadonlyMap<number, Shape> = new Map([
  [COMMAND.READ_TRACK, shape(9, ANY)],
  [COMMAND.SPECIFY, shape(3, 0)],
  [COMMAND.SENSE_DRIVE_STATUS, shape(2, 0)],
  [COMMAND.WRITE_DATA, shape(9, ANY)],
  [COMMAND.READ_DATA, shape(9, ANY)],
  [COMMAND.RECALIBRATE, shape(2, 0)],
  [COMMAND.SENSE_INTERRUPT_STATUS, shape(1, 0)],
  [COMMAND.WRITE_DELETED_DATA, shape(9, ANY)],
  [COMMAND.READ_ID, shape(2, ANY)],
  [COMMAND.READ_DELETED_DATA, shape(9, ANY)],
  [COMMAND.FORMAT_TRACK, shape(6, ANY)],
  [COMMAND.DUMPREG, shape(1, 0)],
  [COMMAND.SEEK, shape(3, RELATIVE | INWARDS)],
  [COMMAND.VERSION, shape(1, 0)],
  [COMMAND.SCAN_EQUAL, shape(9, ANY)],
  [COMMAND.PERPENDICULAR_MODE, shape(2, 0)],
  [COMMAND.CONFIGURE, shape(4, 0)],
  [COMMAND.LOCK, shape(1, MODIFIER.LOCK)],
  [COMMAND.VERIFY, shape(9, ANY)],
  [COMMAND.SCAN_LOW_OR_EQUAL, shape(9, ANY)],
  [COMMAND.SCAN_HIGH_OR_EQUAL, shape(9, ANY)],
]);

export const commandOf = (first: number): number => first & 0x1f;

/** Bytes of the command phase of a command that begins with `first`; undefined: it is invalid. */
export function commandLength(first: number): number | undefined {
  const known = SHAPES.get(commandOf(first));
  return known === undefined || (first & ANY & ~known.modifiers) !== 0 ? undefined : known.length;
}
