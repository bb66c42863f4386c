/**
 * Vetro's library in a process of its own: what it costs to create a guest, and what the process weighs with one and
 * with two of them at their prompts. Takes any built revision; prints one line of JSON.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Host } from '../src/index.ts';
import type { GuestSystem } from './emulators.ts';
import { MarkerReader } from './marker-reader.ts';
import { between, residentMemory, takeSample } from './schedstat.ts';

/** Of each guest, in the order of their creation. */
export interface LibraryFigures {
  readonly guests: readonly {
    /** What `createGuest` takes, in ms, without waiting for a processor; for the first, with what its host takes. */
    readonly creation: number;
    /** Resident memory of the process, in bytes, when this guest is at its prompt. */
    readonly resident: number;
  }[];
}

export async function measureLibrary(root: string, system: GuestSystem): Promise<LibraryFigures> {
  const library = (await import(pathToFileURL(join(root, 'dist', 'index.js')).href)) as { Host: typeof Host };
  const { commandLine, memory } = system;
  const boot = { kernel: readFileSync(system.kernel), initrd: readFileSync(system.initrd), commandLine };
  let host: Host | undefined;
  const guests: { creation: number; resident: number }[] = [];
  for (let count = 0; count < 2; count++) {
    const start = takeSample(process.pid);
    host ??= await library.Host.create();
    const guest = await host.createGuest({ boot, memory, clock: 'virtual' });
    const creation = between(start, takeSample(process.pid)).corrected;
    const reader = new MarkerReader();
    await new Promise<void>((resolve, reject) => {
      guest.serial.on('data', (bytes) => {
        if (reader.put(Buffer.from(bytes).toString('latin1')).length === 0) return;
        guest.pause();
        resolve();
      });
      guest.run().then(() => reject(new Error('the guest ended before its prompt')), reject);
    });
    guests.push({ creation, resident: residentMemory(process.pid) });
  }
  return { guests };
}
