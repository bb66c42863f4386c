/** What `vetro migrate` does: waits for a guest, takes it in, connects its serial port, waits for its end. */
import type { EngineName } from '../engine/processor.ts';
import { acceptOne, showAddress } from '../host/node/socket-duplex.ts';
import { createHost } from './create-host.ts';
import { filesOf, type MediaArguments, parseMedia } from './media-options.ts';
import { parseAddress } from './migration-address.ts';
import { runToTheEnd } from './run-guests.ts';
import type { SnapshotArguments } from './snapshot-at.ts';

export interface ReceiveArguments extends MediaArguments, SnapshotArguments {
  listen: string;
  engine?: EngineName;
  clock?: 'virtual' | 'host';
  serial?: string;
  trust?: boolean;
}

/** @returns the exit status. @throws UserError; the reason of `stop` if it is aborted */
export async function receiveGuest(options: ReceiveArguments, stop: AbortSignal): Promise<number> {
  const { listen, engine, clock, trust, serial = 'stdio' } = options;
  const { disks, cdrom, floppies } = parseMedia(options);
  const host = createHost();
  try {
    const stream = await acceptOne(parseAddress('--listen', listen), {
      signal: stop,
      onListening: (address) => process.stderr.write(`vetro: waiting for a guest at ${showAddress(address)}\n`),
    });
    const guest = await host.receive(stream, {
      ...{ engine, clock, trust, cdrom, signal: stop },
      disks: disks.length > 0 ? disks : undefined,
      floppies: floppies.length > 0 ? floppies : undefined,
    });
    process.stderr.write(`vetro: ${guest.name} has come\n`);
    const inputs = filesOf({ disks, cdrom, floppies });
    return await runToTheEnd([guest], { ...options, serial, inputs, hint: '' }, stop);
  } finally {
    await host[Symbol.asyncDispose]();
  }
}
