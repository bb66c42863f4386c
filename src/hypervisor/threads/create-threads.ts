/** Whether guests have threads of their own, and what does not go with that. */
import { UserError } from '../../base/errors.ts';
import type { CheckedGuestOptions } from '../options/check-guest-options.ts';
import type { CheckedHostOptions } from '../options/host-options.ts';
import { GuestThreads } from './guest-threads.ts';

/** @throws UserError for options of a guest that cannot be met in a thread */
export function assertFitsThreads({ pool, checkpoint }: Pick<CheckedGuestOptions, 'pool' | 'checkpoint'>): void {
  if (pool !== undefined) throw new UserError('pool does not go with threads: each guest has a pool of its own there');
  if (checkpoint !== undefined) throw new UserError('checkpoint does not go with threads yet');
}

/** @throws UserError for what does not go together */
export function createThreads({
  threads: count = 0,
  platform,
  swap,
  pools,
}: CheckedHostOptions): GuestThreads | undefined {
  if (count === 0) return undefined;
  if (swap !== undefined) throw new UserError('swap does not go with threads yet: leave one of them out');
  if (pools.size > 0) throw new UserError('pools do not go with threads: each guest has a pool of its own there');
  if (platform.startWorker === undefined) throw new UserError('threads: this platform starts none (startWorker)');
  return new GuestThreads({ count, startWorker: () => platform.startWorker!() });
}
