/**
 * Elementary functions by power series in fixed point: integers that stand for value × 2^FRACTION. All arguments are
 * small, so that the series are short; each truncation loses less than 2^-FRACTION, which leaves more than 50 bits
 * beyond the 64 that a register holds.
 */

export const FRACTION = 136;
const F = BigInt(FRACTION);
export const UNIT = 1n << F;

const times = (left: bigint, right: bigint): bigint => (left * right) >> F;

/** Sum of c0 + c1 z + c2 z² …, where each term follows from the one before and its number. */
function series(
  z: bigint,
  next: (power: bigint, index: bigint) => bigint,
  term: (power: bigint, index: bigint) => bigint,
) {
  let sum = UNIT;
  let power = UNIT;
  for (let index = 1n; ; index++) {
    power = next(times(power, z), index);
    const value = term(power, index);
    // Arithmetic shifts round toward −infinity: a vanishing negative term stays at −1.
    if (value === 0n || value === -1n) return sum;
    sum += value;
  }
}

const same = (power: bigint): bigint => power;

/** (e^y − 1) / y, |y| < 1 */
export const exponentialRatio = (y: bigint): bigint => series(y, (power, n) => power / (n + 1n), same);
/** sin(r) / r of r², r² < 1 */
export const sineRatio = (square: bigint): bigint =>
  series(-square, (power, n) => power / (2n * n * (2n * n + 1n)), same);
/** cos(r) of r², r² < 1 */
export const cosine = (square: bigint): bigint => series(-square, (power, n) => power / (2n * n * (2n * n - 1n)), same);
/** atanh(t) / t of t², t² < 1/16 */
export const inverseTanhRatio = (square: bigint): bigint => series(square, same, (power, n) => power / (2n * n + 1n));
/** atan(t) / t of t², t² < 1/16 */
export const arctangentRatio = (square: bigint): bigint => inverseTanhRatio(-square);

/** numerator / denominator, as fixed point. */
export const ratio = (numerator: bigint, denominator: bigint): bigint => (numerator << F) / denominator;

/** 2 atanh(1/3) = ln 2 */
export const LN2 = ratio(2n * inverseTanhRatio(ratio(1n, 9n)), 3n * UNIT);

/** Arctangents of i/16: reduced by the addition theorem from a table of none. */
export const ARCTANGENTS: readonly bigint[] = Array.from({ length: 17 }, (_, index) => arctangentOfSixteenths(index));

/** atan(i/16) = atan((i−1)/16) + atan of a small rest: (1/16) / (1 + i(i−1)/256) */
function arctangentOfSixteenths(index: number): bigint {
  let sum = 0n;
  for (let i = 1n; i <= BigInt(index); i++) {
    const [numerator, denominator] = [16n, 256n + i * (i - 1n)];
    const t = ratio(numerator, denominator);
    sum += times(t, arctangentRatio(times(t, t)));
  }
  return sum;
}

/** 4 atan(1) */
export const PI = ARCTANGENTS[16] * 4n;
