/** `vetro asm`: assembles a file of ours or yours. */
import { writeFileSync } from 'node:fs';
import type { CommandModule } from 'yargs';
import { UserError } from '../base/errors.ts';
import { assemble } from '../isa/assemble.ts';
import type { Assembly } from '../isa/assembler.ts';
import type { Mode } from '../isa/encoding.ts';
import { readUserFile } from './files.ts';

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
      .option('output', { alias: 'o', type: 'string', requiresArg: true, describe: 'write the bytes to this file' })
      .option('bits', { choices: [16, 32, 64] as const, default: 32 as const, describe: 'code width at the start' }),
  handler: ({ source, output, bits }) => {
    const text = new TextDecoder().decode(readUserFile(source, 'source'));
    const assembly = assemble(text, { bits });
    if (output === undefined) process.stdout.write(listing(text, assembly));
    else writeOutput(output, assembly.bytes);
  },
};

function writeOutput(path: string, bytes: Uint8Array): void {
  try {
    writeFileSync(path, bytes);
  } catch (error) {
    throw new UserError(`cannot write ${path}: ${(error as Error).message}`);
  }
}

/** Address, bytes and source of each line. */
function listing(text: string, { bytes, origin, lines }: Assembly): string {
  const at = new Map(lines.map((line) => [line.line, line]));
  const rows = text
    .replace(/\n$/, '')
    .split('\n')
    .map((source, index) => {
      const line = at.get(index + 1);
      if (!line) return `${' '.repeat(28)}${source}`;
      const start = line.address - origin;
      const shown = hexBytes(bytes.subarray(start, Math.min(start + line.length, start + 8)));
      const more = line.length > 8 ? '…' : '';
      return `${line.address.toString(16).padStart(8, '0')}  ${`${shown}${more}`.padEnd(18)}${source}`;
    });
  return `${rows.map((row) => row.trimEnd()).join('\n')}\n`;
}

const hexBytes = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
