/**
 * The hypervisor: several guests, taking turns in one thread, or each in a thread of its own and some at once. Guests run in
 * slices of a few milliseconds, chosen by a stride scheduler; between slices the world has its turn. One guest's end is
 * never another's.
 *
 * Shares are processor time: each slice is charged with what it took by the platform's clock, resets, device work and
 * listeners included, so that a dear guest pays for itself. Which guest runs when shows in no guest's state.
 */
import { PAGE_SIZE } from '../base/address.ts';
import { checkString } from '../base/argument-check.ts';
import { StateError, UserError } from '../base/errors.ts';
import type { Machine } from '../machine/machine.ts';
import { createSharedCode, type Pc, type SharedCode } from '../machine/pc.ts';
import { SharedPool } from '../machine/shared-pool.ts';
import { clonePc, createPc, type PcGuest } from './create-guest.ts';
import { Guest, type GuestKeeper, type Slice } from './guest.ts';
import { GuestMedia, hasDrives } from './media/guest-media.ts';
import type { ImageOpener } from './media/image-opener.ts';
import { withUndo } from './media/with-undo.ts';
import { type ByteDuplex, lockDuplex } from './migration/byte-duplex.ts';
import { MessageChannelEnd } from './migration/message-channel.ts';
import { checkReceiveOptions, type ReceiveOptions } from './migration/migration-options.ts';
import { MESSAGE } from './migration/protocol.ts';
import { receiveGuest } from './migration/receive-guest.ts';
import { sendGuest } from './migration/send-guest.ts';
import { type CheckedGuestOptions, checkGuestOptions, checkName } from './options/check-guest-options.ts';
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
import { GuestSnapshots, type StartCheckpoints } from './snapshot/guest-snapshots.ts';
import { type Recovering, recoverGuests } from './snapshot/recover.ts';
import { mediaOf, restorePc } from './snapshot/restore-guest.ts';
import { besidesMachine } from './snapshot/save-guest.ts';
import { clear, disposedMeanwhile } from './snapshot/snapshot.ts';
import {
  type CheckedRestoreOptions,
  checkRecoverOptions,
  checkRestoreOptions,
  checkSnapshotSource,
  type Recovered,
  type RecoverOptions,
  type RestoreOptions,
  type Snapshot,
} from './snapshot/snapshot-options.ts';
import type { SnapshotPages } from './snapshot/snapshot-pages.ts';
import { assertFitsThreads, createThreads } from './threads/create-threads.ts';
import type { GuestThreads } from './threads/guest-threads.ts';
import type { SavedGuest } from './threads/messages.ts';
import { RemoteMachine } from './threads/remote-machine.ts';

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
/** Length of a slice that is aimed at, in ms: where the world waits for it; and where only other guests do. */
const AIM = { HERE: 2, IN_THREAD: 5 } as const;
const NS_PER_MS = 1_000_000;

export class Host {
  readonly #platform: Platform;
  /** What a slice aims at, in ms, as far as somebody is in a hurry. */
  readonly #sliceMilliseconds: number;
  readonly #memory: HostMemory<Guest>;
  /** By name. */
  readonly #pools = new Map<string, SharedPool>();
  /** The same where nobody is. */
  readonly #longSlice: number;
  readonly #onListenerError: HostOptions['onListenerError'];
  readonly #openImage: ImageOpener | undefined;
  readonly #swap: SwapStore | undefined;
  readonly #snapshots: GuestSnapshots;
  /** Images of guests that are disposed: they may still be locked. */
  readonly #closing = new Set<Promise<void>>();
  readonly #residents = new Map<Guest, Resident>();
  readonly #scheduler = new StrideScheduler<Guest>();
  /** Undefined: all run in this thread. */
  readonly #threads: GuestThreads | undefined;
  /** Those in threads that get no slice, since they are about to be saved. */
  readonly #standing = new Set<Guest>();
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
    this.#snapshots = new GuestSnapshots(platform, snapshots);
    this.#platform = platform;
    this.#sliceMilliseconds = sliceMilliseconds ?? AIM.HERE;
    this.#longSlice = sliceMilliseconds ?? (checked.threads ? AIM.IN_THREAD : AIM.HERE);
    this.#threads = createThreads(checked);
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
    if (this.#threads) return (await this.#createInThread(checked, this.#threads)) as Guest as PcGuest;
    const undo = checked.checkpoint && { backTo: undefined };
    const media = hasDrives(checked.media) ? await this.#openMedia(withUndo(checked.media, undo)) : undefined;
    let guest: PcGuest;
    const name = checked.name ?? `guest ${++this.#created}`;
    const number = this.#created;
    let start: StartCheckpoints | undefined;
    try {
      if (checked.checkpoint) start = await this.#snapshots.checkpointing(checked.checkpoint, { name, media });
      if (this.#disposed) throw new StateError('the host was disposed while it created a guest');
      const machine = createPc(name, checked, { code: this.#sharedCode(), media, pool: this.#pool(checked.pool) });
      const settings = { ...checked, name, media };
      guest = this.adopt(machine, settings);
      start?.begin(guest, settings);
    } catch (error) {
      if (checked.name === undefined && this.#created === number) this.#created--;
      start?.cancel();
      await media?.abandon();
      throw error;
    }
    await undefined;
    if (guest.state === 'disposed') throw new StateError(`${guest.name} was disposed while it was being created`);
    return guest;
  }

  async #createInThread(checked: CheckedGuestOptions, threads: GuestThreads): Promise<Guest> {
    assertFitsThreads(checked);
    // Others may be created meanwhile.
    const name = checked.name ?? `guest ${++this.#created}`;
    // Their images may still be locked.
    await Promise.all(this.#closing);
    const machine = await threads.create(name, checked);
    return this.#takeIn(machine, { ...checked, name, media: undefined });
  }

  /** @throws UserError where guests are in threads */
  #assertNoThreads(what: string): void {
    if (this.#threads) throw new UserError(`${what}: this is not done with threads yet: create a host without`);
  }

  /** The same, of one that took a while to be made. @throws StateError if the host was disposed meanwhile */
  #takeIn(machine: Machine, settings: GuestSettings): Guest {
    if (!this.#disposed) return this.adopt(machine, settings);
    machine.dispose();
    throw new StateError('the host was disposed while it created a guest');
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
    if (this.#threads) return (await this.#restoreInThread(source, checked, this.#threads)) as Guest as PcGuest;
    return await this.#restore(source, checked);
  }

  /**
   * Goes on with the guests whose checkpoints are in a store (`GuestOptions.checkpoint`), ready to `run()`, and with taking
   * them: of each the latest checkpoint that is whole.
   * @throws UserError if there is none; StateError as `restore` does
   */
  async recover(folder: string, options?: RecoverOptions): Promise<Recovered<PcGuest>> {
    if (this.#disposed) throw new StateError('the host is disposed');
    const checked = checkRecoverOptions(options);
    this.#assertNoThreads('recover');
    return await recoverGuests(checkString('recover: folder', folder), {
      files: this.#snapshots.files,
      restore: (path, checkpoint, recovering) => this.#restore(path, { ...checked, checkpoint }, recovering),
    });
  }

  async #restore(source: ImageSource, checked: CheckedRestoreOptions, recovering?: Recovering): Promise<PcGuest> {
    const recovered = recovering?.found;
    const read = await this.#snapshots.read(source);
    let media: GuestMedia | undefined;
    let start: StartCheckpoints | undefined;
    try {
      const { file, head } = read;
      const name = checked.name ?? checkName(head.guest.name);
      const undo = checked.checkpoint && { backTo: recovered && read.stored?.read.manifest.checkpoint?.epoch };
      if (undo?.backTo !== undefined) await file.verify();
      recovering?.onWhole();
      const wanted = withUndo(mediaOf(head, file, checked), undo);
      media = hasDrives(wanted) ? await this.#openMedia(wanted) : undefined;
      media?.restoreChanges(head.media);
      if (checked.checkpoint)
        start = await this.#snapshots.checkpointing(checked.checkpoint, { name, media }, recovered);
      const pages = read.pages();
      const pool = this.#pool(checked.pool);
      const parts = { name, head, file, pages, engine: checked.engine, code: this.#sharedCode(), media, pool };
      const machine = await restorePc(parts);
      const { guest, settings } = this.#adoptRestored(machine, head, { ...checked, name, media });
      if (pages) this.#fetchPages(guest, pages);
      this.#snapshots.restored(guest, read);
      start?.begin(guest, settings);
      return guest;
    } catch (error) {
      start?.cancel();
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

  /**
   * A guest that `migrate` sends through the other end of the stream, ready to `run()` from there on. It is the only one.
   * @throws UserError for a stream that fails or is none, and for a guest that cannot be had here; StateError once the host
   *   is disposed, also meanwhile; the signal's reason. Then nothing is left of it, and the guest goes on where it was
   */
  async receive(stream: ByteDuplex, options?: ReceiveOptions): Promise<PcGuest> {
    if (this.#disposed) throw new StateError('the host is disposed');
    const checked = checkReceiveOptions(options);
    this.#assertNoThreads('receive');
    const { restore } = checked;
    const platform = this.#platform;
    const channel = new MessageChannelEnd(lockDuplex('receive: stream', stream));
    const assertAlive = (): void => {
      if (this.#disposed) throw new StateError('the host was disposed while it received a guest');
    };
    try {
      const received = await receiveGuest(channel, {
        options: checked,
        ...{ code: this.#sharedCode(), codec: this.#snapshots.files.codec },
        pool: () => this.#pool(restore.pool),
        nameOf: ({ guest }) => restore.name ?? checkName(guest.name),
        openMedia: async (media) => (hasDrives(media) ? await this.#openMedia(media) : undefined),
        rest: async () => {
          await platform.yield();
          assertAlive();
        },
        delay: (ms, action) => platform.delay(ms, action),
        assertAlive,
        assertRoom: ({ name, memoryPool }) => {
          if (!this.#memory.hasRoom(memoryPool)) throw new UserError(`there is no memory for ${name} here`);
        },
      });
      const { machine, head, name, media } = received;
      const { guest } = this.#adoptRestored(machine, head, { ...restore, name, media });
      guest.keyboard.waiting = [...guest.keyboard.waiting, ...received.late.strokes];
      guest.serial.write(received.late.serial);
      // Who does not hear it asks his user.
      void channel
        .send(MESSAGE.DONE)
        .then(() => channel.close())
        .catch(() => {});
      return guest;
    } catch (error) {
      const why = clear(error) as Error;
      // Not waited for: the stream may take no more.
      void channel
        .refuse(why.message)
        .catch(() => {})
        .then(() => channel.close());
      throw why;
    }
  }

  async #restoreInThread(source: ImageSource, checked: CheckedRestoreOptions, threads: GuestThreads): Promise<Guest> {
    assertFitsThreads(checked);
    await Promise.all(this.#closing);
    const { machine, saved } = await threads.restore(source, checked);
    return this.#adoptRestored(machine, saved, { ...checked, name: machine.name, media: undefined }).guest;
  }

  /** `saved`: what it was; `settings`: what is asked for. */
  #adoptRestored<M extends Machine>(machine: M, saved: SavedGuest, settings: RestoredSettings) {
    if (this.#disposed) {
      machine.dispose();
      throw new StateError('the host was disposed while it restored a guest');
    }
    const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
    const { name } = settings;
    const all = { ...saved.guest, fuel: saved.guest.fuel ?? undefined, ...given, name };
    const guest = this.adopt(machine, all);
    guest.keyboard.waiting = saved.strokes;
    guest.serial.refill(saved.output.serial);
    guest.debugConsole.refill(saved.output.debugConsole);
    return { guest, settings: all };
  }

  async #snapshotInThread(guest: Guest, machine: RemoteMachine, to: string | undefined): Promise<Snapshot> {
    if (to !== undefined && this.#snapshots.files.store(to))
      throw new UserError('snapshot: to: a guest in a thread is saved into a file, not into a store');
    const { settings } = this.#residents.get(guest)!;
    let taken: Promise<Snapshot>;
    this.#standing.add(guest);
    try {
      await guest.standsStill();
      if (guest.state === 'disposed') throw disposedMeanwhile(guest.name);
      taken = machine.snapshot(besidesMachine(guest, settings), to);
    } finally {
      // Slices that it is given from now on come behind the request.
      this.#standing.delete(guest);
      this.#startLoop();
    }
    return await taken.catch((error: unknown) => {
      throw guest.state === 'disposed' ? disposedMeanwhile(guest.name) : error;
    });
  }

  /** @throws UserError for want of room */
  #clone(guest: Guest, name: string): Guest | Promise<Guest> {
    const { settings, weight, cap } = this.#residents.get(guest)!;
    const limits = { weight, cap: cap.percent, fuel: guest.fuel };
    const adopt = (machine: Machine): Guest => {
      const clone = this.#takeIn(machine, { ...settings, ...limits, name });
      if (guest.balloon) clone.balloon?.takeOver(guest.balloon);
      return clone;
    };
    const { machine } = guest;
    return machine instanceof RemoteMachine
      ? this.#threads!.clone(machine, name).then(adopt)
      : adopt(clonePc(machine as Pc, name));
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
    if (machine instanceof RemoteMachine) machine.onLost = (error) => guest.fail(error);
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
    this.#threads?.dispose();
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
      this.#closesWith(this.#snapshots.stateChanged(guest));
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
      this.#closesWith(this.#snapshots.removed(guest));
      this.#residents.get(guest)?.cancelWakeUp?.();
      this.#residents.delete(guest);
      this.#scheduler.remove(guest);
    },
    memoryNeeded: (guest) => this.#memory.needed(guest),
    closing: (closed) => this.#closesWith(closed),
    snapshot: async (guest, { to }) => {
      const { machine } = guest;
      if (machine instanceof RemoteMachine) return await this.#snapshotInThread(guest, machine, to);
      return await this.#snapshots.take(guest, this.#residents.get(guest)!.settings, to);
    },
    migrate: async (guest, ends, options) => {
      // One that was disposed meanwhile has none; the other side hears of it.
      const settings = this.#residents.get(guest)?.settings ?? { name: guest.name };
      const platform = this.#platform;
      return await sendGuest(guest, {
        ...{ ends, options, settings, codec: this.#snapshots.files.codec },
        ...{ now: () => platform.now(), rest: () => platform.yield() },
        delay: (ms, action) => platform.delay(ms, action),
        throttle: (percent) => this.#limit(guest, (cap) => cap.throttle(percent)),
        listenerFailed: (error) =>
          this.#keeper.listenerFailed(error, { guest: guest.name, event: 'migrate.onProgress' }),
      });
    },
    clone: (guest, name) => this.#clone(guest, name),
    setWeight: (guest, weight) => {
      this.#scheduler.setWeight(guest, weight);
      const resident = this.#residents.get(guest);
      if (resident) resident.weight = weight;
    },
    setCap: (guest, percent) => this.#limit(guest, (cap) => cap.set(percent)),
    timesOf: (guest) => (this.#residents.get(guest)?.times ?? new TimeKeeping()).at(this.#platform.now()),
    delay: (ms, action) => this.#platform.delay(ms, action),
    listenerFailed: (error, source) => reportListenerError(this.#onListenerError, error, source),
  };

  #closesWith(closed: Promise<void> | undefined): void {
    if (closed === undefined) return;
    this.#closing.add(closed);
    void closed.then(() => this.#closing.delete(closed));
  }

  /** Changes what it may have of a core. Nothing happens if it is disposed. */
  #limit(guest: Guest, change: (cap: ProcessorCap) => void): void {
    const resident = this.#residents.get(guest);
    if (!resident) return;
    change(resident.cap);
    resident.owesUntil = 0;
    this.#keeper.update(guest);
  }

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
    this.#startLoop();
  }

  #startLoop(): void {
    if (this.#loopRuns) return;
    this.#loopRuns = true;
    // Not at once: the caller of run() first gets its promise.
    void Promise.resolve().then(() => this.#loop());
  }

  async #loop(): Promise<void> {
    let turnEnds = this.#platform.now() + this.#turn;
    try {
      for (let guest = this.#next(); guest; guest = this.#next()) {
        try {
          this.#giveSlice(guest);
          this.#memory.turn();
        } catch (error) {
          // A bug of ours. Others go on.
          guest.fail(error);
        }
        if (this.#platform.now() >= turnEnds) {
          await this.#platform.yield();
          turnEnds = this.#platform.now() + this.#turn;
        }
      }
    } finally {
      this.#loopRuns = false;
    }
  }

  /** Undefined while nobody may run; when a thread has become free, the loop is started again. */
  #next(): Guest | undefined {
    const threads = this.#threads;
    if (!threads) return this.#scheduler.next();
    return this.#scheduler.next((guest) => {
      const { machine } = guest;
      return !(machine instanceof RemoteMachine) || (threads.isFree(machine) && !this.#standing.has(guest));
    });
  }

  /** How long the world waits, in ms: no longer than a slice takes, where a key may be for somebody who is in a hurry. */
  get #turn(): number {
    return this.#scheduler.hasInteractive ? Math.min(TURN, this.#sliceMilliseconds / 2) : TURN;
  }

  #giveSlice(guest: Guest): void {
    const resident = this.#residents.get(guest)!;
    const { follower, slice: most } = resident;
    const { machine } = guest;
    const start = this.#platform.now();
    const admission = this.#memory.admit(guest);
    if (admission !== 'go') return this.#refuse(guest, resident, { admission, start });
    const { ready, held } = resident.times.at(start);
    const allowed = follower?.begin(machine, start * NS_PER_MS, (ready + held) * NS_PER_MS);
    const aim = this.#scheduler.hasInteractive ? this.#sliceMilliseconds : this.#longSlice;
    const milliseconds = PATIENCE * aim;
    const deadline = start + milliseconds;
    const limits = {
      instructions: Math.min(most, allowed?.instructions ?? most),
      time: allowed?.time,
      overdue: () => this.#platform.now() >= deadline,
      milliseconds,
    };
    const remote = machine instanceof RemoteMachine ? machine : undefined;
    const isOver = guest.runSlice(limits, (slice) => {
      if (remote && this.#threads!.release(remote)) this.#startLoop();
      this.#endSlice(guest, resident, { ...slice, start, most, aim });
    });
    if (!isOver && remote) this.#threads!.occupy(remote);
  }

  #endSlice(guest: Guest, resident: Resident, slice: SliceRecord): void {
    const { start, most, aim, executed, took, disturbed } = slice;
    const end = this.#platform.now();
    const ran = took === undefined ? end - start : Math.min(took, end - start);
    const { times, cap, follower } = resident;
    times.ran(end - ran, end);
    times.waits(guest.runnable ? 'ready' : undefined, end);
    const charged = Math.min(Math.max(ran, CHARGE.LEAST), CHARGE.MOST);
    const owes = cap.charge(charged, end);
    resident.owesUntil = end + owes;
    this.#scheduler.charge(guest, charged);
    if (executed >= most || ran > aim) resident.slice = nextSlice(executed, aim / ran);
    const wall = end * NS_PER_MS;
    const sleeps =
      follower && guest.state === 'running' && this.#follow(guest, resident, { wall, executed, disturbed });
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
  #follow(
    guest: Guest,
    resident: Resident,
    { wall, executed, disturbed }: { wall: number; executed: number; disturbed: boolean },
  ): boolean {
    const { machine } = guest;
    const follower = resident.follower!;
    follower.end(machine, wall, executed);
    if (!machine.halted || !guest.runnable || disturbed) return false;
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

/** All that is not as it was saved. */
type RestoredSettings = Omit<GuestSettings, 'name' | 'clock'> &
  Pick<CheckedRestoreOptions, 'clock'> & { readonly name: string };

/** A slice that is over. */
interface SliceRecord extends Slice {
  /** Host time, in ms. */
  readonly start: number;
  /** Instructions that it might have had. */
  readonly most: number;
  /** Length that was aimed at, in ms. */
  readonly aim: number;
}

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
