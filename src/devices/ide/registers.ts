/** The registers of an ATA channel and their bits. ATA/ATAPI-6 (T13/1410D), clause 7. */

/** Offsets in the command block. */
export const REGISTER = {
  DATA: 0,
  /** Read: error. */
  FEATURES: 1,
  /** Of packet commands: the interrupt reason. */
  COUNT: 2,
  LBA_LOW: 3,
  /** Of packet commands: the byte count, low half. */
  LBA_MID: 4,
  LBA_HIGH: 5,
  DEVICE: 6,
  /** Read: status. */
  COMMAND: 7,
} as const;

export const STATUS = { BSY: 0x80, DRDY: 0x40, DF: 0x20, DSC: 0x10, DRQ: 0x08, ERR: 0x01 } as const;
/** What a drive that can take a command shows. */
export const READY = STATUS.DRDY | STATUS.DSC;
export const ERROR = { UNC: 0x40, IDNF: 0x10, ABRT: 0x04 } as const;
/** What the error register says after a reset or diagnostic: all is well. */
export const DIAGNOSTIC_PASSED = 0x01;
/** Bits of the device register. The lower four are the head, or LBA bits 27–24. */
export const DEVICE = { LBA: 0x40, DEV: 0x10, HEAD: 0x0f } as const;
export const CONTROL = { HOB: 0x80, SRST: 0x04, NIEN: 0x02 } as const;
/** Interrupt reason of a packet command: command or data, and which way. */
export const REASON = { CD: 0x01, IO: 0x02 } as const;

/** Commands that channel and drives alike have to know. */
export const COMMAND = { DEVICE_RESET: 0x08, EXECUTE_DEVICE_DIAGNOSTIC: 0x90 } as const;
