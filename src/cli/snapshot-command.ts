/** `vetro snapshot`: declares its options and hands them to the actions. */
import type { CommandModule } from 'yargs';
import { UserError } from '../base/errors.ts';
import { ENGINES } from '../engine/processor.ts';
import { refuseEmpty } from './check-options.ts';
import type { CommandContext } from './command-context.ts';
import { mediaOptions, parseMedia } from './media-options.ts';
import { type RestoreArguments, restoreGuest } from './restore-guest.ts';
import { parseSerial } from './serial.ts';
import { inspectSnapshot, verifySnapshot } from './snapshot-actions.ts';
import { parseSnapshotAt, snapshotOptions } from './snapshot-at.ts';

export interface SnapshotCommandArguments extends RestoreArguments {
  action: (typeof ACTIONS)[number];
}

const ACTIONS = ['inspect', 'verify', 'restore'] as const;
/** Options that only `restore` takes. */
const RESTORES = [
  'engine',
  'clock',
  'serial',
  'trust',
  'disk',
  'cdrom',
  'floppy',
  'snapshot',
  'snapshot-at',
  'boot',
] as const;

const EPILOGUE = `A snapshot holds memory, chips, and what was written to disks and kept in memory. Disks themselves are
named in it: they must be as they were. --disk, --cdrom and --floppy say where they are now, all of a
kind together; how they are written was saved. A snapshot from somebody else could name any of your files: it
has a file written into, or a server asked, only if you name it so (--disk file=FILE,write=through), or by
--trust. Exit status: as that of vetro run.`;

export const snapshotCommand = (context: CommandContext): CommandModule<object, SnapshotCommandArguments> => ({
  command: 'snapshot <action> <file>',
  describe: 'Show or verify a saved guest, or go on with it',
  builder: (args) =>
    snapshotOptions(mediaOptions(args))
      .positional('action', { choices: ACTIONS, demandOption: true, describe: 'what is done' })
      .positional('file', { type: 'string', demandOption: true, describe: 'the snapshot' })
      .option('engine', { choices: ENGINES, requiresArg: true, describe: 'restore: how guest code is executed' })
      .option('clock', {
        choices: ['virtual', 'host'] as const,
        requiresArg: true,
        describe: 'restore: guest time, by instructions alone or along the wall clock (default: as saved)',
      })
      .option('serial', {
        type: 'string',
        requiresArg: true,
        describe: 'restore: where COM1 goes: stdio, pty, file:<path> or none (default: stdio)',
      })
      .option('trust', {
        type: 'boolean',
        describe: 'restore: write into the files, and ask the servers, that the snapshot names',
      })
      .example('$0 run --snapshot ready.vetro', 'boot Debian, and save it when you quit')
      .example('$0 snapshot restore ready.vetro', 'go on from there')
      .epilogue(EPILOGUE),
  handler: async (options) => {
    const { action, file } = options;
    refuseEmpty(options, ['serial', 'snapshot', 'snapshot-at', 'cdrom']);
    if (action !== 'restore') {
      const stray = RESTORES.find((name) => options[name] !== undefined && String(options[name]) !== '');
      if (stray !== undefined) throw new UserError(`vetro snapshot ${action} takes no --${stray}`);
      const text = action === 'inspect' ? await inspectSnapshot(file) : await verifySnapshot(file);
      process.stdout.write(`${text}\n`);
      return;
    }
    if (options.boot !== undefined) throw new UserError('vetro snapshot restore takes no --boot: the guest has booted');
    parseMedia(options);
    parseSerial(options.serial ?? 'stdio');
    parseSnapshotAt(options);
    context.status = await restoreGuest(options, context.stop);
  },
});
