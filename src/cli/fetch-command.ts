/** `vetro fetch`: declares, fetches, prints. */
import type { CommandModule } from 'yargs';
import type { CommandContext } from './command-context.ts';
import { fetchHere } from './fetch-here.ts';
import { describeGuests, GUEST_NAMES, type GuestName, guestNamed } from './guests.ts';

interface FetchArguments {
  guest: GuestName;
}

export const fetchCommand = ({ stop }: CommandContext): CommandModule<object, FetchArguments> => ({
  command: 'fetch <guest>',
  describe: "Fetch a guest with apt into the user's cache; print where its files lie",
  builder: (args) =>
    args
      .positional('guest', { choices: GUEST_NAMES, demandOption: true, describe: 'what to fetch' })
      .epilogue(`Guests:\n${describeGuests()}`),
  handler: async ({ guest }) => {
    for (const line of await fetchHere(guestNamed(guest).fetch, stop)) console.log(line);
  },
});
