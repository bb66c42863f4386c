/** What a host is created with. */
import {
  checkFunction,
  checkNumber,
  checkOptions,
  checkString,
  checkWholeNumber,
  shown,
} from '../../base/argument-check.ts';
import { UserError } from '../../base/errors.ts';
import type { ListenerErrorSource } from '../guest-events.ts';
import type { ImageOpener } from '../media/image-opener.ts';
import type { Platform } from '../platform.ts';
import type { SwapFiles } from '../shares/swap-files.ts';
import type { SnapshotFiles } from '../snapshot/snapshot-files.ts';
import {
  type CheckedPool,
  type CheckedReclaim,
  checkPools,
  checkReclaim,
  type PoolOptions,
  type ReclaimOptions,
} from './pool-options.ts';

export interface HostOptions {
  readonly platform: Platform;
  /**
   * Wall-clock length of a slice that is aimed at, in ms, from 0.1 to 1000. Default 2; in threads 5, unless a guest is
   * interactive.
   */
  readonly sliceMilliseconds?: number | undefined;
  /**
   * Memory that the guests may hold together, in MiB, from 1 on. Beyond it a guest that needs more waits until some was got
   * (`reclaim`), or is paused, with an event `memory`, unless it holds less than its share by weight. Default: no limit.
   */
  readonly memoryLimit?: number | undefined;
  /** By name: `pool` of the guests' options. A name that is not here is a pool without a limit. */
  readonly pools?: Readonly<Record<string, PoolOptions>> | undefined;
  /** What is done before a guest is paused for want of memory. Default: all that can be. */
  readonly reclaim?: ReclaimOptions | undefined;
  /**
   * Where a guest that needs more than it may hold has what it has not used lately moved, deflated, before it is paused:
   * a file that must not exist, or memory, without a path; and how much that may be, in MiB, from 1 on. Default: nowhere.
   */
  readonly swap?: SwapOptions | undefined;
  /**
   * Guests that may run at once, each in a thread of its own, from 0 to 256. Default 0: all run in the caller's thread, by
   * turns.
   */
  readonly threads?: number | undefined;
  /**
   * A listener's bug is its owner's: what it throws (or its promise is rejected with) comes here and goes no further.
   * Default: a line with the stack on `console.error`.
   */
  readonly onListenerError?: ((error: unknown, source: ListenerErrorSource) => void) | undefined;
  /** Opens what is put into drives. Default: no guest has any. */
  readonly openImage?: ImageOpener | undefined;
  /** Keeps snapshots. Default: none can be taken or restored. */
  readonly snapshots?: SnapshotFiles | undefined;
  /** Needed for `swap`. */
  readonly swapFiles?: SwapFiles | undefined;
}

export interface SwapOptions {
  readonly path?: string | undefined;
  readonly limit: number;
}

export interface CheckedHostOptions extends Omit<HostOptions, 'pools' | 'reclaim'> {
  readonly pools: ReadonlyMap<string, CheckedPool>;
  readonly reclaim: CheckedReclaim;
}

const SLICE = { least: 0.1, most: 1000, unit: 'ms' };
const MEMORY = { least: 1, most: 2 ** 32, unit: 'MiB' };
const THREADS = { least: 0, most: 256 };
const NAMES = [
  ...(['platform', 'sliceMilliseconds', 'memoryLimit', 'threads', 'pools', 'reclaim', 'swap'] as const),
  ...(['onListenerError', 'openImage', 'snapshots', 'swapFiles'] as const),
];
const PLATFORM_NEEDS = ['now', 'yield', 'delay'] as const;
const PLATFORM_MAY_HAVE = ['compile', 'compileRegions', 'startWorker'] as const;

/** @throws UserError that names the option */
export function checkHostOptions(options: unknown): CheckedHostOptions {
  const given = checkOptions('host options', options, NAMES);
  const { platform, sliceMilliseconds, memoryLimit, threads, swap, onListenerError } = given;
  const { openImage, snapshots, swapFiles } = given;
  return {
    platform: checkPlatform(platform),
    sliceMilliseconds:
      sliceMilliseconds === undefined ? undefined : checkNumber('sliceMilliseconds', sliceMilliseconds, SLICE),
    memoryLimit: memoryLimit === undefined ? undefined : checkWholeNumber('memoryLimit', memoryLimit, MEMORY),
    swap: swap === undefined ? undefined : checkSwap(swap),
    threads: threads === undefined ? undefined : checkWholeNumber('threads', threads, THREADS),
    onListenerError: onListenerError === undefined ? undefined : checkFunction('onListenerError', onListenerError),
    pools: checkPools(given.pools),
    reclaim: checkReclaim(given.reclaim),
    openImage: openImage === undefined ? undefined : checkFunction('openImage', openImage),
    snapshots: snapshots as SnapshotFiles | undefined,
    swapFiles: swapFiles as SwapFiles | undefined,
  };
}

function checkSwap(value: unknown): SwapOptions {
  const { path, limit } = checkOptions('swap', value, ['path', 'limit']);
  if (path !== undefined && checkString('swap: path', path) === '')
    throw new UserError('swap: path is empty: leave it out, and memory is used');
  return { path: path as string | undefined, limit: checkWholeNumber('swap: limit', limit, MEMORY) };
}

function checkPlatform(value: unknown): Platform {
  if (typeof value !== 'object' || value === null)
    throw new UserError(`platform must be an object, not ${shown(value)}`);
  const platform = value as Platform;
  for (const name of PLATFORM_NEEDS) checkFunction(`platform.${name}`, platform[name]);
  for (const name of PLATFORM_MAY_HAVE)
    if (platform[name] !== undefined) checkFunction(`platform.${name}`, platform[name]);
  const { fastTailCalls } = platform;
  if (fastTailCalls !== undefined && typeof fastTailCalls !== 'boolean')
    throw new UserError(`platform.fastTailCalls must be true or false, not ${shown(fastTailCalls)}`);
  return platform;
}

/** Never throws. */
export function reportListenerError(
  handler: HostOptions['onListenerError'],
  error: unknown,
  source: ListenerErrorSource,
): void {
  try {
    if (handler) return handler(error, source);
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    console.error(`vetro: a listener of ${source.guest} (${source.event}) threw: ${text}`);
  } catch {
    // The handler's own bug, or an error that can't be shown: there is nobody left to tell.
  }
}
