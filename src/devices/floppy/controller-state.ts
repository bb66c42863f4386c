/** What the floppy controller remembers, but for its drives: plain data. */
import { driveState } from './floppy-drive.ts';
import { RATE } from './floppy-format.ts';
import type { Transfer } from './transfer.ts';

/** From a command's last byte to what it does first, in ns. */
export const COMMAND_TIME = 100_000;
/** Data rate select register: software reset, and DRATE. */
export const DSR = { RATE: 0x03, RESET: 0x80 } as const;
/** Bits of CONFIGURE's second parameter byte. */
export const CONFIGURE = { THRESHOLD: 0x0f, NO_FIFO: 0x20, IMPLIED_SEEK: 0x40 } as const;
/** Drives that commands can name, of which two can be there. */
export const DRIVE_LINES = 4;

/** A seek under way: when (ns) the head has arrived, by how many pulses it moves, and what is true then. */
export interface Seek {
  readonly at: number;
  readonly pulses: number;
  readonly presentCylinder: number;
  readonly status: number;
}

/** `reset`: held in reset, or still busy with it. */
export type Phase = 'reset' | 'command' | 'execution' | 'result';

export const controllerState = () => ({
  dor: 0,
  tdr: 0,
  dsr: RATE['250k'] as number,
  phase: 'reset' as Phase,
  /** Guest time (ns) at which a reset is over; null: none is under way, or it is held. */
  readyAt: null as number | null,
  /** Bytes of the command phase; bytes of the result phase that have not been read. */
  command: [] as number[],
  result: [] as number[],
  interrupt: 0 as 0 | 1,
  /** Status register 0 by drive, for SENSE INTERRUPT STATUS; 0: nothing to tell. */
  unsensed: [0, 0, 0, 0],
  presentCylinders: [0, 0, 0, 0],
  seeks: [null, null, null, null] as (Seek | null)[],
  transfer: null as Transfer | null,
  /** Bytes of SPECIFY, CONFIGURE (its second and third) and PERPENDICULAR MODE. */
  specify: [0, 0],
  configure: CONFIGURE.NO_FIFO as number,
  precompensationTrack: 0,
  perpendicular: 0,
  locked: 0 as 0 | 1,
  /** The last sector, or sector count, of the last command that had one: DUMPREG shows it. */
  lastSector: 0,
});

export const powerOnState = () => ({ ...controllerState(), drives: [driveState(), driveState()] });
export type ControllerState = ReturnType<typeof powerOnState>;
