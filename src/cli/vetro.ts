/** The command `vetro`. Each command declares its options, calls one function, and prints; this file joins them. */
import yargs from 'yargs';
import { UserError } from '../base/errors.ts';
import { CPU_MODEL_NAMES } from '../cpu/cpu-model.ts';
import { ENGINES } from '../engine/processor.ts';
import { asmCommand } from './asm-command.ts';
import type { CommandContext } from './command-context.ts';
import { type AnyCommand, COMPLETE, complete } from './completion.ts';
import { completionCommand } from './completion-command.ts';
import { difftestCommand } from './difftest-command.ts';
import { disasmCommand } from './disasm-command.ts';
import { refuseEmptyPositionals, restoreDashes } from './empty-words.ts';
import { describeError, EXIT } from './exit-status.ts';
import { fetchCommand } from './fetch-command.ts';
import { packageVersion } from './files.ts';
import { imageCommand } from './image-command.ts';
import { migrateCommand } from './migrate-command.ts';
import { recoverCommand } from './recover-command.ts';
import { runCommand } from './run-command.ts';
import { snapshotCommand } from './snapshot-command.ts';
import { flushed } from './stop.ts';
import { refuseDoubleDash, refuseRepeatedOptions, refuseValuesOfSwitches, usageError } from './usage-error.ts';

/**
 * Whether a command has something to clean up when a signal ends it. The others work without a pause in which they could
 * listen: the signal ends them by itself.
 */
export const listensItself = (words: readonly string[]): boolean =>
  !['asm', 'disasm', 'completion', COMPLETE].includes(words[0] ?? '');

/** Runs a command line. @returns the exit status, once all output is out */
export async function vetro(words: readonly string[], stop: AbortSignal): Promise<number> {
  const context: CommandContext = { stop, status: EXIT.OK };
  try {
    await execute(words, context);
    await flushed(stop);
    stop.throwIfAborted();
    return context.status;
  } catch (error) {
    const { message, status } = describeError(error);
    if (message !== undefined) process.stderr.write(`vetro: ${message}\n`);
    await flushed(stop);
    return status;
  }
}

async function execute(words: readonly string[], context: CommandContext): Promise<void> {
  const commands: readonly AnyCommand[] = [
    runCommand(context),
    fetchCommand(context),
    asmCommand,
    disasmCommand,
    difftestCommand(context),
    imageCommand(context),
    snapshotCommand(context),
    recoverCommand(context),
    migrateCommand(context),
    completionCommand,
  ];
  if (words[0] === COMPLETE) {
    for (const line of complete(words.slice(1), commands)) process.stdout.write(`${line}\n`);
    return;
  }
  refuseDoubleDash(words);
  refuseValuesOfSwitches(words, commands);
  refuseEmptyPositionals(words, commands);
  let complaint: string | undefined;
  try {
    await yargs(words)
      .scriptName('vetro')
      .usage('$0 <command>\n\nA full-system x86 PC in TypeScript: a machine you can see through.')
      // `--no-x` and `--a.b` are options by their own names, or errors.
      .parserConfiguration({ 'boolean-negation': false, 'dot-notation': false })
      .command([...commands])
      .demandCommand(
        1,
        'a command is needed: run, fetch, asm, disasm, difftest, image, snapshot, recover, migrate or completion; see vetro --help',
      )
      .strict()
      .middleware(refuseRepeatedOptions(commands), true)
      .middleware(restoreDashes(commands))
      .version(packageVersion())
      .epilogue(`CPU models: ${CPU_MODEL_NAMES.join(', ')}\nEngines:    ${ENGINES.join(', ')}`)
      .wrap(Math.min(100, process.stdout.columns ?? 100))
      .exitProcess(false)
      .fail((message, error) => {
        if (error && error.name !== 'YError') throw error;
        complaint ??= String(message ?? error?.message);
        throw new UserError(complaint);
      })
      .parseAsync();
  } catch (error) {
    throw complaint === undefined ? error : usageError(words, complaint, commands);
  }
}
