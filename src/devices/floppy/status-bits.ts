/** Status registers 0–3 that commands return: 82077AA datasheet, order number 290166, "Status Register Encoding". */
export const ST0 = { ABNORMAL: 0x40, INVALID: 0x80, POLLING: 0xc0, SEEK_END: 0x20, EQUIPMENT_CHECK: 0x10 } as const;
export const ST1 = {
  END_OF_CYLINDER: 0x80,
  DATA_ERROR: 0x20,
  OVERRUN: 0x10,
  NO_DATA: 0x04,
  NOT_WRITABLE: 0x02,
  MISSING_ADDRESS_MARK: 0x01,
} as const;
export const ST2 = {
  CONTROL_MARK: 0x40,
  DATA_ERROR: 0x20,
  WRONG_CYLINDER: 0x10,
  SCAN_EQUAL: 0x08,
  SCAN_NOT_SATISFIED: 0x04,
} as const;
/** Bits 3 and 5 are always one. */
export const ST3 = { WRITE_PROTECTED: 0x40, TRACK_0: 0x10, ALWAYS: 0x28 } as const;
