/** The 512 bytes with which drives say what they are: IDENTIFY DEVICE and IDENTIFY PACKET DEVICE. ATA/ATAPI-6, 8.15 and 8.16. */
import { capacityOf, type Geometry } from './geometry.ts';
import { type TransferMode, transferModeWords } from './transfer-mode.ts';

/** ASCII, of up to 40, 20 and 8 characters. */
export interface DriveIdentity {
  readonly model: string;
  readonly serial: string;
  readonly firmware: string;
}

export const IDENTIFY_LENGTH = 512;
/** Sectors that READ and WRITE MULTIPLE can move in a block. */
export const MOST_MULTIPLE = 16;

/** Bit 14 set and bit 15 clear: the word holds what it says. */
const VALID = 0x4000;
const SETS = {
  PACKET: 0x0010,
  POWER_MANAGEMENT: 0x0008,
  WRITE_CACHE: 0x0020,
  LOOK_AHEAD: 0x0040,
  DEVICE_RESET: 0x0200,
  NOP: 0x4000,
} as const;
const SETS_2 = { LBA48: 0x0400, FLUSH_CACHE: 0x1000, FLUSH_CACHE_EXT: 0x2000 } as const;
const FUA_COMMANDS = 0x0040;
const CAPABILITY = { DMA: 0x0100, LBA: 0x0200, IORDY_OFF: 0x0400, IORDY: 0x0800 } as const;
/** Words 54–58, 64–70 and 88 hold what they say. */
const VALID_WORDS = { CURRENT_GEOMETRY: 1, TIMING: 2, ULTRA_DMA: 4 } as const;
/** Cycle time in ns of PIO mode 4 and of multiword DMA mode 2. */
const CYCLE_TIME = 120;
/** The modes 3 and 4 of PIO. */
const PIO_3_AND_4 = 0x0003;
/** As after a reset with a cable of 80 conductors, device 0. */
const RESET_RESULT = VALID | 0x2000 | 0x000b;
const LAST_LBA28 = 0x0fff_ffff;
const SIGNATURE = 0xa5;

export interface DiskSettings {
  readonly identity: DriveIdentity;
  readonly totalSectors: number;
  readonly defaultGeometry: Geometry;
  readonly geometry: Geometry;
  /** Sectors in a block of READ MULTIPLE; 0: it is off. */
  readonly multiple: number;
  readonly writeCache: boolean;
  readonly lookAhead: boolean;
  readonly transferMode: TransferMode;
}

export function identifyDevice(settings: DiskSettings): Uint8Array {
  const { totalSectors, geometry } = settings;
  const words = commonWords(settings.identity, settings.transferMode);
  words[0] = 0x0040; // an ATA device that is not removable
  words[1] = settings.defaultGeometry.cylinders;
  words[2] = 0xc837; // the data are complete, and no spin-up is needed
  words[3] = settings.defaultGeometry.heads;
  words[6] = settings.defaultGeometry.sectors;
  words[47] = 0x8000 | MOST_MULTIPLE;
  words[49] = CAPABILITY.DMA | CAPABILITY.LBA | CAPABILITY.IORDY_OFF | CAPABILITY.IORDY;
  words[50] = VALID;
  words[53] = VALID_WORDS.CURRENT_GEOMETRY | VALID_WORDS.TIMING | VALID_WORDS.ULTRA_DMA;
  words[54] = geometry.cylinders;
  words[55] = geometry.heads;
  words[56] = geometry.sectors;
  putNumber(words, 57, 2, capacityOf(geometry));
  words[59] = settings.multiple > 0 ? 0x0100 | settings.multiple : 0;
  putNumber(words, 60, 2, Math.min(totalSectors, LAST_LBA28));
  words[80] = 0x007e; // ATA-1 to ATA/ATAPI-6
  words[82] = SETS.NOP | SETS.LOOK_AHEAD | SETS.WRITE_CACHE | SETS.POWER_MANAGEMENT;
  words[83] = VALID | SETS_2.FLUSH_CACHE_EXT | SETS_2.FLUSH_CACHE | SETS_2.LBA48;
  words[84] = VALID | FUA_COMMANDS;
  words[85] =
    SETS.NOP |
    SETS.POWER_MANAGEMENT |
    (settings.lookAhead ? SETS.LOOK_AHEAD : 0) |
    (settings.writeCache ? SETS.WRITE_CACHE : 0);
  words[86] = SETS_2.FLUSH_CACHE_EXT | SETS_2.FLUSH_CACHE | SETS_2.LBA48;
  words[87] = VALID | FUA_COMMANDS;
  words[93] = RESET_RESULT;
  putNumber(words, 100, 4, totalSectors);
  return sealed(words);
}

export function identifyPacketDevice(identity: DriveIdentity, transferMode: TransferMode): Uint8Array {
  const words = commonWords(identity, transferMode);
  words[0] = 0x85c0; // a CD-ROM drive, removable medium, packets of 12 bytes, for which it is ready within 50 µs
  words[49] = CAPABILITY.DMA | CAPABILITY.LBA | CAPABILITY.IORDY;
  words[53] = VALID_WORDS.TIMING | VALID_WORDS.ULTRA_DMA;
  words[80] = 0x0070; // ATA/ATAPI-4 to 6
  words[82] = SETS.NOP | SETS.DEVICE_RESET | SETS.PACKET | SETS.POWER_MANAGEMENT;
  words[83] = VALID;
  words[84] = VALID;
  words[85] = words[82];
  words[87] = VALID;
  words[93] = RESET_RESULT;
  return sealed(words);
}

function commonWords({ model, serial, firmware }: DriveIdentity, transferMode: TransferMode): Uint16Array {
  const words = new Uint16Array(IDENTIFY_LENGTH / 2);
  putText(words, 10, 10, serial);
  putText(words, 23, 4, firmware);
  putText(words, 27, 20, model);
  const { multiword, ultra } = transferModeWords(transferMode);
  words[63] = multiword;
  words[64] = PIO_3_AND_4;
  words.fill(CYCLE_TIME, 65, 69);
  words[88] = ultra;
  return words;
}

/** Filled up with blanks; the first character of each pair is in the upper byte. */
function putText(words: Uint16Array, first: number, count: number, text: string): void {
  const padded = text.padEnd(2 * count);
  for (let index = 0; index < count; index++)
    words[first + index] = ((padded.charCodeAt(2 * index) & 0x7f) << 8) | (padded.charCodeAt(2 * index + 1) & 0x7f);
}

/** Low word first. */
function putNumber(words: Uint16Array, first: number, count: number, value: number): void {
  for (let index = 0, rest = value; index < count; index++, rest = Math.floor(rest / 0x1_0000))
    words[first + index] = rest % 0x1_0000;
}

/** As bytes, with the checksum in the last: all add up to 0. */
function sealed(words: Uint16Array): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_LENGTH);
  for (const [index, word] of words.entries()) {
    bytes[2 * index] = word;
    bytes[2 * index + 1] = word >>> 8;
  }
  bytes[IDENTIFY_LENGTH - 2] = SIGNATURE;
  bytes[IDENTIFY_LENGTH - 1] = -bytes.reduce((sum, byte) => sum + byte, 0);
  return bytes;
}
