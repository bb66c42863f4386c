/** `vetro disasm`: bytes of a file, or given in hexadecimal, as instructions. */
import type { CommandModule } from 'yargs';
import { UserError } from '../base/errors.ts';
import { addressesOf, type CodeWidth, disassembleLines } from '../debug/disassemble-lines.ts';
import { readUserFile } from './files.ts';

interface DisasmArguments {
  file?: string;
  hex?: string;
  bits: CodeWidth;
  origin: string;
}

export const disasmCommand: CommandModule<object, DisasmArguments> = {
  command: 'disasm [file]',
  describe: 'Disassemble a file of bytes',
  builder: (args) =>
    args
      .positional('file', { type: 'string', describe: 'file of bytes; - for standard input' })
      .option('hex', { type: 'string', requiresArg: true, describe: 'the bytes themselves, in hexadecimal' })
      .option('bits', { choices: [16, 32, 64] as const, default: 32 as const, describe: 'code width' })
      .option('origin', { type: 'string', default: '0', requiresArg: true, describe: 'address of the first byte' }),
  handler: ({ file, hex, bits, origin }) => {
    const address = Number(origin);
    const most = addressesOf(bits) - 1;
    if (!Number.isInteger(address) || address < 0 || address > most) {
      throw new UserError(
        `--origin ${origin} is not an address: ${bits}-bit code has those from 0 to 0x${most.toString(16)}`,
      );
    }
    for (const { text } of disassembleLines(readBytes(file, hex), address, bits)) process.stdout.write(`${text}\n`);
  },
};

function readBytes(file: string | undefined, hex: string | undefined): Uint8Array {
  if (file !== undefined && hex !== undefined)
    throw new UserError('FILE and --hex both say what to disassemble: give one of them');
  if (hex === undefined) {
    if (file === undefined) throw new UserError('give a file, or bytes with --hex');
    return readUserFile(file, 'file');
  }
  const digits = hex.replaceAll(/[\s,]|0x/g, '');
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new UserError('--hex takes pairs of hexadecimal digits');
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
