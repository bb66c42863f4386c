/** Bits of the system registers, by their names in SDM Vol. 3A, "Control Registers" and "Debug Registers". */

export const CR0 = {
  PE: 1 << 0,
  MP: 1 << 1,
  EM: 1 << 2,
  TS: 1 << 3,
  ET: 1 << 4,
  NE: 1 << 5,
  WP: 1 << 16,
  AM: 1 << 18,
  NW: 1 << 29,
  CD: 1 << 30,
  PG: 1 << 31,
} as const;

export const CR4 = {
  VME: 1 << 0,
  PVI: 1 << 1,
  TSD: 1 << 2,
  DE: 1 << 3,
  PSE: 1 << 4,
  PAE: 1 << 5,
  MCE: 1 << 6,
  PGE: 1 << 7,
  PCE: 1 << 8,
  OSFXSR: 1 << 9,
  OSXMMEXCPT: 1 << 10,
} as const;

export const EFER = { SCE: 1 << 0, LME: 1 << 8, LMA: 1 << 10, NXE: 1 << 11 } as const;

/** DR6: which debug condition was met. Bits that are not among them read as one, but for bit 12. */
export const DR6 = { B0: 1 << 0, B1: 1 << 1, B2: 1 << 2, B3: 1 << 3, BD: 1 << 13, BS: 1 << 14, BT: 1 << 15 } as const;
export const DR6_FIXED = 0xffff_0ff0;

/** DR7: Ln and Gn at bits 2n and 2n + 1, R/Wn at 16 + 4n, LENn at 18 + 4n. */
export const DR7 = { LE: 1 << 8, GE: 1 << 9, GD: 1 << 13 } as const;
export const DR7_FIXED = 1 << 10;

/** IA32_MISC_ENABLE. */
export const MISC_ENABLE = { FAST_STRINGS: 1n << 0n, LIMIT_CPUID: 1n << 22n, XD_DISABLE: 1n << 34n } as const;
