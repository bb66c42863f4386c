/**
 * The hypervisor: several guests in one thread, taking turns. Guests run in slices of a few milliseconds, chosen by a
 * stride scheduler; between slices the world has its turn. One guest's end is never another's.
 *
 * Shares are processor time: each slice is charged with what it took by the platform's clock, resets, device work and
 * listeners included, so that a dear guest pays for itself. Which guest runs when shows in no guest's state.
 */
import { PAGE_SIZE } from '../base/address.ts';
import { StateError, UserError } from '../base/errors.ts';
import type { Machine } from '../machine/machine.ts';
import { createSharedCode, type Pc, type SharedCode } from '../machine/pc.ts';
import { SharedPool } from '../machine/shared-pool.ts';
import { clonePc, createPc, type PcGuest } from './create-guest.ts';
import { Guest, type GuestKeeper } from './guest.ts';
import { GuestMedia } from './media/guest-media.ts';
import type { ImageOpener } from './media/image-opener.ts';
import { checkGuestOptions, checkName } from './options/check-guest-options.ts';
import type { CheckedMedia } from './options/check-media-options.ts';
import type { GuestOptions, GuestSettings } from './options/guest-options.ts';
import { checkHostOptions, type HostOptions, reportListenerError, type SwapOptions } from './options/host-options.ts';
import type { ImageSource } from './options/media-options.ts';
import type { Platform } from './platform.ts';
import { type Admission, HostMemory } from './shares/host-memory.ts';
import type { MemoryStatistics } from './shares/memory-statistics.ts';
import { ProcessorCap } from './shares/processor-cap.ts';
import { TimeKeeping } from './shares/processor-times.ts';
import { ResetLimiter } from './shares/reset-limiter.ts';
import { StrideScheduler } from './shares/stride-scheduler.ts';
import type { SwapFiles } from './shares/swap-files.ts';
import { SwapStore } from './shares/swap-store.ts';
import { WallClockFollower } from './shares/wall-clock-follower.ts';
import { fetchPages } from './snapshot/fetch-pages.ts';
import { mediaOf, restorePc } from './snapshot/restore-guest.ts';
import { clear, readSnapshot, takeSnapshot } from './snapshot/snapshot.ts';
import type { SnapshotFiles } from './snapshot/snapshot-files.ts';
import {
  checkRestoreOptions,
  checkSnapshotSource,
  type RestoreOptions,
  type Snapshot,
} from './snapshot/snapshot-options.ts';
import type { SnapshotPages } from './snapshot/snapshot-pages.ts';

/** Instructions a slice has at first and at the least and most: also slow engines come back in time. */
const SLICE = { FIRST: 10_000, LEAST: 1_000, MOST: 10_000_000 } as const;
/** A slice that takes so many times what is aimed at is cut short. */
const PATIENCE = 1.5;
/**
 * What a slice is charged with, in ms: at the least, so that a guest that only halts still loses its turn; at the most,
 * since what took longer was not the guest's doing (a stopped process, a machine that slept): it must not wait it off.
 */
const CHARGE = { LEAST: 0.001, MOST: 100 } as const;
/** The world waits this long at most, in ms. */
const TURN = 5;
const NS_PER_MS = 1_000_000;

export class Host {
  readonly #platform: Platform;
  readonly #sliceMilliseconds: number;
  readonly #memory: HostMemory<Guest>;
  /** By name. */
  readonly #pools = new Map<string, SharedPool>();
  readonly #onListenerError: HostOptions['onListenerError'];
  readonly #openImage: ImageOpener | undefined;
  readonly #snapshots: SnapshotFiles | undefined;
  readonly #swap: SwapStore | undefined;
  /** Images of guests that are disposed: they may still be locked. */
  readonly #closing = new Set<Promise<void>>();
  readonly #residents = new Map<Guest, Resident>();
  readonly #scheduler = new StrideScheduler<Guest>();
  #loopRuns = false;
  /** Guests named so far. */
  #created = 0;
  #disposed = false;
  /** All guests run the same compiled code, each on its own memory. Made for the first one. */
  #code: SharedCode | undefined;

  /** @throws UserError that names the option; also where there can be no swap file */
  constructor(options: HostOptions) {
    const checked = checkHostOptions(options);
    const { platform, sliceMilliseconds, memoryLimit, onListenerError, openImage, snapshots } = checked;
    this.#snapshots = snapshots;
    this.#platform = platform;
    this.#sliceMilliseconds = sliceMilliseconds ?? 2;
    this.#swap = checked.swap && createSwap(checked.swap, checked.swapFiles);
    this.#memory = new HostMemory({
      limit: (memoryLimit ?? Number.POSITIVE_INFINITY) * 2 ** 20,
      ...{ pools: checked.pools, reclaim: checked.reclaim, swap: this.#swap, now: () => platform.now() },
      holders: () =>
        [...this.#residents].map(([guest, { weight, settings, times }]) => {
          return { guest, weight, reserved: (settings.reservation ?? 0) * 2 ** 20, run: times.run };
        }),
    });
    this.#onListenerError = onListenerError;
    this.#openImage = openImage;
  }

  /** The guests that are not disposed, oldest first. */
  get guests(): readonly Guest[] {
    return [...this.#residents.keys()];
  }

  /**
   * Everything is checked before anything is made: a call that fails leaves nothing.
   * @throws UserError for options that cannot be met; StateError once the host is disposed, also meanwhile
   */
  async createGuest(options: GuestOptions): Promise<PcGuest> {
    if (this.#disposed) throw new StateError('the host is disposed');
    const checked = checkGuestOptions(options);
    const media = hasDrives(checked.media) ? await this.#openMedia(checked.media) : undefined;
    let guest: PcGuest;
    try {
      if (this.#disposed) throw new StateError('the host was disposed while it created a guest');
      const name = checked.name ?? `guest ${this.#created + 1}`;
      const machine = createPc(name, checked, { code: this.#sharedCode(), media, pool: this.#pool(checked.pool) });
      if (checked.name === undefined) this.#created++;
      guest = this.adopt(machine, { ...checked, name, media });
    } catch (error) {
      await media?.abandon();
      throw error;
    }
    await undefined;
    if (guest.state === 'disposed') throw new StateError(`${guest.name} was disposed while it was being created`);
    return guest;
  }

  /**
   * A guest that was saved, ready to `run()` from there on.
   * @throws UserError for a snapshot that cannot be restored, and then nothing is left of it; StateError once the host is
   *   disposed, also meanwhile
   */
  async restore(snapshot: ImageSource | Snapshot, options?: RestoreOptions): Promise<PcGuest> {
    if (this.#disposed) throw new StateError('the host is disposed');
    const checked = checkRestoreOptions(options);
    const source = checkSnapshotSource(snapshot);
    const read = await readSnapshot(source, this.#snapshotFiles(), () => this.#platform.yield());
    let media: GuestMedia | undefined;
    try {
      const { file, head } = read;
      const name = checked.name ?? checkName(head.guest.name);
      const wanted = mediaOf(head, file, checked);
      media = hasDrives(wanted) ? await this.#openMedia(wanted) : undefined;
      media?.restoreChanges(head.media);
      const pages = read.pages();
      const pool = this.#pool(checked.pool);
      const parts = { name, head, file, pages, engine: checked.engine, code: this.#sharedCode(), media, pool };
      const machine = await restorePc(parts);
      if (this.#disposed) {
        machine.dispose();
        throw new StateError('the host was disposed while it restored a guest');
      }
      const given = Object.fromEntries(Object.entries(checked).filter(([, value]) => value !== undefined));
      const guest = this.adopt(machine, { ...head.guest, fuel: head.guest.fuel ?? undefined, ...given, name, media });
      guest.keyboard.waiting = head.strokes;
      guest.serial.refill(head.output.serial);
      guest.debugConsole.refill(head.output.debugConsole);
      if (pages) this.#fetchPages(guest, pages);
      return guest;
    } catch (error) {
      await media?.abandon();
      throw clear(error);
    } finally {
      await read.close();
    }
  }

  #fetchPages(guest: PcGuest, pages: SnapshotPages): void {
    void fetchPages(guest, pages, {
      rest: () => this.#platform.yield(),
      mayHold: (count) => this.#memory.mayGrow(guest, count * PAGE_SIZE),
    });
  }

  #snapshotFiles(): SnapshotFiles {
    if (this.#snapshots === undefined) throw new UserError('this host keeps no snapshots');
    return this.#snapshots;
  }

  /** @throws UserError for want of room */
  #clone(guest: Guest, name: string): Guest {
    const { settings, weight, cap } = this.#residents.get(guest)!;
    const limits = { weight, cap: cap.percent, fuel: guest.fuel };
    const clone = this.adopt(clonePc(guest.machine as Pc, name), { ...settings, ...limits, name });
    if (guest.balloon) clone.balloon?.takeOver(guest.balloon);
    return clone;
  }

  async #openMedia(checked: CheckedMedia): Promise<GuestMedia> {
    if (this.#openImage === undefined) throw new UserError('this host opens no images');
    await Promise.all(this.#closing);
    return await GuestMedia.open(checked, this.#openImage);
  }

  /** The pool of a name, made when its first guest comes, again after its last one has gone. */
  #pool(name: string | undefined): SharedPool | undefined {
    if (name === undefined) return undefined;
    const known = this.#pools.get(name);
    if (known && !known.disposed) return known;
    const pool = new SharedPool(this.#sharedCode());
    this.#pools.set(name, pool);
    this.#memory.name(pool, name);
    return pool;
  }

  #sharedCode(): SharedCode {
    const platform = this.#platform;
    this.#code ??= createSharedCode({
      compileLoop: platform.compile && ((bytes) => platform.compile!(bytes) as WebAssembly.Module),
      chainRegions: platform.fastTailCalls,
      compileRegions: platform.compileRegions && ((bytes) => platform.compileRegions!(bytes) as WebAssembly.Module),
    });
    return this.#code;
  }

  /** Takes a machine in as a guest, ready to `run()`. */
  adopt<M extends Machine>(machine: M, settings: GuestSettings): Guest<M> {
    const guest = new Guest(machine, settings, this.#keeper);
    this.#scheduler.add(guest, settings.weight ?? 1, { interactive: settings.latency === 'interactive' });
    this.#residents.set(guest, {
      settings,
      weight: settings.weight ?? 1,
      slice: SLICE.FIRST,
      follower: guest.clock === 'host' ? new WallClockFollower(this.#sliceMilliseconds * NS_PER_MS) : undefined,
      cancelWakeUp: undefined,
      times: new TimeKeeping(),
      cap: new ProcessorCap(settings.cap),
      resets: new ResetLimiter(),
      heldUntil: 0,
      owesUntil: 0,
      heldBefore: false,
    });
    return guest;
  }

  /** How its memory is used, and what was done to have enough of it. */
  get memoryStatistics(): MemoryStatistics {
    return this.#memory.statistics;
  }

  dispose(): void {
    this.#disposed = true;
    for (const guest of this.guests) guest.dispose();
    this.#swap?.close();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
    await Promise.all(this.#closing);
  }

  readonly #keeper: GuestKeeper = {
    update: (guest) => {
      const resident = this.#residents.get(guest);
      if (!resident) return;
      resident.cancelWakeUp?.();
      resident.cancelWakeUp = undefined;
      if (guest.state !== 'running') resident.follower?.forget();
      if (guest.runnable) return this.#admit(guest, resident);
      this.#scheduler.sleep(guest);
      resident.times.waits(undefined, this.#platform.now());
    },
    resetItself: (guest) => {
      const resident = this.#residents.get(guest);
      const now = this.#platform.now();
      const wait = resident?.resets.count(now) ?? 0;
      if (!resident || wait === 0) return;
      resident.heldUntil = Math.max(resident.heldUntil, now + wait);
      this.#admit(guest, resident);
      if (!resident.heldBefore)
        guest.warn(`${guest.name} resets more than 100 times a second: it has to wait in between`);
      resident.heldBefore = true;
    },
    remove: (guest) => {
      this.#residents.get(guest)?.cancelWakeUp?.();
      this.#residents.delete(guest);
      this.#scheduler.remove(guest);
    },
    memoryNeeded: (guest) => this.#memory.needed(guest),
    closing: (closed) => {
      this.#closing.add(closed);
      void closed.then(() => this.#closing.delete(closed));
    },
    snapshot: async (guest, { to }) => {
      const { settings } = this.#residents.get(guest)!;
      const platform = this.#platform;
      const [now, rest] = [() => platform.now(), () => platform.yield()];
      return await takeSnapshot(guest, { files: this.#snapshotFiles(), settings, to, now, rest });
    },
    clone: (guest, name) => this.#clone(guest, name),
    setWeight: (guest, weight) => {
      this.#scheduler.setWeight(guest, weight);
      const resident = this.#residents.get(guest);
      if (resident) resident.weight = weight;
    },
    setCap: (guest, percent) => {
      const resident = this.#residents.get(guest)!;
      resident.cap.set(percent);
      resident.owesUntil = 0;
      this.#keeper.update(guest);
    },
    timesOf: (guest) => (this.#residents.get(guest)?.times ?? new TimeKeeping()).at(this.#platform.now()),
    delay: (ms, action) => this.#platform.delay(ms, action),
    listenerFailed: (error, source) => reportListenerError(this.#onListenerError, error, source),
  };

  /** Lets a runnable guest run, but for one that is held back. */
  #admit(guest: Guest, resident: Resident): void {
    const now = this.#platform.now();
    const wait = Math.max(resident.heldUntil, resident.owesUntil) - now;
    resident.times.waits(wait <= 0 ? 'ready' : 'held', now);
    if (wait <= 0) return this.#wake(guest);
    this.#sleepFor(guest, resident, wait);
  }

  #wake(guest: Guest): void {
    this.#scheduler.wake(guest);
    if (!this.#loopRuns) {
      this.#loopRuns = true;
      // Not at once: the caller of run() first gets its promise.
      void Promise.resolve().then(() => this.#loop());
    }
  }

  async #loop(): Promise<void> {
    let turnEnds = this.#platform.now() + this.#turn;
    for (let guest = this.#scheduler.next(); guest; guest = this.#scheduler.next()) {
      try {
        this.#giveSlice(guest);
      } catch (error) {
        // A bug of ours. Others go on.
        guest.fail(error);
      }
      this.#memory.turn();
      if (this.#platform.now() >= turnEnds) {
        await this.#platform.yield();
        turnEnds = this.#platform.now() + this.#turn;
      }
    }
    this.#loopRuns = false;
  }

  /** How long the world waits, in ms: no longer than a slice takes, where a key may be for somebody who is in a hurry. */
  get #turn(): number {
    return this.#scheduler.hasInteractive ? Math.min(TURN, this.#sliceMilliseconds / 2) : TURN;
  }

  #giveSlice(guest: Guest): void {
    const resident = this.#residents.get(guest)!;
    const { follower, slice } = resident;
    const start = this.#platform.now();
    const admission = this.#memory.admit(guest);
    if (admission !== 'go') return this.#refuse(guest, resident, { admission, start });
    const allowed = follower?.begin(guest.machine, start * NS_PER_MS);
    const deadline = start + PATIENCE * this.#sliceMilliseconds;
    const executed = guest.runSlice({
      instructions: Math.min(slice, allowed?.instructions ?? slice),
      time: allowed?.time,
      overdue: () => this.#platform.now() >= deadline,
    });
    const end = this.#platform.now();
    const took = end - start;
    const { times, cap } = resident;
    times.ran(start, end);
    times.waits(guest.runnable ? 'ready' : undefined, end);
    const charged = Math.min(Math.max(took, CHARGE.LEAST), CHARGE.MOST);
    const owes = cap.charge(charged, end);
    resident.owesUntil = end + owes;
    this.#scheduler.charge(guest, charged);
    if (executed >= slice || took > this.#sliceMilliseconds)
      resident.slice = nextSlice(executed, this.#sliceMilliseconds / took);
    const sleeps = follower && guest.state === 'running' && this.#follow(guest, resident, end * NS_PER_MS, executed);
    if (owes > 0 && !sleeps && guest.runnable) this.#admit(guest, resident);
  }

  /** There is no memory for a slice: it waits, or is paused. What was done meanwhile to get some was done for it. */
  #refuse(guest: Guest, resident: Resident, { admission, start }: { admission: Refusal; start: number }): void {
    const now = this.#platform.now();
    this.#scheduler.charge(guest, Math.min(Math.max(now - start, CHARGE.LEAST), CHARGE.MOST));
    if (admission === 'out') return guest.outOfMemory();
    resident.heldUntil = Math.max(resident.heldUntil, now + admission);
    this.#admit(guest, resident);
  }

  /** Clock `host`, after a slice: corrects guest time; a halted guest sleeps until its next alarm. @returns whether it does */
  #follow(guest: Guest, resident: Resident, wall: number, executed: number): boolean {
    const { machine } = guest;
    const follower = resident.follower!;
    follower.end(machine, wall, executed);
    if (!machine.halted || !guest.runnable) return false;
    const pause = follower.pause(machine, wall);
    if (pause <= 0) return false;
    resident.times.waits(undefined, wall / NS_PER_MS);
    this.#sleepFor(guest, resident, pause);
    return true;
  }

  #sleepFor(guest: Guest, resident: Resident, milliseconds: number): void {
    this.#scheduler.sleep(guest);
    resident.cancelWakeUp?.();
    const wakeUp = () => {
      resident.cancelWakeUp = undefined;
      if (guest.runnable) this.#admit(guest, resident);
    };
    resident.cancelWakeUp = Number.isFinite(milliseconds)
      ? this.#platform.delay(Math.max(milliseconds, 0), wakeUp)
      : undefined;
  }
}

/** @throws UserError */
function createSwap({ path, limit }: SwapOptions, files: SwapFiles | undefined): SwapStore {
  if (files === undefined) throw new UserError('swap: this host has nowhere to swap to');
  return new SwapStore(files.open(path), files.codec, limit * 2 ** 20);
}

const hasDrives = ({ disks, cdrom, floppies }: CheckedMedia): boolean =>
  disks.length + floppies.length > 0 || cdrom !== undefined;

type Refusal = Exclude<Admission, 'go'>;

/** What the host keeps for a guest. */
interface Resident {
  /** As it was taken in. */
  readonly settings: GuestSettings;
  weight: number;
  /** Instructions of its next slice: follows how fast it was. */
  slice: number;
  /** Clock `host`. */
  readonly follower: WallClockFollower | undefined;
  cancelWakeUp: (() => void) | undefined;
  readonly times: TimeKeeping;
  readonly cap: ProcessorCap;
  readonly resets: ResetLimiter;
  /** Host time, in ms, before which it gets no slice: it has used what its cap allows. */
  owesUntil: number;
  /** The same: it resets too often. */
  heldUntil: number;
  /** It was held back before, and whoever listens was told. */
  heldBefore: boolean;
}

/**
 * Instructions of the next slice, after one of `executed` that took 1/`ratio` of the time aimed at. A slice grows at most
 * to the double; it shrinks at once, since a guest that has become dear would keep the others waiting.
 */
function nextSlice(executed: number, ratio: number): number {
  return Math.round(Math.min(Math.max(executed * Math.min(ratio, 2), SLICE.LEAST), SLICE.MOST));
}
