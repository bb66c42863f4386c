/** What yargs complains about, in one line of ours: which option, and what to do. */
import { UserError } from '../base/errors.ts';
import { type AnyCommand, declarationsOf, nameOf } from './completion.ts';

/** Options without a command. */
const COMMON = ['help', 'version'];
/** Edits by which a wrong name may differ from the one that was meant. */
const CLOSE = 2;

/** @param words the command line @param message what yargs says of it */
export function usageError(words: readonly string[], message: string, commands: readonly AnyCommand[]): UserError {
  const line = message.replaceAll(/\s*\n\s*/g, ' ').trim();
  const command = commands.find((candidate) => nameOf(candidate) === words[0]);
  const help = command ? `vetro ${nameOf(command)} --help` : 'vetro --help';
  const unknown = /^Unknown (?:argument|command)s?: (.*)$/.exec(line)?.[1]?.split(', ')[0];
  if (unknown !== undefined) {
    const option = words.some((word) => word.startsWith('-') && word.replace(/^-+/, '').split('=')[0] === unknown);
    if (option) {
      const known = command ? Object.keys(declarationsOf(command).options) : COMMON;
      return new UserError(`unknown option ${dashed(unknown)}${suggestion(unknown, known, dashed)}; see ${help}`);
    }
    if (command) return new UserError(`one argument too many: ${unknown}; see ${help}`);
    return new UserError(
      `unknown command ${unknown}${suggestion(unknown, commands.map(nameOf), (name) => name)}; see ${help}`,
    );
  }
  const valueless = /^Not enough arguments following: (.*)$/.exec(line)?.[1];
  if (valueless !== undefined) return new UserError(`${dashed(valueless)} needs a value; see ${help}`);
  if (line.startsWith('Not enough non-option arguments')) {
    return new UserError(`an argument is missing: vetro ${String(command?.command ?? '<command>')}; see ${help}`);
  }
  const [, name, given, choices] = /Argument: (.*?), Given: (.*?), Choices: (.*)$/.exec(line) ?? [];
  if (choices !== undefined) {
    const shown = words.some((word) => word.startsWith(dashed(name!))) ? dashed(name!) : name;
    return new UserError(`${shown} must be one of ${choices.replaceAll('"', '')}, not ${given!.replaceAll('"', '')}`);
  }
  return new UserError(line);
}

const dashed = (name: string): string => (name.length === 1 ? `-${name}` : `--${name}`);

function suggestion(wrong: string, known: readonly string[], show: (name: string) => string): string {
  const [best] = known
    .map((name) => ({ name, distance: editDistance(wrong, name) }))
    .filter(({ name, distance }) => distance <= CLOSE && distance < name.length)
    .sort((a, b) => a.distance - b.distance);
  return best ? `, did you mean ${show(best.name)}?` : '';
}

/** Letters to insert, delete, replace or swap (Damerau and Levenshtein, restricted). */
function editDistance(from: string, to: string): number {
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      let least = Math.min(
        rows[row - 1][column] + 1,
        current[column - 1] + 1,
        rows[row - 1][column - 1] + (same ? 0 : 1),
      );
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (swapped) least = Math.min(least, rows[row - 2][column - 2] + 1);
      current.push(least);
    }
    rows.push(current);
  }
  return rows[from.length][to.length];
}

/** yargs would lose what follows it. @throws UserError */
export function refuseDoubleDash(words: readonly string[]): void {
  if (words.includes('--'))
    throw new UserError('-- is not needed: put FILE before the options, and ./ before a name that begins with a dash');
}

/** yargs takes any value but "true" for false. @throws UserError for an option that takes none and is given one */
export function refuseValuesOfSwitches(words: readonly string[], commands: readonly AnyCommand[]): void {
  const command = commands.find((candidate) => nameOf(candidate) === words[0]);
  const declared = Object.entries(command ? declarationsOf(command).options : {});
  const switches = [...COMMON, ...declared.filter(([, { type }]) => type === 'boolean').map(([name]) => name)];
  const found = switches.find((name) => words.some((word) => word.startsWith(`${dashed(name)}=`)));
  if (found !== undefined) throw new UserError(`${dashed(found)} takes no value: give it, or leave it out`);
}

/** yargs makes a list of what is given twice. @throws UserError */
export const refuseRepeatedOptions =
  (commands: readonly AnyCommand[]) =>
  (given: { readonly _: readonly unknown[] }): void => {
    const command = commands.find((candidate) => nameOf(candidate) === given._[0]);
    const declared = command ? declarationsOf(command).options : {};
    for (const [name, value] of Object.entries(given)) {
      if (name === '_' || !Array.isArray(value) || declared[name]?.type === 'array') continue;
      throw new UserError(`${dashed(name)} is given twice: give it once`);
    }
  };
