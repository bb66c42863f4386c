/**
 * The lines of a source, in the order in which they are assembled: a line `%include "name"` is followed by the lines of
 * that file. Where files are and how names become paths is the caller's business.
 */
import { UserError } from '../base/errors.ts';

export interface SourceFile {
  /** As messages show it; two names that are equal are one file. */
  readonly name: string;
  readonly text: string;
}

/** Opens the file that `name` means in a file called `from`. @throws UserError if it cannot be read */
export type OpenInclude = (name: string, from: string) => SourceFile;

export interface SourceLine {
  /** The file's name; undefined for a text without one. */
  readonly file: string | undefined;
  /** 1 for the first line of its file. */
  readonly line: number;
  readonly text: string;
}

const DIRECTIVE = /^\s*%\s*(\w*)\s*(.*)$/;
const NAME = /^(["'`])(.+?)\1\s*(?:;.*)?$/;
/** Bounds for files that include each other without end, by names that always differ, or in ever greater numbers. */
const MAX_DEPTH = 64;
const MAX_LINES = 2_000_000;
const MAX_CHARACTERS = 64 * 1024 * 1024;
/** Of the line that a message ends with. */
const SHOWN = 100;

/** @throws UserError, naming file and line, for a circular include or one that cannot be read */
export function readLines(text: string, options: { file?: string; include?: OpenInclude } = {}): SourceLine[] {
  const lines: SourceLine[] = [];
  let characters = 0;
  const read = (file: string | undefined, content: string, including: readonly (string | undefined)[]): void => {
    content.split(/\r?\n/).forEach((lineText, index) => {
      const source = { file, line: index + 1, text: lineText };
      characters += lineText.length;
      if (lines.push(source) > MAX_LINES || characters > MAX_CHARACTERS)
        atLine(source, () => fail('the source is too large, with all that it includes'));
      if (!isDirective(source)) return;
      const included = atLine(source, () => {
        const name = includedName(lineText);
        if (!options.include) return fail('there are no files to include here');
        const opened = options.include(name, file ?? '');
        if (including.includes(opened.name)) {
          const chain = [...including.slice(including.indexOf(opened.name)), opened.name];
          return fail(`circular include: ${chain.join(' includes ')}`);
        }
        if (including.length >= MAX_DEPTH) return fail(`files are included more than ${MAX_DEPTH} deep`);
        return opened;
      });
      read(included.name, included.text, [...including, included.name]);
    });
  };
  read(options.file, text, [options.file]);
  return lines;
}

/** Such a line is carried out here and means nothing to the assembler. */
export const isDirective = ({ text }: SourceLine): boolean => DIRECTIVE.test(text);

function includedName(text: string): string {
  const [, directive = '', operand = ''] = DIRECTIVE.exec(text) ?? [];
  if (directive.toLowerCase() !== 'include') return fail(`%${directive} is not known, only %include is`);
  return NAME.exec(operand)?.[2] ?? fail('%include takes a file name in quotes');
}

function fail(message: string): never {
  throw new UserError(message);
}

/** Where a line is: `file:line`, or `line n` in a text without a name. */
export const place = ({ file, line }: SourceLine): string => (file === undefined ? `line ${line}` : `${file}:${line}`);

/** Runs `action`; a UserError gains file, line and text. */
export function atLine<Result>(source: SourceLine, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(printable(`${place(source)}: ${error.message}: ${shorten(source.text.trim())}`));
  }
}

const shorten = (text: string): string => (text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);

/** A source may be anything, also not a source at all: what goes to a terminal is one line of visible characters. */
const printable = (text: string): string => text.replaceAll(/\p{C}/gu, (character) => (character === '\t' ? ' ' : '�'));
