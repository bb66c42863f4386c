/** What the places of forms have in common with each other, for `ir/liveness`. */
import type { Locations } from '../../ir/liveness.ts';
import type { Place } from '../../isa/operand.ts';
import { STATUS_FLAGS } from '../../isa/semantics.ts';

const REGISTERS = Array.from({ length: 16 }, (_, number) => `register ${number}`);
const SELECTORS = Array.from({ length: 6 }, (_, number) => `selector ${number}`);

/** All of the state block that has no name of its own here: never taken to be overwritten. */
const OTHER_STATE = 'other state';
/** Fields of the state block that hold flags. */
const FLAGS_IN: Readonly<Record<string, readonly string[]>> = {
  flagResult: ['SF', 'ZF', 'PF'],
  flagCarries: STATUS_FLAGS,
  flagsOther: ['DF'],
};
const FIELDS_OF: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  [...STATUS_FLAGS, 'DF'].map((flag) => [
    flag,
    [flag, ...Object.keys(FLAGS_IN).filter((field) => FLAGS_IN[field].includes(flag))],
  ]),
);

export const PLACE_LOCATIONS: Locations<Place> = {
  all: new Set([...REGISTERS, ...SELECTORS, ...STATUS_FLAGS, 'DF', ...Object.keys(FLAGS_IN), OTHER_STATE]),
  of(place) {
    switch (place.space) {
      case 'gpr':
        return [REGISTERS[place.register]];
      case 'field':
        return REGISTERS;
      case 'selector':
        return place.segment === 'reg' ? SELECTORS : [SELECTORS[place.segment]];
      case 'flag':
        return FIELDS_OF[place.flag];
      case 'state':
        return place.name in FLAGS_IN ? [place.name, ...FLAGS_IN[place.name]] : [OTHER_STATE];
    }
  },
  overwrittenBy(place) {
    // A 32-bit write clears the upper half, or there is none.
    if (place.space === 'gpr') return place.width >= 32 ? [REGISTERS[place.register]] : [];
    return place.space === 'flag' ? [place.flag] : [];
  },
};
