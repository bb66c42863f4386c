/** The packet commands of a CD-ROM drive: MMC-4 (T10/1545-D), clause 6; SPC-2; SFF-8020i for what is older. */
import {
  capacityData,
  configuration,
  discInformation,
  eventStatus,
  formatCapacities,
  fromBigEndian,
  inquiryData,
  isDvd,
  MEDIA_EVENT,
  mechanismStatus,
  rawToc,
  sessions,
  subChannel,
  tracks,
} from './cd-answers.ts';
import type { DriveIdentity } from './identify-data.ts';
import { MEDIUM_TYPE, modeSense, PAGE_CONTROL } from './mode-pages.ts';
import { SENSE, type Sense, senseData } from './sense.ts';

/** What a command can change. */
export interface CdChanges {
  readonly attentions?: Sense[];
  readonly swapped?: boolean;
  readonly tray?: 'open' | 'closed';
  readonly locked?: boolean;
  readonly mediaEvent?: number;
}

/** What a command knows of the drive. */
export interface CdView extends Required<CdChanges> {
  readonly identity: DriveIdentity;
  /** Of the disc, if there is one and the tray is closed. */
  readonly blocks: number | undefined;
  /** A disc lies in the tray, open or closed. */
  readonly loaded: boolean;
  /** Of the command before. */
  readonly sense: Sense;
}

/** What comes of a command: data for the host, blocks to read, or the reason why not. */
export interface PacketOutcome {
  readonly data?: Uint8Array;
  readonly read?: { lba: number; remaining: number };
  readonly sense?: Sense;
  readonly changes?: CdChanges;
}

type Perform = (packet: Uint8Array, drive: CdView) => PacketOutcome;
type PerformOnDisc = (packet: Uint8Array, drive: CdView & { readonly blocks: number }) => PacketOutcome;

interface PacketCommand {
  /** It is done although a unit attention is pending, and leaves that. */
  readonly passesAttention?: boolean;
  readonly perform: Perform;
}

const REQUEST_SENSE = 0x03;
const VITAL_PRODUCT_DATA = 0x01;
const MSF = 0x02;
const POLLED = 0x01;
const START_STOP = { START: 0x01, LOAD_EJECT: 0x02, POWER_CONDITION: 0xf0 } as const;
/** Byte 9 of READ CD: what of a sector is wanted. */
const WANTED = { ANY: 0xf8, USER_DATA: 0x10 } as const;
/** Expected sector type of READ CD: any, or mode 1. */
const SECTOR_TYPES = [0, 2];

const done: PacketOutcome = {};
const failed = (sense: Sense): PacketOutcome => ({ sense });
const invalidField = failed(SENSE.INVALID_FIELD);

/** As much of an answer as the host has room for, which the packet says in `length` bytes at `offset`. */
const limited = (packet: Uint8Array, offset: number, length: number, data: Uint8Array): PacketOutcome => ({
  data: data.subarray(0, fromBigEndian(packet, offset, length)),
});

/** Needs a disc. */
const onDisc =
  (perform: PerformOnDisc): Perform =>
  (packet, drive) => {
    const { blocks } = drive;
    if (drive.swapped) return { sense: SENSE.NO_MEDIUM_TRAY_CLOSED, changes: { swapped: false } };
    if (blocks === undefined)
      return failed(drive.tray === 'open' ? SENSE.NO_MEDIUM_TRAY_OPEN : SENSE.NO_MEDIUM_TRAY_CLOSED);
    return perform(packet, { ...drive, blocks });
  };

const read = (lba: number, remaining: number, blocks: number): PacketOutcome =>
  lba + remaining > blocks ? failed(SENSE.ADDRESS_OUT_OF_RANGE) : { read: { lba, remaining } };

const readCd: PerformOnDisc = (packet, { blocks }) => {
  const wanted = packet[9] & WANTED.ANY;
  const type = (packet[1] >>> 2) & 7;
  if (!SECTOR_TYPES.includes(type) || (packet[10] & 7) !== 0) return invalidField;
  if (wanted === 0) return done;
  if (wanted !== WANTED.USER_DATA) return invalidField;
  return read(fromBigEndian(packet, 2, 4), fromBigEndian(packet, 6, 3), blocks);
};

const readToc: PerformOnDisc = (packet, { blocks }) => {
  const msf = (packet[1] & MSF) !== 0;
  // SFF-8020i has the format in the upper bits of the last byte.
  const format = packet[2] & 0x0f || packet[9] >>> 6;
  const toc = [tracks(blocks, packet[6], msf), sessions(msf), rawToc(blocks)][format];
  return toc ? limited(packet, 7, 2, toc) : invalidField;
};

const modeSenseCommand =
  (header: 6 | 10): Perform =>
  (packet, { blocks, tray, locked }) => {
    const control = packet[2] >>> 6;
    if (control === PAGE_CONTROL.SAVED) return failed(SENSE.SAVING_NOT_SUPPORTED);
    const { DATA_DISC, NO_DISC, DOOR_OPEN } = MEDIUM_TYPE;
    const mediumType = tray === 'open' ? DOOR_OPEN : blocks === undefined ? NO_DISC : DATA_DISC;
    const data = modeSense({ page: packet[2] & 0x3f, control, header, mediumType, locked });
    if (data === undefined) return invalidField;
    return header === 6 ? limited(packet, 4, 1, data) : limited(packet, 7, 2, data);
  };

const startStopUnit: Perform = (packet, { tray, locked, loaded }) => {
  if (packet[4] & START_STOP.POWER_CONDITION || (packet[4] & START_STOP.LOAD_EJECT) === 0) return done;
  if (packet[4] & START_STOP.START) {
    if (tray === 'closed') return done;
    if (!loaded) return { changes: { tray: 'closed' } };
    const mediaEvent = MEDIA_EVENT.NEW_MEDIUM;
    return { changes: { tray: 'closed', mediaEvent, attentions: [SENSE.MEDIUM_MAY_HAVE_CHANGED] } };
  }
  if (locked) return failed(SENSE.REMOVAL_PREVENTED);
  if (tray === 'open') return done;
  return { changes: { tray: 'open', ...(loaded ? { mediaEvent: MEDIA_EVENT.REMOVED } : {}) } };
};

const requestSense: Perform = (packet, { sense, attentions }) => {
  if (sense.key !== SENSE.NONE.key) return limited(packet, 4, 1, senseData(sense));
  const [attention, ...rest] = attentions;
  return { ...limited(packet, 4, 1, senseData(attention ?? SENSE.NONE)), changes: { attentions: rest } };
};

const getEventStatus: Perform = (packet, { tray, blocks, mediaEvent }) => {
  if ((packet[1] & POLLED) === 0) return invalidField;
  const answer = eventStatus(mediaEvent, { classes: packet[4], tray, present: blocks !== undefined });
  const told = answer.length > 4;
  return { ...limited(packet, 7, 2, answer), ...(told ? { changes: { mediaEvent: MEDIA_EVENT.NONE } } : {}) };
};

const COMMANDS: Readonly<Partial<Record<number, PacketCommand>>> = {
  0: { perform: onDisc(() => done) }, // TEST UNIT READY
  [REQUEST_SENSE]: { passesAttention: true, perform: requestSense },
  18: {
    passesAttention: true, // INQUIRY
    perform: (packet, { identity }) =>
      packet[1] & VITAL_PRODUCT_DATA || packet[2] !== 0 ? invalidField : limited(packet, 3, 2, inquiryData(identity)),
  },
  26: { perform: modeSenseCommand(6) },
  27: { perform: startStopUnit },
  30: { perform: (packet) => ({ changes: { locked: (packet[4] & 1) !== 0 } }) }, // PREVENT ALLOW MEDIUM REMOVAL
  35: { perform: (packet, { blocks }) => limited(packet, 7, 2, formatCapacities(blocks)) },
  37: { perform: onDisc((_, { blocks }) => ({ data: capacityData(blocks) })) },
  40: {
    perform: onDisc((packet, { blocks }) => read(fromBigEndian(packet, 2, 4), fromBigEndian(packet, 7, 2), blocks)),
  },
  43: {
    // SEEK(10)
    perform: onDisc((packet, { blocks }) =>
      fromBigEndian(packet, 2, 4) < blocks ? done : failed(SENSE.ADDRESS_OUT_OF_RANGE),
    ),
  },
  66: {
    perform: onDisc((packet) =>
      limited(packet, 7, 2, subChannel({ data: (packet[2] & 0x40) !== 0, format: packet[3] })),
    ),
  },
  67: { perform: onDisc(readToc) },
  70: {
    passesAttention: true, // GET CONFIGURATION
    perform: (packet, { blocks }) =>
      (packet[1] & 3) === 3
        ? invalidField
        : limited(packet, 7, 2, configuration(blocks, packet[1] & 3, fromBigEndian(packet, 2, 2))),
  },
  74: { passesAttention: true, perform: getEventStatus },
  81: {
    perform: onDisc((packet, { blocks }) =>
      isDvd(blocks) || packet[1] & 7 ? invalidField : limited(packet, 7, 2, discInformation()),
    ),
  },
  90: { perform: modeSenseCommand(10) },
  168: {
    perform: onDisc((packet, { blocks }) => read(fromBigEndian(packet, 2, 4), fromBigEndian(packet, 6, 4), blocks)),
  },
  187: { perform: () => done }, // SET CD SPEED
  189: { perform: (packet, { tray }) => limited(packet, 8, 2, mechanismStatus(tray)) },
  190: { perform: onDisc(readCd) },
};

export function performPacket(packet: Uint8Array, drive: CdView): PacketOutcome {
  const command = COMMANDS[packet[0]];
  if (command === undefined) return failed(SENSE.INVALID_COMMAND);
  const [attention, ...rest] = drive.attentions;
  if (attention === undefined || command.passesAttention) return command.perform(packet, drive);
  // A disc that was swapped is missed first.
  if (drive.swapped) return { sense: SENSE.NO_MEDIUM_TRAY_CLOSED, changes: { swapped: false } };
  return { sense: attention, changes: { attentions: rest } };
}
