/** What is to be run, from the names on the command line. */
import { UserError } from '../src/base/errors.ts';
import { EMULATORS, type EmulatorName } from './emulators.ts';
import { GROUPS, PROGRAMS, type Program } from './programs.ts';

/** What is measured besides programs. */
export const FIGURES = {
  boot: 'time to the first words of /init, and memory of the process then',
  idle: 'processor time of a guest that waits for input',
  creation: 'time to create a first and a second guest, memory of the process with one and two',
} as const;
export type FigureName = keyof typeof FIGURES;

export interface Selection {
  readonly programs: readonly Program[];
  readonly figures: ReadonlySet<FigureName>;
}

const isFigure = (name: string): name is FigureName => Object.hasOwn(FIGURES, name);

/** Names of programs, groups and figures; none: everything. @throws UserError for a name that is none of them */
export function select(names: readonly string[]): Selection {
  if (names.length === 0) return { programs: PROGRAMS, figures: new Set(Object.keys(FIGURES) as FigureName[]) };
  for (const name of names) {
    if (isFigure(name) || PROGRAMS.some((program) => chosenBy(program, name))) continue;
    const groups = GROUPS.join(', ');
    throw new UserError(
      `no benchmark '${name}'; groups: ${groups}; besides: ${Object.keys(FIGURES).join(', ')}; see --help`,
    );
  }
  return {
    programs: PROGRAMS.filter((program) => names.some((name) => chosenBy(program, name))),
    figures: new Set(names.filter(isFigure)),
  };
}

/** A group that has the name of one of its programs means all of them. */
const chosenBy = ({ name, group }: Program, word: string): boolean => name === word || group === word;

/** @throws UserError */
export function selectEmulators(list: string): EmulatorName[] {
  const names = list.split(',');
  for (const name of names) {
    if (!(EMULATORS as readonly string[]).includes(name))
      throw new UserError(
        `no emulator '${name}'; there are ${EMULATORS.filter((other) => other !== 'base').join(', ')}`,
      );
  }
  return EMULATORS.filter((name) => names.includes(name));
}
