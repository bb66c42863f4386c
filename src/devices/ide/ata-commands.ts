/** The commands of a disk. ATA/ATAPI-6 (T13/1410D), clause 8; what is not here is aborted, as an unknown one. */

/** Moves sectors, or looks whether they can be read. */
export interface TransferCommand {
  readonly direction: 'read' | 'write' | 'verify';
  readonly by: 'pio' | 'dma';
  /** Blocks are of as many sectors as SET MULTIPLE MODE has said. */
  readonly multiple?: boolean;
  /** 48-bit addresses, 16-bit counts. */
  readonly extended?: boolean;
  /** Forced unit access: done when it is on stable storage. */
  readonly fua?: boolean;
}

const of = (
  direction: TransferCommand['direction'],
  by: TransferCommand['by'],
  rest: Partial<TransferCommand> = {},
) => ({
  direction,
  by,
  ...rest,
});
const extended = true;
const multiple = true;
const fua = true;

/** Opcodes in which only the "no retry" bit differs stand twice. */
export const TRANSFERS: Readonly<Partial<Record<number, TransferCommand>>> = {
  32: of('read', 'pio'),
  33: of('read', 'pio'),
  36: of('read', 'pio', { extended }),
  37: of('read', 'dma', { extended }),
  41: of('read', 'pio', { multiple, extended }),
  48: of('write', 'pio'),
  49: of('write', 'pio'),
  52: of('write', 'pio', { extended }),
  53: of('write', 'dma', { extended }),
  57: of('write', 'pio', { multiple, extended }),
  61: of('write', 'dma', { extended, fua }),
  64: of('verify', 'pio'),
  65: of('verify', 'pio'),
  66: of('verify', 'pio', { extended }),
  196: of('read', 'pio', { multiple }),
  197: of('write', 'pio', { multiple }),
  200: of('read', 'dma'),
  201: of('read', 'dma'),
  202: of('write', 'dma'),
  203: of('write', 'dma'),
  206: of('write', 'pio', { multiple, extended, fua }),
};

export const DISK_COMMAND = {
  READ_NATIVE_MAX_ADDRESS_EXT: 0x27,
  INITIALIZE_DEVICE_PARAMETERS: 0x91,
  SET_MULTIPLE_MODE: 0xc6,
  FLUSH_CACHE: 0xe7,
  FLUSH_CACHE_EXT: 0xea,
  IDENTIFY_DEVICE: 0xec,
  SET_FEATURES: 0xef,
  READ_NATIVE_MAX_ADDRESS: 0xf8,
} as const;

/** Their lower four bits mean nothing any more. */
export const isRecalibrate = (command: number): boolean => command >>> 4 === 0x1;
export const isSeek = (command: number): boolean => command >>> 4 === 0x7;

export type PowerMode = 'active' | 'idle' | 'standby' | 'sleep';

/** What power management commands lead to; 94h–99h are their older opcodes. 'check' asks. */
export const POWER_COMMANDS: Readonly<Partial<Record<number, PowerMode | 'check'>>> = {
  148: 'standby',
  149: 'idle',
  150: 'standby',
  151: 'idle',
  152: 'check',
  153: 'sleep',
  224: 'standby',
  225: 'idle',
  226: 'standby',
  227: 'idle',
  229: 'check',
  230: 'sleep',
};

/** What CHECK POWER MODE answers. */
export const POWER_CODE = { standby: 0x00, idle: 0x80, active: 0xff, sleep: 0x00 } as const satisfies Record<
  PowerMode,
  number
>;

/** Subcommands of SET FEATURES. */
export const FEATURE = {
  WRITE_CACHE_ON: 0x02,
  TRANSFER_MODE: 0x03,
  LOOK_AHEAD_OFF: 0x55,
  KEEP_SETTINGS: 0x66,
  WRITE_CACHE_OFF: 0x82,
  LOOK_AHEAD_ON: 0xaa,
  REVERT_SETTINGS: 0xcc,
} as const;
