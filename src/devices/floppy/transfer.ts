/** A command of the floppy controller that reads or writes the disk, under way: plain data, and what follows from it. */
import { COMMAND, commandOf, MODIFIER } from './command-set.ts';
import { SECTOR_BYTES } from './floppy-format.ts';
import { ST1, ST2 } from './status-bits.ts';

/** An identification field: cylinder, head, sector, size code. */
export interface SectorId {
  readonly c: number;
  readonly h: number;
  readonly r: number;
  readonly n: number;
}

/**
 * What a transfer waits for: that the search for a sector ends in vain (`search`), an identification field (`id`), the
 * disk (`read`, `write`), the time at which bytes are fetched from the host (`fetch`), the host to serve the FIFO
 * (`host`), or the FIFO's next burst (`burst`).
 */
export type TransferStep = 'search' | 'id' | 'read' | 'write' | 'fetch' | 'host' | 'burst';

export interface Transfer {
  /** The bytes of the command phase. */
  readonly bytes: readonly number[];
  /** Physical head; a multi-track command goes on from 0 to 1. */
  head: number;
  /** The sector that is looked for. */
  id: SectorId;
  step: TransferStep;
  /** Guest time (ns) at which the step ends; of `host`: at which it ends in an overrun. */
  at: number;
  /** Of `search`: how it ends. */
  st1: number;
  /** Gathered so far. */
  st2: number;
  /** The head was moved by an implied seek. */
  soughtCylinder: boolean;
  /** Sectors dealt with. */
  done: number;
  /** What goes to or comes from the host: a sector, or the identification fields of a track. */
  buffer: Uint8Array;
  /** Of SCAN: what the disk has. */
  onDisk: Uint8Array;
  /** Bytes of the buffer that the FIFO has dealt with, and those that it deals with before the host has to wait. */
  position: number;
  burst: number;
  /** TC came: this sector is the last. */
  terminalCount: boolean;
  /** The disk has been taken out meanwhile. */
  lost: boolean;
}

const EMPTY = new Uint8Array(0);
/** VERIFY: the last byte is a sector count, after which it ends. */
const ENABLE_COUNT = 0x80;

export function createTransfer(bytes: readonly number[]): Transfer {
  const operation = commandOf(bytes[0]);
  const [, select, c = 0, h = 0, r = 0, n = 0] = bytes;
  const id = operation === COMMAND.FORMAT_TRACK ? { c: 0, h: 0, r: 1, n: c } : { c, h, r, n };
  return {
    bytes: [...bytes],
    head: (select >>> 2) & 1,
    id,
    step: 'search',
    at: 0,
    st1: 0,
    st2: 0,
    soughtCylinder: false,
    done: 0,
    buffer: EMPTY,
    onDisk: EMPTY,
    position: 0,
    burst: 0,
    terminalCount: false,
    lost: false,
  };
}

export const operationOf = (transfer: Transfer): number => commandOf(transfer.bytes[0]);
export const driveOf = (transfer: Transfer): number => transfer.bytes[1] & 3;
export const hasModifier = (transfer: Transfer, modifier: number): boolean => (transfer.bytes[0] & modifier) !== 0;

export const isScan = (operation: number): boolean =>
  operation === COMMAND.SCAN_EQUAL ||
  operation === COMMAND.SCAN_LOW_OR_EQUAL ||
  operation === COMMAND.SCAN_HIGH_OR_EQUAL;

export const isWrite = (operation: number): boolean =>
  operation === COMMAND.WRITE_DATA || operation === COMMAND.WRITE_DELETED_DATA || operation === COMMAND.FORMAT_TRACK;

/** Bytes go from the disk to the host, if any go at all. */
export const givesToHost = (operation: number): boolean => !isWrite(operation) && !isScan(operation);
/** Bytes go between disk and host. */
export const movesData = (operation: number): boolean => operation !== COMMAND.VERIFY && operation !== COMMAND.READ_ID;

/** The last sector of a track (EOT), as the command has it. */
export const lastSector = (transfer: Transfer): number => transfer.bytes[6];

const isMultiTrack = (transfer: Transfer): boolean =>
  hasModifier(transfer, MODIFIER.MT) && operationOf(transfer) !== COMMAND.READ_TRACK;

/**
 * The identification field that a command leaves behind when it ends after the current sector: datasheet, "Result
 * Phase" table.
 */
export function nextId(transfer: Transfer): SectorId {
  const { c, h, r, n } = transfer.id;
  if (r !== lastSector(transfer)) return { c, h, r: (r + 1) & 0xff, n };
  if (!isMultiTrack(transfer)) return { c: (c + 1) & 0xff, h, r: 1, n };
  return { c: transfer.head === 0 ? c : (c + 1) & 0xff, h: h ^ 1, r: 1, n };
}

/** How a transfer goes on after a sector: with another one, or it ends. */
export type Continuation = 'next' | 'ended' | 'end-of-cylinder';

/** Moves on to the next sector, if there is one. */
export function advance(transfer: Transfer): Continuation {
  const operation = operationOf(transfer);
  const last = lastSector(transfer);
  transfer.done++;
  const control = (transfer.st2 & ST2.CONTROL_MARK) !== 0 && !hasModifier(transfer, MODIFIER.SK);
  if (transfer.terminalCount || control) return 'ended';
  if (operation === COMMAND.READ_TRACK) {
    if (transfer.done >= last) return 'ended';
    transfer.id = nextId(transfer);
    return 'next';
  }
  const counted = operation === COMMAND.VERIFY && (transfer.bytes[1] & ENABLE_COUNT) !== 0;
  if (counted && transfer.done === (transfer.bytes[8] || 256)) return 'ended';
  const step = isScan(operation) ? Math.max(transfer.bytes[8] & 3, 1) : 1;
  const { id } = transfer;
  const atEnd = step === 1 ? id.r === last : id.r <= last && id.r + step > last;
  if (!atEnd) transfer.id = { ...id, r: (id.r + step) & 0xff };
  else if (isMultiTrack(transfer) && transfer.head === 0) {
    transfer.id = { ...id, h: id.h ^ 1, r: 1 };
    transfer.head = 1;
  } else return isScan(operation) || (operation === COMMAND.VERIFY && !counted) ? 'ended' : 'end-of-cylinder';
  return 'next';
}

/** Compares a sector of the disk with the host's, byte by byte; FFh on either side matches anything. Bits of ST2. */
export function scan(operation: number, onDisk: Uint8Array, fromHost: Uint8Array): number {
  for (const [index, disk] of onDisk.entries()) {
    const host = fromHost[index];
    if (disk === host || disk === 0xff || host === 0xff) continue;
    const satisfied =
      operation === COMMAND.SCAN_LOW_OR_EQUAL ? disk < host : operation === COMMAND.SCAN_HIGH_OR_EQUAL && disk > host;
    return satisfied ? 0 : ST2.SCAN_NOT_SATISFIED;
  }
  return ST2.SCAN_EQUAL;
}

/** Bytes between host and controller for what comes next. */
export const bufferLength = (transfer: Transfer): number =>
  operationOf(transfer) === COMMAND.FORMAT_TRACK ? 4 * transfer.bytes[3] : SECTOR_BYTES;

/** Why a sector is not found: bits of ST1 and ST2. */
export interface SearchFailure {
  readonly st1: number;
  readonly st2?: number;
}
export const NO_ADDRESS_MARK: SearchFailure = { st1: ST1.MISSING_ADDRESS_MARK };
