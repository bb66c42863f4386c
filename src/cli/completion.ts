/**
 * What could stand at the cursor of a command line, for the completion of a shell. It is asked through
 * `vetro --complete word …`, with the words up to the cursor; the answer is a candidate a line, and `:files` where a file
 * name may stand. What there is comes from the declarations of the commands themselves.
 */
import type { Argv, CommandModule, Options, PositionalOptions } from 'yargs';
import { CPU_MODEL_NAMES } from '../cpu/cpu-model.ts';

// biome-ignore lint/suspicious/noExplicitAny: only the declarations are looked at, the arguments differ
export type AnyCommand = CommandModule<object, any>;

/** The first word of a question. */
export const COMPLETE = '--complete';
const FILES = ':files';

const COMMON: Readonly<Record<string, Options>> = { help: { type: 'boolean' }, version: { type: 'boolean' } };
/** Options and positionals that are paths, and those with values that the declarations do not list. */
const PATHS = [
  'file',
  'source',
  'kernel',
  'initrd',
  'module',
  'output',
  'profile',
  'symbols',
  'target',
  'backing',
  'disk',
  'cdrom',
  'floppy',
  'snapshot',
  'store',
  'checkpoint',
  'folder',
];
const VALUES: Readonly<Record<string, readonly string[]>> = {
  cpu: CPU_MODEL_NAMES,
  serial: ['stdio', 'pty', 'file:', 'none'],
};

export interface Declared {
  readonly options: Readonly<Record<string, Options>>;
  readonly positionals: readonly [name: string, options: PositionalOptions][];
}

/** @param words those behind `vetro`, the last one being typed. @returns the lines of the answer */
export function complete(words: readonly string[], commands: readonly AnyCommand[]): string[] {
  const { before, current, prefix, path } = readWords(words);
  const candidates = (names: readonly string[]): string[] =>
    names.filter((name) => name.startsWith(current)).map((name) => `${prefix}${name}`);
  const names = commands.map(nameOf);
  const command = commands.find((one) => nameOf(one) === before[0]);
  if (!command) {
    if (before.length > 0) return [];
    return candidates(current.startsWith('-') ? Object.keys(COMMON).map(dashed) : names);
  }
  const { options, positionals } = declarationsOf(command);
  const optionAt = (word: string | undefined) =>
    Object.entries(options).find(([name, { alias }]) => word === dashed(name) || word === `-${alias}`);
  const takesValue = (word: string | undefined) => (optionAt(word)?.[1].type ?? 'boolean') !== 'boolean';
  const previous = before.at(-1);
  if (takesValue(previous) || hasChoices(optionAt(previous)?.[1])) {
    const [name, declared] = optionAt(previous)!;
    if (path || PATHS.includes(name)) return [FILES];
    return candidates(VALUES[name] ?? (declared.choices ?? []).map(String));
  }
  if (current.startsWith('-') && prefix === '') return candidates(Object.keys(options).map(dashed));
  const given = before
    .slice(1)
    .filter(
      (word, index) => !word.startsWith('-') && !takesValue(before[index]) && !hasChoices(optionAt(before[index])?.[1]),
    );
  const positional = positionals[given.length];
  if (!positional) return [];
  const [name, declared] = positional;
  return PATHS.includes(name) ? [FILES] : candidates((declared.choices ?? []).map(String));
}

/**
 * Words as a shell has them: bash takes `--engine=x` and `file:x` apart at the signs, zsh leaves them whole. The value
 * is what is completed; `prefix` is what must precede it in the answer.
 */
function readWords(words: readonly string[]) {
  const plain = words.filter((word) => word !== '=' && word !== ':');
  const last = words.at(-1) ?? '';
  const path = words.at(-1) === ':' || words.at(-2) === ':' || last.startsWith('file:');
  if (last === '=' || last === ':')
    return { before: plain.slice(0, path ? -1 : undefined), current: '', prefix: '', path };
  const before = plain.slice(0, -1);
  // `--serial file : x`: `file` is the beginning of the value.
  if (path && words.at(-2) === ':') before.pop();
  const [, option, value] = /^(--[\w-]+)=(.*)$/s.exec(last) ?? [];
  if (option === undefined) return { before, current: last, prefix: '', path };
  return {
    before: [...before, option],
    current: value!,
    prefix: `${option}=`,
    path: path || value!.startsWith('file:'),
  };
}

export const nameOf = ({ command }: AnyCommand): string => String(command).split(' ')[0];
const dashed = (name: string): string => `--${name}`;
const hasChoices = (options: Options | undefined): boolean => (options?.choices?.length ?? 0) > 0;

/** Lets the command declare itself to somebody who only takes notes. */
export function declarationsOf({ builder }: AnyCommand): Declared {
  const options: Record<string, Options> = {};
  const positionals: [string, PositionalOptions][] = [];
  const notes: Argv = new Proxy({} as Argv, {
    get: (_, method) => (name: string, declared: Options) => {
      if (method === 'option') options[name] = declared;
      if (method === 'positional') positionals.push([name, declared as PositionalOptions]);
      return notes;
    },
  });
  if (typeof builder === 'function') void builder(notes);
  return { options: { ...options, ...COMMON }, positionals };
}
