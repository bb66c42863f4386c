/**
 * Empty words where a command takes a file: what `vetro asm "$UNSET"` gives. yargs makes one also of a lone `-`, standard
 * input; so what it reads is made good, and what is empty is looked for in the words of the command line.
 */
import { UserError } from '../base/errors.ts';
import { type AnyCommand, declarationsOf, nameOf } from './completion.ts';

/** @throws UserError for a positional that is empty */
export function refuseEmptyPositionals(words: readonly string[], commands: readonly AnyCommand[]): void {
  const command = commands.find((candidate) => nameOf(candidate) === words[0]);
  if (!command) return;
  const { options, positionals } = declarationsOf(command);
  /** Whether a word is an option whose value is the word behind it. */
  const takesNext = (word: string): boolean => {
    const name = /^--?([^-=][^=]*)$/.exec(word)?.[1];
    if (name === undefined) return false;
    const declared = Object.entries(options).find(([long, { alias }]) => long === name || alias === name);
    return declared !== undefined && declared[1].type !== 'boolean';
  };
  const given = words.filter((word, index) => index > 0 && !/^-./.test(word) && !takesNext(words[index - 1]));
  const at = given.indexOf('');
  const [name] = positionals[at] ?? positionals.at(-1) ?? [];
  if (at >= 0 && name !== undefined) throw new UserError(`<${name}> is empty: give it a value`);
}

/** Once no positional is empty, those that yargs reads as empty are `-`. */
export const restoreDashes =
  (commands: readonly AnyCommand[]) =>
  (given: { readonly _: readonly unknown[]; [name: string]: unknown }): void => {
    const command = commands.find((candidate) => nameOf(candidate) === given._[0]);
    for (const [name] of command ? declarationsOf(command).positionals : []) if (given[name] === '') given[name] = '-';
  };
