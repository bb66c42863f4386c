#!/usr/bin/env node
/** The command `vetro`. Each command declares its options, calls one function, and prints; this file joins them. */
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { UserError } from '../base/errors.ts';
import { asmCommand } from './asm-command.ts';
import { disasmCommand } from './disasm-command.ts';
import { describeError } from './exit-status.ts';
import { fetchCommand } from './fetch-command.ts';
import { packageVersion } from './files.ts';
import { runCommand } from './run-command.ts';

async function main(): Promise<void> {
  await yargs(hideBin(process.argv))
    .scriptName('vetro')
    .usage('$0 <command>\n\nA full-system x86 PC in TypeScript: a machine you can see through.')
    .command(runCommand)
    .command(fetchCommand)
    .command(asmCommand)
    .command(disasmCommand)
    .demandCommand(1, 'a command is needed: run, fetch, asm or disasm (see vetro --help)')
    .strict()
    .version(packageVersion())
    .wrap(Math.min(100, process.stdout.columns ?? 100))
    .fail((message, error) => {
      if (error && error.name !== 'YError') throw error;
      // yargs' own complaints come with several lines; ours are one.
      throw new UserError(String(message ?? error?.message).replaceAll(/\s*\n\s*/g, ' '));
    })
    .parseAsync();
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever read our output is gone (`vetro run | head`).
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await main();
} catch (error) {
  const { message, status } = describeError(error);
  process.stderr.write(`vetro: ${message}\n`);
  process.exitCode = status;
}
