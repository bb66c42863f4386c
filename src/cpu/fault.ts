/** Exceptions as the guest sees them, with the reason why: which check of which step of the manual failed, and on what. */

/** Vectors. SDM Vol. 3A, "Exception and Interrupt Reference". */
export const VECTOR = {
  DE: 0,
  DB: 1,
  NMI: 2,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  DF: 8,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  MF: 16,
  AC: 17,
  MC: 18,
  XM: 19,
} as const;

/** Why a fault was raised. It is built only when one is. */
export interface Cause {
  /** The check that failed, in words: "offset beyond the segment limit". */
  readonly check: string;
  /** Where the manual demands it. */
  readonly manual?: string;
  /** What it failed on: selector, descriptor, address, limit, … */
  readonly on?: Readonly<Record<string, number | bigint | string>>;
}

/** Thrown by helpers, caught by the engine at the helper's border: it never leaves the engine. Not an Error: no stack is kept. */
export class GuestFault {
  readonly vector: number;
  readonly errorCode: number | undefined;
  readonly cause: Cause;
  /** #PF: the faulting linear address, for CR2. */
  readonly address: number | undefined;
  /**
   * 'trap': reported after the instruction (saved IP is the next one's). 'wait': nothing is reported, the instruction
   * waits before it starts, as in HLT, and is tried again after the next interrupt.
   */
  readonly kind: 'fault' | 'trap' | 'wait';

  constructor(fault: {
    vector: number;
    errorCode?: number;
    cause: Cause;
    address?: number;
    kind?: 'fault' | 'trap' | 'wait';
  }) {
    this.vector = fault.vector;
    this.errorCode = fault.errorCode;
    this.cause = fault.cause;
    this.address = fault.address;
    this.kind = fault.kind ?? 'fault';
  }
}

/** Shorthands for raising: `throw raise.GP(0, { check: … })`. */
export const raise = {
  DE: (cause: Cause) => new GuestFault({ vector: VECTOR.DE, cause }),
  BR: (cause: Cause) => new GuestFault({ vector: VECTOR.BR, cause }),
  UD: (cause: Cause) => new GuestFault({ vector: VECTOR.UD, cause }),
  NM: (cause: Cause) => new GuestFault({ vector: VECTOR.NM, cause }),
  TS: (errorCode: number, cause: Cause) => new GuestFault({ vector: VECTOR.TS, errorCode, cause }),
  NP: (errorCode: number, cause: Cause) => new GuestFault({ vector: VECTOR.NP, errorCode, cause }),
  SS: (errorCode: number, cause: Cause) => new GuestFault({ vector: VECTOR.SS, errorCode, cause }),
  GP: (errorCode: number, cause: Cause) => new GuestFault({ vector: VECTOR.GP, errorCode, cause }),
  PF: (address: number, errorCode: number, cause: Cause) =>
    new GuestFault({ vector: VECTOR.PF, errorCode, cause, address }),
  MF: (cause: Cause) => new GuestFault({ vector: VECTOR.MF, cause }),
  AC: (cause: Cause) => new GuestFault({ vector: VECTOR.AC, errorCode: 0, cause }),
};

/** "#PF(2h) on 00001234h: page not present", for people. */
export function describeFault({ vector, errorCode, address, cause }: GuestFault): string {
  const name = Object.entries(VECTOR).find(([, number]) => number === vector)?.[0] ?? `vector ${vector}`;
  const code = errorCode === undefined ? '' : `(${errorCode.toString(16)}h)`;
  const place = address === undefined ? '' : ` on ${address.toString(16).padStart(8, '0')}h`;
  return `#${name}${code}${place}: ${cause.check}`;
}
