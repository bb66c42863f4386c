/** The monitor's `migrate`: the guest runs while it is copied, and is paused again if it stays. */
import { UserError } from '../base/errors.ts';
import { connectTo, showAddress } from '../host/node/socket-duplex.ts';
import type { PcGuest } from '../hypervisor/create-guest.ts';
import { showByteSize } from './byte-size.ts';
import { parseAddress } from './migration-address.ts';
import type { Patience } from './run-control.ts';

/** @throws UserError if it stays, and why; StateError if nobody knows where it is */
export async function migrate(
  guest: PcGuest,
  word: string,
  { signal, onProgress }: Patience,
): Promise<{ readonly text: string; readonly leave?: 'continue' }> {
  if (word === 'moved' || word === 'stayed') {
    guest.resolveMigration(word);
    return word === 'moved' ? { text: '', leave: 'continue' } : { text: `${guest.name} is here, and nowhere else` };
  }
  const address = parseAddress('migrate', word);
  const shown = showAddress(address);
  try {
    const stream = await connectTo(address, signal);
    const ran = guest.state === 'running';
    const moved = guest.migrate(stream, {
      signal,
      onProgress: ({ rounds, bytes, written, throttle }) => {
        const held = throttle > 0 ? `, slowed down by ${throttle} %` : '';
        onProgress?.(`to ${shown}: round ${rounds}, ${showByteSize(bytes)} sent, ${written} pages left${held}`);
      },
    });
    // Why it cannot run, the migration says.
    if (!ran) guest.run().catch(() => {});
    try {
      const { downtime, bytes } = await moved;
      const cost = `${showByteSize(bytes)}, it stood still for ${Math.ceil(downtime)} ms`;
      return { text: `${guest.name} has moved to ${shown} (${cost})`, leave: 'continue' };
    } catch (error) {
      if (!ran) guest.pause();
      throw error;
    }
  } catch (error) {
    if (signal.aborted && !guest.held) throw new UserError(`interrupted; ${guest.name} is here`);
    throw error;
  }
}
