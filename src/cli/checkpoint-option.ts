/** `--checkpoint FOLDER[,every=30s][,keep=2]`: snapshots that are taken by themselves. */
import { UserError } from '../base/errors.ts';
import { type CheckedCheckpoint, checkCheckpoint } from '../hypervisor/options/checkpoint-options.ts';

const SETTINGS = ['every', 'keep'] as const;

/** @throws UserError for what it cannot be */
export function parseCheckpoint(text: string | undefined): CheckedCheckpoint | undefined {
  if (text === undefined) return undefined;
  const [to, ...words] = text.split(',');
  if (to === '') throw new UserError('--checkpoint needs a folder: --checkpoint FOLDER,every=30s');
  const settings: Partial<Record<(typeof SETTINGS)[number], string>> = {};
  for (const word of words) {
    const [, name, value] = /^([a-z]+)=(.+)$/.exec(word) ?? [];
    const setting = SETTINGS.find((each) => each === name);
    if (setting === undefined) throw new UserError(`--checkpoint takes FOLDER,every=30s,keep=2, not ${word}`);
    settings[setting] = value;
  }
  const { every, keep } = settings;
  try {
    return checkCheckpoint({ to, every, keep: keep === undefined ? undefined : Number(keep) });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(error.message.replace(/^checkpoint\.(\w+)/, '--checkpoint: $1'));
  }
}
