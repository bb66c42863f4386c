/** Names of registers in assembly text, both ways. */
import type { Size } from './encoding.ts';

export type RegisterClass = 'gpr' | 'segment' | 'control' | 'debug' | 'stack87' | 'ip';

export interface RegisterName {
  readonly class: RegisterClass;
  readonly number: number;
  /** Bits; 0 for control and debug registers, which take the width of the mode. */
  readonly width: 0 | 8 | 16 | 32 | 64 | 80;
  /** AH, CH, DH, BH: encoded as 4..7 where no REX prefix stands; `number` is that encoding. */
  readonly high?: boolean;
  /** SPL, BPL, SIL, DIL: encoded as 4..7 where a REX prefix stands. */
  readonly needsRex?: boolean;
}

const STEMS = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'] as const;
export const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;

/** Name of a general register. `rex`: 4..7 as bytes are SPL, BPL, SIL, DIL. */
export function gprName(number: number, width: 8 | Size, rex: boolean): string {
  if (number >= 8) return `r${number}${{ 8: 'b', 16: 'w', 32: 'd', 64: '' }[width]}`;
  const stem = STEMS[number];
  switch (width) {
    case 8:
      if (number < 4) return `${stem[0]}l`;
      return rex ? `${stem}l` : `${STEMS[number - 4][0]}h`;
    case 16:
      return stem;
    case 32:
      return `e${stem}`;
    case 64:
      return `r${stem}`;
  }
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, number) => number);

/** All register names, lower case. */
export const REGISTERS: ReadonlyMap<string, RegisterName> = new Map<string, RegisterName>([
  ...numbers(16).flatMap((number) =>
    ([8, 16, 32, 64] as const).map((width): [string, RegisterName] => [
      gprName(number, width, true),
      { class: 'gpr', number, width, ...(width === 8 && number >= 4 && number < 8 && { needsRex: true }) },
    ]),
  ),
  ...numbers(4).map((number): [string, RegisterName] => [
    gprName(number + 4, 8, false),
    { class: 'gpr', number: number + 4, width: 8, high: true },
  ]),
  ...SEGMENT_NAMES.map((name, number): [string, RegisterName] => [name, { class: 'segment', number, width: 16 }]),
  ...numbers(16).flatMap((number): [string, RegisterName][] => [
    [`cr${number}`, { class: 'control', number, width: 0 }],
    [`dr${number}`, { class: 'debug', number, width: 0 }],
  ]),
  ...numbers(8).map((number): [string, RegisterName] => [`st${number}`, { class: 'stack87', number, width: 80 }]),
  ['st', { class: 'stack87', number: 0, width: 80 }],
  ['eip', { class: 'ip', number: 0, width: 32 }],
  ['rip', { class: 'ip', number: 0, width: 64 }],
]);
