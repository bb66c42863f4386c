/** `vetro fetch`: declares, calls `fetchSystem`, prints. */
import type { CommandModule } from 'yargs';
import { fetchSystem, SYSTEMS, type SystemName } from './fetch/debian.ts';
import { createProgress } from './progress.ts';

interface FetchArguments {
  system: SystemName;
}

export const SYSTEM_NAMES = Object.keys(SYSTEMS) as SystemName[];

export const fetchCommand: CommandModule<object, FetchArguments> = {
  command: 'fetch <system>',
  describe: "Fetch a system with apt into the user's cache; print where kernel and initrd lie",
  builder: (args) =>
    args.positional('system', { choices: SYSTEM_NAMES, demandOption: true, describe: 'what to fetch' }),
  handler: async ({ system }) => {
    const progress = createProgress();
    const { kernel, initrd } = await fetchSystem(system, { onProgress: progress.show }).finally(progress.end);
    console.log(`kernel ${kernel}\ninitrd ${initrd}`);
  },
};
