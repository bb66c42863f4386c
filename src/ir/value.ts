/**
 * The intermediate representation: what an instruction does, as typed bit vectors and effects. It knows no x86.
 *
 * A `Value` is a pure expression over temporaries, inputs and constants; a `Statement` is an effect. Everything that
 * can change while an instruction runs (registers, flags, memory) is read by a statement into a temporary, so an
 * expression means the same wherever it is evaluated.
 */

/** Width of a value in bits; 1 is a truth value. 128 exists for the reference evaluator only. */
export type Width = 1 | 8 | 16 | 32 | 64 | 128;

/**
 * Operators. Arithmetic is modulo 2^width. A shift count has any width and must be below 32 (below 64 for 64-bit
 * values): a count of the value's width or more shifts everything out. Comparisons yield width 1.
 *
 * - `addCarries(l, r, sum)`, `subBorrows(l, r, difference)`: the vector of carries (borrows) out of each bit.
 * - `msb`: the top bit; `overflow`: the two top bits xored; `bit3`: bit 3; `isZero`; `parity`: 1 if the low byte has
 *   an even number of ones. All yield width 1.
 * - `mulHighUnsigned`, `mulHighSigned`: the upper half of the double-width product.
 * - `select(condition, then, otherwise)`.
 * - `zeroExtend`, `signExtend`, `truncate`: to the node's width.
 * - `countLeadingZeros`, `countTrailingZeros`, `popCount`: of zero: the width (popCount: 0).
 */
export type Operator =
  | 'add'
  | 'sub'
  | 'mul'
  | 'mulHighUnsigned'
  | 'mulHighSigned'
  | 'udiv'
  | 'urem'
  | 'sdiv'
  | 'srem'
  | 'and'
  | 'or'
  | 'xor'
  | 'not'
  | 'neg'
  | 'shl'
  | 'shr'
  | 'sar'
  | 'rotl'
  | 'rotr'
  | 'eq'
  | 'ne'
  | 'ult'
  | 'ule'
  | 'slt'
  | 'sle'
  | 'addCarries'
  | 'subBorrows'
  | 'msb'
  | 'overflow'
  | 'bit3'
  | 'isZero'
  | 'parity'
  | 'select'
  | 'zeroExtend'
  | 'signExtend'
  | 'truncate'
  | 'countLeadingZeros'
  | 'countTrailingZeros'
  | 'popCount';

export type Value =
  | { readonly op: 'constant'; readonly width: Width; readonly value: bigint }
  /** A result the manual leaves undefined. `pick`: what real CPUs do, where that is known (otherwise engines take 0). */
  | { readonly op: 'undefined'; readonly width: Width; readonly pick?: Value }
  /** The result of a `read`, `load` or `call` statement. */
  | { readonly op: 'temporary'; readonly width: Width; readonly id: number }
  /** A constant of the decoded instruction: its immediate, its effective address, the next instruction pointer, … */
  | { readonly op: 'input'; readonly width: Width; readonly name: string }
  | { readonly op: Operator; readonly width: Width; readonly args: readonly Value[] };

export type Temporary = Extract<Value, { op: 'temporary' }>;
export type Operation = Extract<Value, { args: readonly Value[] }>;

export const isOperation = (value: Value): value is Operation => 'args' in value;
