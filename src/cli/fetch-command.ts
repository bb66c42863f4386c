/** `vetro fetch`: declares, calls `fetchSystem`, prints. */
import type { CommandModule } from 'yargs';
import type { CommandContext } from './command-context.ts';
import { fetchSystem, SYSTEMS, type SystemName } from './fetch/debian.ts';
import { createProgress } from './progress.ts';

interface FetchArguments {
  system: SystemName;
}

export const SYSTEM_NAMES = Object.keys(SYSTEMS) as SystemName[];
export const DEFAULT_SYSTEM: SystemName = 'debian-686';

export const fetchCommand = ({ stop }: CommandContext): CommandModule<object, FetchArguments> => ({
  command: 'fetch <system>',
  describe: "Fetch a system with apt into the user's cache; print where kernel and initrd lie",
  builder: (args) =>
    args.positional('system', { choices: SYSTEM_NAMES, demandOption: true, describe: 'what to fetch' }),
  handler: async ({ system }) => {
    const progress = createProgress();
    const onNotice = (line: string): void => {
      progress.end();
      process.stderr.write(`vetro: ${line}\n`);
    };
    const options = { onProgress: progress.show, onNotice, signal: stop };
    const { kernel, initrd } = await fetchSystem(system, options).finally(progress.end);
    console.log(`kernel ${kernel}\ninitrd ${initrd}`);
  },
});
