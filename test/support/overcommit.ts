/**
 * Several Debian guests in a pool that is too small for all of them: each in turn fills a part of its memory, looks whether it is
 * there, and gives it back.
 */
import {
  type EngineName,
  type Guest,
  type GuestBoot,
  Host,
  type HostOptions,
  type MemoryStatistics,
} from '../../src/index.ts';
import type { debianModules } from './debian-modules.ts';
import { scriptedInitrd } from './scripted-linux.ts';

export interface OvercommitSystem {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
  readonly modules: Awaited<ReturnType<typeof debianModules>>;
}

/** A shell that reads commands; `load FILES`: fills memory with a file of about 3 MiB again and again, each time at another offset in its pages. */
const SCRIPT = `
exec </dev/ttyS0
stty -echo
seq 1 480000 > /piece
load() {
  i=0
  while [ $i -lt $1 ]; do cat /piece; i=$((i+1)); done > /fill || echo failed
  for at in 1 $(($1 * 12 - 9)); do dd if=/fill bs=256k skip=$at count=1 2>/dev/null; done | md5sum
  rm /fill
  echo load: done
}
echo shell: ready
while read -r line; do eval "$line"; done`;

const SUM = /[0-9a-f]{32}/;
const PATIENCE = { timeout: 600_000 };

/** The bytes of a snapshot of one that has booted. */
export async function bootedGuest(system: OvercommitSystem, memory: number): Promise<Uint8Array> {
  await using host = await Host.create();
  const { kernel, ...parts } = system;
  const boot: GuestBoot = {
    kernel,
    initrd: scriptedInitrd({ ...parts, script: SCRIPT }),
    commandLine: 'console=ttyS0 cryptomgr.notests',
  };
  const guest = await host.createGuest({ boot, memory, balloon: true, clock: 'virtual' });
  void guest.run();
  await guest.serial.waitFor('shell: ready', PATIENCE);
  guest.pause();
  return (await guest.snapshot()).bytes!;
}

export interface Scene extends Pick<HostOptions, 'reclaim' | 'swap'> {
  readonly guests: number;
  /** MiB of the pool. */
  readonly limit: number;
  readonly sharing: boolean;
  readonly engine: EngineName;
  /** Turns that each guest has; and files of about 3 MiB that it fills its memory with. */
  readonly rounds: number;
  readonly files: number;
  readonly onTurn?: (guest: Guest, statistics: MemoryStatistics) => void;
}

export interface Outcome {
  readonly statistics: MemoryStatistics;
  /** What each guest came to in each turn; times that guests were paused for want of memory. */
  readonly sums: ReadonlySet<string>;
  readonly paused: number;
}

/** @throws if a guest ends, or is silent for long */
export async function playOvercommit(snapshot: Uint8Array, scene: Scene): Promise<Outcome> {
  const { guests: count, limit, sharing, reclaim, swap, engine, rounds, files, onTurn } = scene;
  await using host = await Host.create({ pools: { crowd: { limit, sharing } }, reclaim, swap });
  const sums = new Set<string>();
  let paused = 0;
  const guests: Guest[] = [];
  for (let index = 0; index < count; index++) {
    const guest = await host.restore(snapshot, { name: `vm${index + 1}`, pool: 'crowd', clock: 'host', engine });
    guest.on('memory', () => {
      paused++;
      // Its owner tries again, and later.
      setTimeout(() => guest.state === 'paused' && void guest.run(), 100);
    });
    guests.push(guest);
  }
  const ended = guests.map(async (guest) => {
    const exit = await guest.run();
    if (exit.reason !== 'stopped') throw new Error(`${guest.name}: ${JSON.stringify(exit)}`);
  });
  const all = Promise.all(ended);
  const turns = async (): Promise<void> => {
    for (let round = 0; round < rounds; round++)
      for (const guest of guests) {
        guest.serial.write(`load ${files}\n`);
        const { before } = await guest.serial.waitFor('load: done', PATIENCE);
        sums.add(SUM.exec(before)?.[0] ?? before);
        onTurn?.(guest, host.memoryStatistics);
      }
  };
  await Promise.race([turns(), all]);
  const statistics = host.memoryStatistics;
  for (const guest of guests) guest.dispose();
  await all;
  return { statistics, sums, paused };
}
