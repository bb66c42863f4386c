import type { Mutation } from './mutations.ts';

const FUNCTIONS = ['test/unit/engine/lowering/x87-functions.test.ts'];
const LOCKSTEP = ['test/conformance/engines/x87-lockstep.test.ts'];
const folder = 'src/engine/lowering/x87';

/** Faults in the x87's emitted code. */
export const X87_MUTATIONS: readonly Mutation[] = [
  {
    fault: 'x87: a tie to nearest does not look at the last bit',
    file: `${folder}/rounding.ts`,
    original: 'low.aboveU(half).or(low.eq(half).and(high.narrow()))',
    planted: 'low.aboveU(half).or(low.eq(half))',
    tests: FUNCTIONS,
  },
  {
    fault: 'x87: precision control of 53 bits drops one bit too many',
    file: `${folder}/rounding.ts`,
    original: 'select(precision.eq(2), i32(11), 0)',
    planted: 'select(precision.eq(2), i32(12), 0)',
    tests: FUNCTIONS,
  },
  {
    fault: 'x87: what is shifted out of a sum is forgotten',
    file: `${folder}/arithmetic.ts`,
    original: 'select(distance.belowU(128), lower.shr(distance).or(lost), i64(1))',
    planted: 'select(distance.belowU(128), lower.shr(distance), i64(1))',
    tests: FUNCTIONS,
  },
  {
    fault: 'x87: a quotient digit is corrected once only',
    file: `${folder}/wide-arithmetic.ts`,
    original: 'f.if(once.and(estimated.shr(32).isZero()).and(tooLarge()), () => correct(i64(1)));',
    planted: '',
    tests: FUNCTIONS,
  },
  {
    fault: 'x87: a root that is 1 too large is not corrected',
    file: `${folder}/wide-arithmetic.ts`,
    original: 'f.set(root, root.sub(1));',
    planted: 'f.set(root, root.sub(0));',
    tests: FUNCTIONS,
  },
  {
    fault: 'x87: the smaller significand of two NaNs wins',
    file: `${folder}/nan.ts`,
    original: 'left[0].belowU(right[0])',
    planted: 'left[0].aboveU(right[0])',
    tests: FUNCTIONS,
  },
  {
    fault: 'x87: an unmasked underflow without loss goes unreported',
    file: `${folder}/rounding.ts`,
    original: 'f.set(flags, flags.or(control.xor(-1).and(EXCEPTION.UE).shl(FLAGS_SHIFT)));',
    planted: '',
    tests: FUNCTIONS,
  },
  {
    fault: 'x87: the most negative integer does not fit',
    file: `${folder}/conversion.ts`,
    original: 'magnitude.belowU(limit).or(magnitude.eq(limit).and(sign.isNotZero()))',
    planted: 'magnitude.belowU(limit)',
    tests: FUNCTIONS,
  },
  {
    fault: 'x87: a remainder of half the divisor is always rounded up',
    file: `${folder}/partial.ts`,
    original: 'rest.eq(toNext).and(odd)',
    planted: 'rest.eq(toNext)',
    tests: FUNCTIONS,
  },
  {
    fault: 'x87: scaling by a fraction below 0 rounds away from zero',
    file: `${folder}/partial.ts`,
    original: 'f.if(place.belowS(0), () => f.set(magnitude, 0));',
    planted: 'f.if(place.belowS(0), () => f.set(magnitude, signOf(rh).isNotZero()));',
    tests: FUNCTIONS,
  },
  {
    fault: 'x87: an exception that is unmasked does not stop an emitted function',
    file: `${folder}/register-stack.ts`,
    original: 'this.declineIf(flags.and(this.control.xor(-1)).and(EXCEPTIONS));',
    planted: 'this.declineIf(flags.and(0));',
    tests: FUNCTIONS,
  },
  {
    fault: 'x87: an instruction does not note where it was',
    file: `${folder}/x87-state.ts`,
    original: "this.#f.store('i64.store', this.#state, STATE.fields.fip, this.#instructionPointer);",
    planted: '',
    tests: FUNCTIONS,
  },
  {
    fault: 'x87: a pending exception is not seen before an instruction',
    file: `${folder}/control-functions.ts`,
    original: 'f.if(pending.or(load32(state, STATE.fields.ferr).and(native.isZero())),',
    planted: 'f.if(load32(state, STATE.fields.ferr).and(native.isZero()),',
    tests: ['test/conformance/x87.test.ts'],
  },
  {
    fault: 'x87: FERR# stays asserted when the exception has been cleared',
    file: `${folder}/control-functions.ts`,
    original: 'f.if(pending.or(load32(state, STATE.fields.ferr).and(native.isZero())),',
    planted: 'f.if(pending,',
    tests: ['test/unit/machine/x87-error.test.ts'],
  },
  {
    fault: 'x87: CR0.TS does not stop an instruction',
    file: `${folder}/control-functions.ts`,
    original: '.and(CR0.EM | CR0.TS), () => f.return(DECLINED))',
    planted: '.and(CR0.EM), () => f.return(DECLINED))',
    tests: ['test/conformance/x87.test.ts'],
  },
  {
    fault: 'emitted code that declines is not followed by the helper',
    file: 'src/engine/interpreter/cold-lowering.ts',
    original: '      this.#publishIps();\n      this.#callHelper(statement, results);',
    planted: '      this.#publishIps();',
    tests: LOCKSTEP,
  },
  {
    fault: 'the last byte of an access in place may be in the next page',
    file: 'src/engine/lowering/translate-in-place.ts',
    original: '{ table, bytes, state, linear }',
    planted: '{ table, bytes: 1, state, linear }',
    tests: ['test/conformance/x87.test.ts'],
  },
  {
    fault: 'an access in place does not look at the segment limit',
    file: 'src/engine/lowering/translate-in-place.ts',
    original: 'select(outside.or(missed).isZero(), host, 0)',
    planted: 'select(missed.isZero(), host, 0)',
    tests: ['test/conformance/x87.test.ts'],
  },
];
