/**
 * Power-on: chips, data areas and tables as an AT's BIOS leaves them. It takes no guest time: nothing is tested.
 *
 * Not modelled: the reasons for a reset that an AT's BIOS looks up in the CMOS (shutdown code, register 0Fh): every one
 * is a power-on.
 */
import { BDA, BiosData } from '../bios-data.ts';
import { type Board, readCmos, writeCmos } from '../board.ts';
import { floppyType, SECTOR_SIZE, translatedGeometry } from '../disk/geometry.ts';
import { setUpPci } from '../pci/pci-setup.ts';
import { ROM_SEGMENT } from '../rom.ts';
import { ROM_LABELS } from '../rom-image.ts';
import { SERVICE, type Services } from '../service.ts';
import { writeSystemTables } from '../tables/system-tables.ts';
import { TextScreen } from '../video/text-screen.ts';
import { setUpChips } from './chips.ts';
import { shadowRom } from './shadow.ts';
import { interruptTable } from './vectors.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
export const EBDA_SEGMENT = 0x9fc0;
const EBDA_KIB = 1;
const DATA_AREA_SIZE = 0x108;
const KEYBOARD_BUFFER = { START: 0x1e, END: 0x3e } as const;
const MODE = 3;
const DISK_TABLE = { SIZE: 16, VECTORS: [0x41, 0x46] } as const;

const CMOS = {
  SHUTDOWN: 0x0f,
  FLOPPY_TYPES: 0x10,
  DISK_TYPES: 0x12,
  EQUIPMENT: 0x14,
  BASE_KIB: 0x15,
  EXTENDED_KIB: 0x17,
  EXTENDED_DISK_TYPE: 0x19,
  CHECKSUM: 0x2e,
  EXTENDED_KIB_FOUND: 0x30,
  ABOVE_16M: 0x34,
} as const;
const CHECKSUMMED = [0x10, 0x2d] as const;
/** A disk whose type does not fit into half a byte, and the first that is described elsewhere. */
const EXTENDED_TYPE = 0xf;
const USER_TYPE = 0x2f;

const EQUIPMENT = { FLOPPY: 0x0001, COPROCESSOR: 0x0002, MOUSE: 0x0004, COLOR_80: 0x0020 } as const;
const COM1 = 0x3f8;

export function powerOnServices(board: Board): Services {
  return {
    [SERVICE.POWER_ON]: () => {
      setUpChips(board);
      setUpPci(board.ports);
      shadowRom(board, () => {
        describeDisks(board);
        writeSystemTables(board);
      });
      setUpDataAreas(board);
      rememberInCmos(board);
      const screen = new TextScreen(board);
      screen.setMode(MODE, { clear: true });
      screen.print(`Vetro BIOS, ${board.ramBytes / MIB} MiB\r\n\r\n`);
      return undefined;
    },
  };
}

/** As INT 11h reports it. */
function equipmentOf({ drives }: Board): number {
  const floppies = Math.min(drives.floppy.length, 4);
  const diskettes = floppies > 0 ? EQUIPMENT.FLOPPY | ((floppies - 1) << 6) : 0;
  const serialPorts = 1 << 9;
  return diskettes | EQUIPMENT.COPROCESSOR | EQUIPMENT.COLOR_80 | serialPorts;
}

function setUpDataAreas(board: Board): void {
  const { physical, drives } = board;
  physical.copyIn(0, interruptTable());
  for (const [index, vector] of DISK_TABLE.VECTORS.entries()) {
    const offset = index < drives.disk.length ? ROM_LABELS.disk_tables + index * DISK_TABLE.SIZE : ROM_LABELS.ignore;
    physical.write(4 * vector, ROM_SEGMENT * 0x1_0000 + offset, 4);
  }
  physical.copyIn(0x400, new Uint8Array(DATA_AREA_SIZE));
  const bda = new BiosData(physical);
  bda.setWord(BDA.SERIAL_PORTS, COM1);
  bda.setWord(BDA.EBDA_SEGMENT, EBDA_SEGMENT);
  bda.setWord(BDA.EQUIPMENT, equipmentOf(board));
  bda.setWord(BDA.MEMORY_KIB, (EBDA_SEGMENT * 16) / KIB);
  bda.setWord(BDA.KEYBOARD_HEAD, KEYBOARD_BUFFER.START);
  bda.setWord(BDA.KEYBOARD_TAIL, KEYBOARD_BUFFER.START);
  bda.setWord(BDA.BUFFER_START, KEYBOARD_BUFFER.START);
  bda.setWord(BDA.BUFFER_END, KEYBOARD_BUFFER.END);
  // A keyboard with 101 keys.
  bda.setByte(BDA.KEYBOARD_FLAGS_3, 0x10);
  bda.setByte(BDA.DISKS, drives.disk.length);
  for (let port = 0; port < 4; port++) {
    bda.setByte(BDA.PRINTER_TIMEOUT + port, 20);
    bda.setByte(BDA.SERIAL_TIMEOUT + port, 1);
  }
  const ebda = EBDA_SEGMENT * 16;
  physical.copyIn(ebda, new Uint8Array(EBDA_KIB * KIB));
  physical.write(ebda, EBDA_KIB, 1);
}

/** INT 41h and 46h: tables of the first two fixed disks, in the ROM's place for them. */
function describeDisks({ physical, drives }: Board): void {
  for (const [index, { medium }] of drives.disk.slice(0, 2).entries()) {
    const { cylinders, heads, sectors } = translatedGeometry(Math.floor((medium?.size ?? 0) / SECTOR_SIZE));
    const table = new DataView(new ArrayBuffer(DISK_TABLE.SIZE));
    table.setUint16(0, cylinders, true);
    table.setUint8(2, heads);
    table.setUint16(5, 0xffff, true); // no precompensation
    table.setUint8(8, heads > 8 ? 0xc8 : 0xc0);
    table.setUint16(12, cylinders, true);
    table.setUint8(14, sectors);
    physical.copyIn(ROM_SEGMENT * 16 + ROM_LABELS.disk_tables + index * DISK_TABLE.SIZE, new Uint8Array(table.buffer));
  }
}

/** What systems read there without asking the BIOS. */
function rememberInCmos(board: Board): void {
  const { drives, ramBytes } = board;
  const writeWord = (register: number, value: number) => {
    writeCmos(board, register, value);
    writeCmos(board, register + 1, value >>> 8);
  };
  const type = (index: number) => floppyType(drives.floppy[index]);
  writeCmos(board, CMOS.SHUTDOWN, 0);
  writeCmos(board, CMOS.FLOPPY_TYPES, (type(0) << 4) | type(1));
  const [first, second] = [0, 1].map((index) => (drives.disk.length > index ? 1 : 0));
  writeCmos(board, CMOS.DISK_TYPES, EXTENDED_TYPE * (16 * first + second));
  writeWord(CMOS.EXTENDED_DISK_TYPE, USER_TYPE * (first + 256 * second));
  writeCmos(board, CMOS.EQUIPMENT, equipmentOf(board));
  const extended = Math.min(ramBytes / KIB - 1024, 0xfc00);
  writeWord(CMOS.BASE_KIB, 640);
  writeWord(CMOS.EXTENDED_KIB, extended);
  writeWord(CMOS.EXTENDED_KIB_FOUND, extended);
  writeWord(CMOS.ABOVE_16M, Math.max(0, ramBytes / (64 * KIB) - 256));
  let sum = 0;
  for (let register = CHECKSUMMED[0]; register <= CHECKSUMMED[1]; register++) sum += readCmos(board, register);
  // High byte first.
  writeCmos(board, CMOS.CHECKSUM, sum >>> 8);
  writeCmos(board, CMOS.CHECKSUM + 1, sum);
}
