/** What the places of forms have in common with each other, for `ir/liveness`. */
import type { LocationSet, Locations } from '../../ir/liveness.ts';
import type { Place } from '../../isa/operand.ts';
import { STATUS_FLAGS } from '../../isa/semantics.ts';

/** Registers come first, by their numbers; then flags, and fields of the state block that hold flags. */
const REGISTERS: LocationSet = 0xffff;
const FLAGS: Readonly<Record<string, LocationSet>> = Object.fromEntries(
  [...STATUS_FLAGS, 'DF'].map((flag, index) => [flag, 1 << (16 + index)]),
);
const WORDS: Readonly<Record<string, { readonly itself: LocationSet; readonly flags: LocationSet }>> = {
  flagResult: { itself: 1 << 24, flags: FLAGS.SF | FLAGS.ZF | FLAGS.PF },
  flagCarries: { itself: 1 << 25, flags: STATUS_FLAGS.reduce((flags, flag) => flags | FLAGS[flag], 0) },
  flagsOther: { itself: 1 << 26, flags: FLAGS.DF },
};
/** All of the state block that has no bit of its own here, selectors among it: never taken to be overwritten. */
const OTHER_STATE: LocationSet = 1 << 27;

/** A flag, and the words that hold it. */
const FLAG_PLACES: Readonly<Record<string, LocationSet>> = Object.fromEntries(
  Object.entries(FLAGS).map(([name, flag]) => [
    name,
    Object.values(WORDS).reduce((places, { itself, flags }) => (flags & flag ? places | itself : places), flag),
  ]),
);

const union = (sets: readonly LocationSet[]): LocationSet => sets.reduce((all, one) => all | one, 0);

/** The words of the state block in which status flags are. */
export const FLAG_WORDS: LocationSet = WORDS.flagResult.itself | WORDS.flagCarries.itself;

export const PLACE_LOCATIONS: Locations<Place> = {
  all: REGISTERS | union(Object.values(FLAG_PLACES)) | OTHER_STATE,
  flags: FLAGS,
  of(place) {
    switch (place.space) {
      case 'gpr':
        return 1 << place.register;
      case 'field':
        return REGISTERS;
      case 'selector':
        return OTHER_STATE;
      case 'flag':
        return FLAG_PLACES[place.flag];
      case 'state': {
        const word = WORDS[place.name];
        return word ? word.itself | word.flags : OTHER_STATE;
      }
    }
  },
  overwrittenBy(place) {
    // A 32-bit write clears the upper half, or there is none.
    if (place.space === 'gpr') return place.width >= 32 ? 1 << place.register : 0;
    return place.space === 'flag' ? FLAGS[place.flag] : 0;
  },
};
