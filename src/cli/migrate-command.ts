/** `vetro migrate`: declares its options and hands them to the action. */
import type { CommandModule } from 'yargs';
import { UserError } from '../base/errors.ts';
import { ENGINES } from '../engine/processor.ts';
import { refuseEmpty } from './check-options.ts';
import type { CommandContext } from './command-context.ts';
import { mediaOptions, parseMedia } from './media-options.ts';
import { parseAddress } from './migration-address.ts';
import { type ReceiveArguments, receiveGuest } from './receive-guest.ts';
import { parseSerial } from './serial.ts';
import { parseSnapshotAt, snapshotOptions } from './snapshot-at.ts';

type MigrateArguments = Omit<ReceiveArguments, 'listen'> & { listen?: string };

const EPILOGUE = `The guest is sent by the monitor of the vetro that runs it: Ctrl-A c, then migrate tcp:HOST:PORT or migrate
unix:PATH. It runs there while its memory is copied, stands still for a moment, and goes on here: on this
terminal, with this command's exit status. If anything fails before it is handed over, it goes on there. If the
connection breaks in the very moment, it stands still there until its monitor is told migrate moved (it runs
here) or migrate stayed.

Disks are named, not copied, but for what was written and is kept in memory: they must be here, and as they are
there. --disk, --cdrom and --floppy say where they are, all of a kind together. A guest that writes into files
cannot be moved yet. What comes from somebody else could name any of your files: see vetro snapshot --help on
--trust.

The stream is NEITHER ENCRYPTED NOR AUTHENTICATED: whoever connects first sends a guest, and whoever listens in
sees its memory. Without HOST only this machine can connect; between machines, use ssh (ssh -L) or a Unix socket.
Exit status: as that of vetro run.`;

export const migrateCommand = (context: CommandContext): CommandModule<object, MigrateArguments> => ({
  command: 'migrate',
  describe: 'Take in a guest that another vetro runs, and go on with it',
  builder: (args) =>
    snapshotOptions(mediaOptions(args))
      .option('listen', {
        type: 'string',
        requiresArg: true,
        describe: 'where it comes from: tcp:[HOST:]PORT (0: any port) or unix:PATH',
      })
      .option('engine', { choices: ENGINES, requiresArg: true, describe: 'how guest code is executed' })
      .option('clock', {
        choices: ['virtual', 'host'] as const,
        requiresArg: true,
        describe: 'guest time, by instructions alone or along the wall clock (default: as it was)',
      })
      .option('serial', {
        type: 'string',
        requiresArg: true,
        describe: 'where COM1 goes: stdio, pty, file:<path> or none (default: stdio)',
      })
      .option('trust', {
        type: 'boolean',
        describe: 'write into the files, and ask the servers, that the guest names',
      })
      .example('$0 migrate --listen tcp:4444', 'wait for a guest from this machine')
      .example('$0 migrate --listen unix:/tmp/move', 'or through a Unix socket')
      .epilogue(EPILOGUE),
  handler: async (options) => {
    refuseEmpty(options, ['listen', 'serial', 'snapshot', 'snapshot-at', 'cdrom']);
    if (options.boot !== undefined) throw new UserError('vetro migrate takes no --boot: the guest has booted');
    if (options.listen === undefined)
      throw new UserError('say where the guest comes from: --listen tcp:[HOST:]PORT or unix:PATH');
    parseAddress('--listen', options.listen);
    parseMedia(options);
    parseSerial(options.serial ?? 'stdio');
    parseSnapshotAt(options);
    context.status = await receiveGuest({ ...options, listen: options.listen }, context.stop);
  },
});
