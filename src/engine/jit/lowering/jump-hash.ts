/** A hash that tells a few known numbers apart, if not all, by the top bits of a product. */

export interface JumpHash {
  readonly factor: number;
  /** Of the hash. */
  readonly bits: number;
  /** By hash: numbers that have it. */
  readonly slots: readonly (readonly number[])[];
}

/** Slots for each number, at least. */
const ROOM = 2;
const TRIES = 64;
/** Odd, and its multiples are spread well: 2^32 by the golden ratio. */
const STEP = 0x9e37_79b1;

export const hashOf = (number: number, { factor, bits }: Pick<JumpHash, 'factor' | 'bits'>): number =>
  Math.imul(number, factor) >>> (32 - bits);

/** @param numbers 32 bits wide each, all different, at least one */
export function findJumpHash(numbers: readonly number[]): JumpHash {
  const bits = Math.max(1, Math.ceil(Math.log2(numbers.length * ROOM)));
  let best: JumpHash | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (let tried = 1; tried <= TRIES && fewest > 0; tried++) {
    const factor = Math.imul(STEP, 2 * tried - 1) >>> 0;
    const slots: number[][] = Array.from({ length: 2 ** bits }, () => []);
    for (const number of numbers) slots[hashOf(number, { factor, bits })].push(number);
    const collisions = slots.reduce((sum, { length }) => sum + Math.max(0, length - 1), 0);
    if (collisions >= fewest) continue;
    fewest = collisions;
    best = { factor, bits, slots };
  }
  return best!;
}
