/** What `vetro snapshot restore` does: makes the guest anew, connects its serial port, waits for its end. */
import type { EngineName } from '../engine/processor.ts';
import { createHost } from './create-host.ts';
import { filesOf, type MediaArguments, parseMedia } from './media-options.ts';
import { runToTheEnd } from './run-guests.ts';
import { named } from './snapshot-actions.ts';
import type { SnapshotArguments } from './snapshot-at.ts';

export interface RestoreArguments extends MediaArguments, SnapshotArguments {
  file: string;
  engine?: EngineName;
  clock?: 'virtual' | 'host';
  serial?: string;
  trust?: boolean;
}

/** @returns the exit status. @throws UserError; the reason of `stop` if it is aborted */
export async function restoreGuest(options: RestoreArguments, stop: AbortSignal): Promise<number> {
  const { file, engine, clock, trust, serial = 'stdio' } = options;
  const { disks, cdrom, floppies } = parseMedia(options);
  const host = createHost();
  try {
    const guest = await named(file, () =>
      host.restore(file, {
        ...{ engine, clock, trust, cdrom },
        disks: disks.length > 0 ? disks : undefined,
        floppies: floppies.length > 0 ? floppies : undefined,
      }),
    );
    const inputs = [file, ...filesOf({ disks, cdrom, floppies })];
    return await runToTheEnd([guest], { ...options, serial, inputs, hint: '' }, stop);
  } finally {
    await host[Symbol.asyncDispose]();
  }
}
