/** `vetro difftest lockstep`: declares its options and hands them to `runLockstep`. */
import type { CommandModule } from 'yargs';
import { UserError } from '../base/errors.ts';
import { ENGINES, type EngineName } from '../engine/processor.ts';
import { bootOptions, checkBootOptions } from './boot-options.ts';
import { checkNumber, refuseEmpty } from './check-options.ts';
import type { CommandContext } from './command-context.ts';
import { describeGuests } from './guests.ts';
import { type LockstepArguments, runLockstep } from './run-lockstep.ts';

interface DifftestArguments extends Omit<LockstepArguments, 'engines'> {
  check: 'lockstep';
  engines: string;
}

const CHECKS = ['lockstep'] as const;
/** 'auto' would be one of the others. */
const CHOICES: readonly EngineName[] = ENGINES.filter((name: string) => name !== 'auto');
const COUNT = { least: 1, most: 1e15, whole: true };

const EPILOGUE = `Guests (--guest):
${describeGuests()}

Both guests run to the same instruction counts, with virtual time, and are compared: registers and
time after each interval, the hash of the whole state after a hundred. A difference is narrowed
down, by runs from power-on, to the instruction at whose end it first shows. A guest that resets
or halts for good ends the comparison.

Two fast engines do about 10^8 instructions a second together. The reference evaluator does some
300,000: give it fewer. Debian's boot takes 2.8e9 up to the prompt at which --type begins.

Exit status:
  0  the engines agree
  1  they differ, or an internal error
  2  a wrong option or an unusable file: one line on standard error says what`;

export const difftestCommand = (context: CommandContext): CommandModule<object, DifftestArguments> => ({
  command: 'difftest <check> [file]',
  describe: 'Compare engines: the same guest on two of them, in lockstep',
  builder: (args) =>
    bootOptions(args.positional('check', { choices: CHECKS, demandOption: true, describe: 'how they are compared' }))
      .option('engines', {
        type: 'string',
        default: CHOICES.slice(0, 2).join(),
        describe: `two engines: ${ENGINES.join(', ')}`,
        requiresArg: true,
      })
      .option('instructions', { type: 'number', default: 1e9, describe: 'how many are compared', requiresArg: true })
      .option('interval', {
        type: 'number',
        default: 1e6,
        describe: 'instructions between two comparisons',
        requiresArg: true,
      })
      .option('type', {
        type: 'array',
        string: true,
        default: [] as string[],
        describe: 'lines for the serial port, each typed when the prompt appears; it ends at the prompt behind them',
        requiresArg: true,
      })
      .option('prompt', {
        type: 'string',
        describe: 'what the guest sends when it waits for a line (default: "~ # ")',
        requiresArg: true,
      })
      .example('$0 difftest lockstep', 'a Debian boot')
      .example('$0 difftest lockstep --type "ls -lR /"', 'and of a command')
      .epilogue(EPILOGUE),
  handler: async ({ engines, ...options }) => {
    checkBootOptions(options);
    refuseEmpty(options, ['prompt']);
    checkNumber('--instructions', options.instructions, COUNT);
    checkNumber('--interval', options.interval, COUNT);
    context.status = await runLockstep({ ...options, engines: parseEngines(engines) }, context.stop);
  },
});

/** @throws UserError unless they are two different engines */
function parseEngines(text: string): readonly [EngineName, EngineName] {
  const names = text.split(',');
  const unknown = names.find((name) => !(ENGINES as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new UserError(`--engines takes names from ${ENGINES.join(', ')}, not ${unknown === '' ? 'none' : unknown}`);
  if (names.length !== 2 || names[0] === names[1])
    throw new UserError(`--engines takes two different engines, as in ${CHOICES.slice(0, 2).join()}, not ${text}`);
  return names as [EngineName, EngineName];
}
