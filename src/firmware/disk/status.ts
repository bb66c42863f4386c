/** What INT 13h answers in AH. IBM PS/2 and PC BIOS Interface Technical Reference, "Interrupt 13h"; EDD-3, table 1. */
export const STATUS = {
  OK: 0x00,
  INVALID: 0x01,
  WRITE_PROTECTED: 0x03,
  SECTOR_NOT_FOUND: 0x04,
  MEDIA_CHANGED: 0x06,
  MEDIA_TYPE_UNKNOWN: 0x0c,
  NO_MEDIA: 0x31,
  TIMEOUT: 0x80,
  NOT_LOCKED: 0xb0,
  NOT_REMOVABLE: 0xb2,
  EJECT_FAILED: 0xb5,
  WRITE_FAULT: 0xcc,
} as const;
