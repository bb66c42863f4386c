/** `vetro recover`: goes on with guests whose host has died. */
import type { CommandModule } from 'yargs';
import { ENGINES } from '../engine/processor.ts';
import type { RecoverOptions } from '../hypervisor/snapshot/snapshot-options.ts';
import { refuseEmpty } from './check-options.ts';
import type { CommandContext } from './command-context.ts';
import { createHost } from './create-host.ts';
import { runToTheEnd } from './run-guests.ts';
import { parseSerial } from './serial.ts';
import { named } from './snapshot-actions.ts';

export interface RecoverArguments extends Pick<RecoverOptions, 'engine' | 'clock' | 'trust'> {
  folder: string;
  serial: string;
}

const EPILOGUE = `What a guest did since its last checkpoint is lost: at the most the interval that --checkpoint named. If
the last one is damaged, the one before counts. Checkpoints go on as before. Exit status: as that of vetro run.`;

export const recoverCommand = (context: CommandContext): CommandModule<object, RecoverArguments> => ({
  command: 'recover <folder>',
  describe: 'Go on with guests whose emulator was killed, from their last checkpoints',
  builder: (args) =>
    args
      .positional('folder', { type: 'string', demandOption: true, describe: 'the store that --checkpoint named' })
      .option('engine', { choices: ENGINES, requiresArg: true, describe: 'how guest code is executed' })
      .option('clock', {
        choices: ['virtual', 'host'] as const,
        requiresArg: true,
        describe: 'guest time, by instructions alone or along the wall clock (default: as saved)',
      })
      .option('serial', {
        type: 'string',
        default: 'stdio',
        requiresArg: true,
        describe: 'where COM1 goes: stdio, pty, file:<path> or none',
      })
      .option('trust', {
        type: 'boolean',
        describe: 'write into the files, and ask the servers, that checkpoints name',
      })
      .example('$0 run --checkpoint saves,every=10s', 'boot Debian; then somebody kills the emulator')
      .example('$0 recover saves', 'go on from there')
      .epilogue(EPILOGUE),
  handler: async (options) => {
    refuseEmpty(options, ['serial']);
    parseSerial(options.serial);
    context.status = await recoverGuests(options, context.stop);
  },
});

/** @returns the exit status. @throws UserError; the reason of `stop` if it is aborted */
async function recoverGuests(options: RecoverArguments, stop: AbortSignal): Promise<number> {
  const { folder, engine, clock, trust, serial } = options;
  const host = createHost();
  try {
    const { guests, problems } = await named(folder, () => host.recover(folder, { engine, clock, trust }));
    for (const line of problems) process.stderr.write(`vetro: passed over: ${line}\n`);
    return await runToTheEnd(guests, { serial, inputs: [], hint: '' }, stop);
  } finally {
    await host[Symbol.asyncDispose]();
  }
}
