/** What `vetro run --guest` boots, and by default: from the user's cache; without a cache or a network, what there is instead. */
import { UserError } from '../base/errors.ts';
import { assembleDemo } from './demo.ts';
import { loadSomewhere } from './fetch/load-somewhere.ts';
import { fetchHere } from './fetch-here.ts';
import { commandLineOf, type GuestName, guestNamed, type LoadedGuest } from './guests.ts';

export interface GuestRequest {
  /** Of the kernel, in place of the guest's own. */
  readonly append: string | undefined;
  /** What is added to the guest's own command line, on a terminal. */
  readonly terminalSize: string;
  /** Aborted, it rejects with the signal's reason, and leaves nothing behind. */
  readonly signal: AbortSignal;
}

/**
 * What could not be had is said in one line on standard error; if that is Debian, the demo takes its place.
 * @throws UserError for a command line that the guest does not take; if another guest cannot be had
 */
export async function bootGuest(name: GuestName, { append, terminalSize, signal }: GuestRequest): Promise<LoadedGuest> {
  const { load, isDefault } = guestNamed(name);
  const own = commandLineOf(name, append);
  const commandLine = isDefault && append === undefined ? `${own}${terminalSize}` : own;
  return fetchHere(async (options) => {
    try {
      return await loadSomewhere((each) => load(commandLine, each), options);
    } catch (error) {
      if (!isDefault || !(error instanceof UserError)) throw error;
      options.onNotice?.(
        `no ${name} (${error.message}); booting the embedded demo instead. ` +
          'To give a kernel: vetro run --kernel <bzImage> --initrd <file>',
      );
      return { boot: { image: assembleDemo() } };
    }
  }, signal);
}
