/** `vetro snapshot`: declares its options and hands them to the actions. */
import type { CommandModule } from 'yargs';
import { UserError } from '../base/errors.ts';
import { ENGINES } from '../engine/processor.ts';
import { isStore } from '../host/node/store-folder.ts';
import { refuseEmpty } from './check-options.ts';
import type { CommandContext } from './command-context.ts';
import { mediaOptions, parseMedia } from './media-options.ts';
import { type RestoreArguments, restoreGuest } from './restore-guest.ts';
import { parseSerial } from './serial.ts';
import { inspectSnapshot, verifySnapshot } from './snapshot-actions.ts';
import { parseSnapshotAt, snapshotOptions } from './snapshot-at.ts';
import { deleteSnapshot, exportFromStore, importIntoStore, listSnapshots, verifyStore } from './store-actions.ts';

export interface SnapshotCommandArguments extends Omit<RestoreArguments, 'file'> {
  file?: string;
  action: (typeof ACTIONS)[number];
  target?: string;
  store?: string;
  json?: boolean;
}

const ACTIONS = ['list', 'inspect', 'verify', 'restore', 'export', 'import', 'delete'] as const;
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

const EPILOGUE = `A store is a folder with many snapshots, of which each page is stored once: vetro run --snapshot FOLDER/ puts one
into it. FILE is a snapshot in a file of its own, or STORE/ID, or, with --store, ID.
  list STORE             the snapshots of a store         verify STORE           all of a store
  export STORE/ID FILE   into a file of its own           delete STORE/ID        and what it alone needs
  import FILE STORE      into a store, also as STORE/ID

A snapshot holds memory, chips, and what was written to disks and kept in memory. Disks themselves are
named in it: they must be as they were. --disk, --cdrom and --floppy say where they are now, all of a
kind together; how they are written was saved. A snapshot from somebody else could name any of your files: it
has a file written into, or a server asked, only if you name it so (--disk file=FILE,write=through), or by
--trust. Exit status: as that of vetro run.`;

export const snapshotCommand = (context: CommandContext): CommandModule<object, SnapshotCommandArguments> => ({
  command: 'snapshot <action> [file] [target]',
  describe: 'Show or verify saved guests, or go on with one',
  builder: (args) =>
    snapshotOptions(mediaOptions(args))
      .positional('action', { choices: ACTIONS, demandOption: true, describe: 'what is done' })
      .positional('file', { type: 'string', describe: 'the snapshot: a file, or STORE/ID; or a store' })
      .positional('target', { type: 'string', describe: 'export, import: where it goes' })
      .option('store', { type: 'string', requiresArg: true, describe: 'the store that the snapshot is in' })
      .option('json', { type: 'boolean', describe: 'list: as JSON' })
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
      .example('$0 snapshot list saves', 'what is in a store')
      .epilogue(EPILOGUE),
  handler: async (options) => {
    const { action } = options;
    refuseEmpty(options, ['serial', 'snapshot', 'snapshot-at', 'cdrom', 'store']);
    if (action !== 'restore') {
      const stray = RESTORES.find((name) => options[name] !== undefined && String(options[name]) !== '');
      if (stray !== undefined) throw new UserError(`vetro snapshot ${action} takes no --${stray}`);
    }
    if (options.json && action !== 'list') throw new UserError(`vetro snapshot ${action} takes no --json`);
    const { file, target } = places(options);
    if (action !== 'restore') {
      process.stdout.write(`${await act(action, { file, target, json: options.json ?? false })}\n`);
      return;
    }
    if (options.boot !== undefined) throw new UserError('vetro snapshot restore takes no --boot: the guest has booted');
    parseMedia(options);
    parseSerial(options.serial ?? 'stdio');
    parseSnapshotAt(options);
    context.status = await restoreGuest({ ...options, file }, context.stop);
  },
});

/** What the words stand for. @throws UserError for one too few or too many */
function places({ action, file, target, store }: SnapshotCommandArguments): { file: string; target: string } {
  const usage = `vetro snapshot ${action} needs ${NEEDS[action]}`;
  const within = (id: string): string => `${store}/${id}`;
  if (action === 'import') {
    if (file === undefined || (target ?? store) === undefined) throw new UserError(usage);
    return { file, target: store === undefined ? target! : within(target ?? '') };
  }
  const first = store === undefined ? file : file === undefined ? store : within(file);
  const needsTwo = action === 'export';
  if (first === undefined || (needsTwo && target === undefined)) throw new UserError(usage);
  if (action === 'list' && store !== undefined && file !== undefined) throw new UserError(usage);
  if (!needsTwo && target !== undefined) throw new UserError(`one argument too many: ${target}; ${usage}`);
  return { file: first, target: target ?? '' };
}

const NEEDS: Readonly<Record<SnapshotCommandArguments['action'], string>> = {
  list: 'a STORE',
  inspect: 'a FILE, or STORE/ID',
  verify: 'a FILE, a STORE, or STORE/ID',
  restore: 'a FILE, or STORE/ID',
  export: 'STORE/ID and a FILE',
  import: 'a FILE and a STORE',
  delete: 'STORE/ID',
};

async function act(
  action: Exclude<SnapshotCommandArguments['action'], 'restore'>,
  { file, target, json }: { readonly file: string; readonly target: string; readonly json: boolean },
): Promise<string> {
  switch (action) {
    case 'list':
      return await listSnapshots(file, { json });
    case 'inspect':
      return await inspectSnapshot(file);
    case 'verify':
      return isStore(file) ? await verifyStore(file) : await verifySnapshot(file);
    case 'export':
      return await exportFromStore(file, target);
    case 'import':
      return await importIntoStore(file, target);
    case 'delete':
      return await deleteSnapshot(file);
  }
}
