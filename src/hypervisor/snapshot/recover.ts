/** Goes on with guests whose host has died, from their last checkpoints. */
import { UserError } from '../../base/errors.ts';
import { SnapshotStore } from '../../snapshot/store/snapshot-store.ts';
import type { PcGuest } from '../create-guest.ts';
import type { CheckedCheckpoint } from '../options/checkpoint-options.ts';
import { checkpointsIn, type FoundCheckpoints } from './checkpoints.ts';
import type { SnapshotFiles } from './snapshot-files.ts';
import type { Recovered } from './snapshot-options.ts';

export interface Recovering {
  readonly found: FoundCheckpoints;
  /** All of it has been read, and nothing was changed. */
  onWhole(): void;
}

export interface RecoverParts {
  readonly files: SnapshotFiles;
  /** Of `path`, which is the first of those that are kept. */
  readonly restore: (path: string, checkpoint: CheckedCheckpoint, recovering: Recovering) => Promise<PcGuest>;
}

/**
 * Of each guest the latest checkpoint that is whole.
 * @throws UserError if there is none of any guest
 */
export async function recoverGuests(path: string, { files, restore }: RecoverParts): Promise<Recovered<PcGuest>> {
  const at = files.store(path);
  if (at === undefined || at.id !== undefined) throw new UserError(`${path} is no store of snapshots`);
  const { folder } = at;
  const { guests: checkpoints, problems } = await checkpointsIn(new SnapshotStore(folder, { codec: files.codec }));
  const [guests, passed]: [PcGuest[], string[]] = [[], [...problems]];
  for (const all of checkpoints.values()) {
    for (const [index, { id, every, keep }] of all.entries()) {
      const found = { kept: all.slice(index), passed: all.slice(0, index) };
      let isWhole = false;
      const onWhole = (): void => {
        isWhole = true;
      };
      try {
        guests.push(await restore(`${folder.name}/${id}`, { every, keep, to: path }, { found, onWhole }));
        break;
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        passed.push(`${folder.name}/${id}: ${error.message}`);
        // A disk that is not there now is no reason to bring the others back further, and lose what they have.
        if (isWhole) break;
      }
    }
  }
  if (guests.length === 0)
    throw new UserError(passed.length > 0 ? passed[0] : `${path} has no checkpoints: nothing can be recovered`);
  return { guests, problems: passed };
}
