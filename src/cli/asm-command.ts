/** `vetro asm`: assembles a file of ours or yours. */
import { dirname, isAbsolute, join } from 'node:path';
import type { CommandModule } from 'yargs';
import { UserError } from '../base/errors.ts';
import { assemble } from '../isa/assemble.ts';
import type { Assembly } from '../isa/assembler.ts';
import type { Mode } from '../isa/encoding.ts';
import { isSameFile, readUserFile, writeUserFile } from './files.ts';

interface AsmArguments {
  source: string;
  output?: string;
  bits: Mode;
}

export const asmCommand: CommandModule<object, AsmArguments> = {
  command: 'asm <source>',
  describe: 'Assemble a file; without --output print a listing',
  builder: (args) =>
    args
      .positional('source', {
        type: 'string',
        demandOption: true,
        describe: 'assembler source, Intel syntax; - for standard input',
      })
      .option('output', {
        alias: 'o',
        type: 'string',
        requiresArg: true,
        describe: 'write the bytes to this file; - for standard output',
      })
      .option('bits', { choices: [16, 32, 64] as const, default: 32 as const, describe: 'code width at the start' }),
  handler: ({ source, output, bits }) => {
    if (output === '') throw new UserError('--output is empty: give it a value');
    const assembly = assembleFile(source, bits);
    if (output === undefined) process.stdout.write(listing(assembly));
    else if (output === STANDARD_STREAM) process.stdout.write(assembly.bytes);
    else writeOutput(output, assembly);
  },
};

/** The name of standard input as a source, and of standard output. */
const STANDARD_STREAM = '-';

/** @throws UserError naming file and line: files are included relative to the file that names them */
function assembleFile(file: string, bits: Mode): Assembly {
  const include = (name: string, from: string) => {
    // `join`, not `resolve`: messages show the path as the user began it. A file from standard input is as one here.
    const included = isAbsolute(name) ? name : join(dirname(from), name);
    return { name: included, text: readText(included, 'included file') };
  };
  return assemble(readText(file, 'source'), { bits, file, include });
}

const readText = (path: string, what: string): string => new TextDecoder().decode(readUserFile(path, what));

function writeOutput(path: string, { bytes, source }: Assembly): void {
  for (const file of new Set(source.map((line) => line.file))) {
    if (file !== undefined && isSameFile(file, path)) throw new UserError(`--output ${path} is a source itself`);
  }
  writeUserFile(path, bytes);
}

/** Address, bytes and source of each line. */
function listing({ bytes, origin, lines, source }: Assembly): string {
  const assembled = new Map(lines.map((line) => [line.source, line]));
  const rows = source.map((line) => {
    const at = assembled.get(line);
    if (!at) return `${' '.repeat(28)}${line.text}`.trimEnd();
    const start = at.address - origin;
    const shown = hexBytes(bytes.subarray(start, Math.min(start + at.length, start + 8)));
    const more = at.length > 8 ? '…' : '';
    return `${at.address.toString(16).padStart(8, '0')}  ${`${shown}${more}`.padEnd(18)}${line.text}`.trimEnd();
  });
  if (rows.at(-1) === '') rows.pop(); // behind the last line feed
  return `${rows.join('\n')}\n`;
}

const hexBytes = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
