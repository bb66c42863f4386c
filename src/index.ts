/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Vetro, the library: PCs in software, several in one process.
 *
 * ```ts
 * const host = await Host.create();
 * const guest = await host.createGuest({ boot: { kernel, initrd, commandLine: 'console=ttyS0' }, memory: 512 });
 * guest.serial.on('data', (bytes) => process.stdout.write(bytes));
 * const exit = await guest.run(); // { reason: 'halted' } once it powers off
 * host.dispose();
 * ```
 *
 * No terminal, no global state; nothing happens by itself. Files are those alone that you name as images of disks.
 *
 * Errors: a `UserError` names the argument that cannot be; a `StateError` says that the guest's state does not allow
 * the call (it runs already, has stopped, is disposed); `waitFor` also rejects with a `TimeoutError`, and whatever takes
 * an AbortSignal with the signal's reason. Methods that return a promise reject and never throw. Nothing else comes out,
 * but what your own getters and proxies throw while an argument is read. An error of a listener goes to the host's
 * `onListenerError`. Methods need their object: `const { run } = guest` gives a function that only throws a TypeError.
 */
import type { AbortSignalLike } from './base/abort.ts';
import { checkOptions, shown } from './base/argument-check.ts';
import { UserError } from './base/errors.ts';
import { createImageOpener } from './host/image-opener.ts';
import { messagePortDuplex as createPortDuplex, type MessagePortLike } from './host/message-port-duplex.ts';
import { createPlatform } from './host/platform.ts';
import { createSnapshotFiles } from './host/snapshot-files.ts';
import { createSwapFiles } from './host/swap-files.ts';
import { startWorkerThread } from './host/worker-thread.ts';
import type {
  GuestEvents,
  GuestExit,
  GuestState,
  ListenerErrorSource,
  RunToResult,
} from './hypervisor/guest-events.ts';
import { Host as Hypervisor } from './hypervisor/host.ts';
import type { ByteDuplex } from './hypervisor/migration/byte-duplex.ts';
import type {
  MigrateOptions,
  Migration,
  MigrationProgress,
  ReceiveOptions,
} from './hypervisor/migration/migration-options.ts';
import type {
  BalloonOptions,
  ClockMode,
  CloneOptions,
  GuestOptions,
  RunOptions,
  WaitOptions,
} from './hypervisor/options/guest-options.ts';
import type { CdromOptions, FloppyOptions, ImageSource, UrlLike } from './hypervisor/options/media-options.ts';
import type { PoolOptions, ReclaimOptions } from './hypervisor/options/pool-options.ts';
import type { Platform, WorkerPort } from './hypervisor/platform.ts';
import type {
  GuestMemoryStatistics,
  MemoryStatistics,
  PoolStatistics,
  ReclaimStatistics,
} from './hypervisor/shares/memory-statistics.ts';
import type { ProcessorTimes } from './hypervisor/shares/processor-times.ts';
import type {
  Recovered as AnyRecovered,
  RecoverOptions,
  RestoreOptions,
  Snapshot,
  SnapshotOptions,
} from './hypervisor/snapshot/snapshot-options.ts';
import type { TextMatch } from './hypervisor/streams/text-search.ts';
import type { BalloonFigures, Breakpoints } from './machine/machine.ts';
import type { MachineView, Registers } from './machine/machine-view.ts';

export { InternalError, StateError, TimeoutError, UserError } from './base/errors.ts';
export type { Receipt, ResetCause } from './hypervisor/guest-events.ts';
export type { CheckpointOptions } from './hypervisor/options/checkpoint-options.ts';
export type { BootDrive, BootModule, GuestBoot, LatencyClass } from './hypervisor/options/guest-options.ts';
export type { BlobLike, DiskOptions, ImageFormatName, WriteMode } from './hypervisor/options/media-options.ts';
export type {
  Breakpoint,
  BreakpointHit,
  BreakpointKind,
  BreakpointRequest,
  EngineName,
} from './machine/machine.ts';
export type { SegmentRegister } from './machine/machine-view.ts';
export type {
  AbortSignalLike,
  BalloonFigures,
  BalloonOptions,
  Breakpoints,
  ByteDuplex,
  CdromOptions,
  ClockMode,
  CloneOptions,
  FloppyOptions,
  GuestEvents,
  GuestExit,
  GuestMemoryStatistics,
  GuestOptions,
  GuestState,
  ImageSource,
  ListenerErrorSource,
  MachineView,
  MemoryStatistics,
  MessagePortLike,
  MigrateOptions,
  Migration,
  MigrationProgress,
  Platform,
  PoolOptions,
  PoolStatistics,
  ProcessorTimes,
  ReceiveOptions,
  ReclaimOptions,
  ReclaimStatistics,
  RecoverOptions,
  Registers,
  RestoreOptions,
  RunOptions,
  RunToResult,
  Snapshot,
  SnapshotOptions,
  TextMatch,
  UrlLike,
  WaitOptions,
  WorkerPort,
};

/**
 * A MessagePort, of Node or of a browser, as a stream for `migrate` and `receive`: each end of a channel needs one. The port
 * is its own from then on.
 * @throws UserError for what is no port
 */
export const messagePortDuplex = (port: MessagePortLike): ByteDuplex => createPortDuplex(port);

export interface HostOptions {
  /** Default: that of Node, or of the browser. */
  readonly platform?: Platform | undefined;
  /**
   * Wall-clock length of a slice that is aimed at, in ms, from 0.1 to 1000. Default 2; in threads 5, unless a guest is
   * interactive.
   */
  readonly sliceMilliseconds?: number | undefined;
  /**
   * Memory that the guests may hold together, in MiB, a whole number from 1 on. For a guest that needs more than there is
   * the host does what it can (`reclaim`), and it has no slices meanwhile. If nothing comes of that, and it holds its share
   * by weight already, it is paused with an event `memory`; the others go on. Default: no limit.
   */
  readonly memoryLimit?: number | undefined;
  /**
   * Pools with a limit of their own, or told whether equal pages are looked for, by the name that guests are created with
   * (option `pool`). A name that is not here is a pool without a limit. Default: none.
   */
  readonly pools?: Readonly<Record<string, PoolOptions>> | undefined;
  /**
   * What is done before a guest is paused for want of memory, in this order: `balloon`: other guests with a balloon are
   * asked to give, idle ones first; `sharing`: pages are searched for equal ones; `swap`: what guests have not used lately
   * is swapped out, if there is swap. Default: all.
   */
  readonly reclaim?: ReclaimOptions | undefined;
  /**
   * What a guest has not used lately is moved here, deflated, before it is paused for want of memory, and comes back when
   * it is touched: a file at `path`, which must not exist and is gone with the host; or memory, without a path. `limit`:
   * how much that may be, in MiB, a whole number from 1 on. Default: there is no swap.
   */
  readonly swap?: { readonly path?: string | undefined; readonly limit: number } | undefined;
  /**
   * Guests that may run at once, a whole number from 0 to 256. Each guest then has a thread of its own (but for clones, which
   * stay in the original's), so that they use as many cores; weights, caps and fuel hold over the whole host. A thread that
   * dies takes its guests alone: they exit with reason `error`. Refused in threads: swap, pools, checkpoints, snapshots into a
   * store or of guests that write into files, migration, `step`. Default 0: all guests run in the caller's thread, by turns.
   */
  readonly threads?: number | undefined;
  /**
   * Where the program of threads is: a URL, or in Node a path. Default: `worker.js` beside this file; one whose bundler
   * moves this file has to say where that one is.
   */
  readonly worker?: string | UrlLike | undefined;
  /**
   * What a listener throws (or its promise is rejected with) comes here and goes no further: neither a guest nor the
   * process comes to harm. Default: a line with the stack on `console.error`.
   */
  readonly onListenerError?: ((error: unknown, source: ListenerErrorSource) => void) | undefined;
}

/** What `Host.recover` found: guests, and, a line each, what could not be read and was passed over. */
export type Recovered = AnyRecovered<Guest>;

/** Runs guests. Several hosts in one process know nothing of each other. */
export interface Host {
  /** The guests that are not disposed, oldest first. */
  readonly guests: readonly Guest[];
  /** How its memory is used at this moment, and what was done so far to have enough of it. */
  readonly memoryStatistics: MemoryStatistics;
  /**
   * Creates a PC, ready to `run()`. Rejected, it leaves nothing: no image is open, no file was made.
   * @throws UserError for an option that cannot be met: an unusable kernel, no room in memory, an unknown CPU, an
   *   image that cannot be opened or is in use
   * @throws StateError once the host is disposed
   */
  createGuest(options: GuestOptions): Promise<Guest>;
  /**
   * Makes a guest from a snapshot (a path, `STORE/ID`, a URL, a Blob, bytes, or what `Guest.snapshot` gave), ready to `run()` from
   * where it was saved, as if nothing had happened: on any engine, and whatever host it was taken on. Of a file, memory is
   * read as it is needed and as there is time: until then the file is open, and must stay as it is. Rejected, it leaves
   * nothing.
   * @throws UserError for what is no snapshot, is damaged, has a version that is not known, or needs an image that is not
   *   there or was changed, or that is written into or on a server where neither the options say so nor `trust`;
   *   StateError once the host is disposed
   */
  restore(snapshot: ImageSource | Snapshot, options?: RestoreOptions): Promise<Guest>;
  /**
   * Goes on with guests whose host has died, ready to `run()`: of each whose checkpoints are in this store
   * (`GuestOptions.checkpoint`) the latest one that is whole. Their checkpoints go on, too.
   * @throws UserError if there is none that can be restored; StateError once the host is disposed
   */
  recover(folder: string, options?: RecoverOptions): Promise<Recovered>;
  /**
   * Takes in a guest that `Guest.migrate` sends through the other end of a stream of bytes. Resolves when it has been handed
   * over, and then it is here and nowhere else, ready to `run()` from where it was; whatever goes wrong before leaves nothing
   * of it here, and the other side is told. The stream is neither encrypted nor authenticated: see to that. Who sends it is
   * trusted no more than a snapshot from somebody else: see `restore`, whose options are these, too.
   * @throws UserError for a stream that is none, fails or brings something else, and for a guest that cannot be had here;
   *   StateError once the host is disposed; the signal's reason
   */
  receive(stream: ByteDuplex, options?: ReceiveOptions): Promise<Guest>;
  /** Stops and disposes all guests; there will be no others. Again: nothing happens. For their images see `Guest.dispose`. */
  dispose(): void;
  [Symbol.dispose](): void;
  [Symbol.asyncDispose](): Promise<void>;
}

export const Host = {
  /** @throws UserError that names the option */
  async create(options?: HostOptions): Promise<Host> {
    const { worker, ...given } = checkOptions('host options', options, HOST_OPTIONS);
    const program = worker === undefined ? undefined : checkProgram(worker);
    const startWorker = () => startWorkerThread(program ?? new URL('./worker.js', import.meta.url));
    const platform = given.platform === undefined ? { ...createPlatform(), startWorker } : given.platform;
    const host = { ...(given as HostOptions), platform: platform as Platform };
    const [openImage, snapshots, swapFiles] = [createImageOpener(), createSnapshotFiles(), createSwapFiles()];
    return new Hypervisor({ ...host, openImage, snapshots, swapFiles });
  },
};

const HOST_OPTIONS = [
  'platform',
  'sliceMilliseconds',
  'memoryLimit',
  'threads',
  'worker',
  'pools',
  'reclaim',
  'swap',
  'onListenerError',
] as const satisfies readonly (keyof HostOptions)[];

function checkProgram(value: unknown): string | URL {
  if (typeof value === 'string' && value !== '') return value;
  if (value instanceof URL) return value;
  throw new UserError(`worker must be a URL or a path, not ${shown(value)}`);
}

/**
 * One PC. Everything it does, it does between calls of others: between two `await`s it does not move. One in another thread
 * does not seem to: what it does shows when its slice is over, and what is asked of it meanwhile (a pause, a key) takes
 * effect then.
 */
export interface Guest {
  readonly name: string;
  readonly clock: ClockMode;
  /** created → running ⇄ paused → stopped → disposed. */
  readonly state: GuestState;
  /** Instructions retired since power-on, over all resets. */
  readonly instructions: number;
  /** Host time that it was given so far, in ms: what shares are counted in. */
  readonly processorTime: number;
  /** What became of its time: how long it ran, waited for its turn, and was held back. */
  readonly processorTimes: ProcessorTimes;
  /** Instructions left of its `fuel`; Infinity without. */
  readonly fuelLeft: number;
  /** Why the guest stopped; undefined as long as it could go on. */
  readonly exitReason: GuestExit | undefined;
  /**
   * The first serial port, COM1. It powers on as the chip does, with words of five bits: until the guest programs LCR
   * (3FBh), only the low five bits of each byte pass.
   */
  readonly serial: GuestStream;
  /** What the guest writes to the debug ports E9h and 402h. It takes no input: `write` throws a StateError. */
  readonly debugConsole: GuestStream;
  readonly keyboard: Keyboard;
  /** The CD-ROM drive, if there is one. */
  readonly cdrom: RemovableDrive | undefined;
  /** Floppy drives A and B, as far as there are any. */
  readonly floppies: readonly RemovableDrive[];
  /** Its memory balloon, if it has one (option `balloon`). */
  readonly balloon: Balloon | undefined;
  /**
   * Where it is to stop: paused, with an event `breakpoint`; `run()` goes on. The guest can't tell that there are any.
   * One on an instruction costs next to nothing; accesses to the pages of watched data take a longer way.
   * @throws StateError once disposed
   */
  readonly breakpoints: Breakpoints;
  /**
   * The machine, for debuggers. Of a guest in another thread (`threads`), its properties are as after its last slice, and its
   * methods throw a StateError: use those of the guest, which can be awaited. @throws StateError once disposed
   */
  readonly machine: MachineView;
  /**
   * What the machine's methods of these names say, wherever it runs; of a guest that runs, between two slices. Rejected as
   * those throw.
   */
  registers(): Promise<Registers>;
  translate(linear: number): Promise<number | undefined>;
  peek(linear: number, length: number): Promise<Uint8Array>;
  peekPhysical(address: number, length: number): Promise<Uint8Array>;
  screen(): Promise<string[]>;
  stateHash(): Promise<string>;
  /**
   * Listens to an event of the guest. A listener may call anything, also `dispose`.
   * @returns a function that ends the listening
   * @throws UserError for an unknown event; StateError once disposed
   */
  on<Name extends keyof GuestEvents>(name: Name, listener: (...args: GuestEvents[Name]) => void): () => void;
  /**
   * Starts the guest, or goes on after `pause()`. Resolves when it stops for whatever reason; a pause in between is no
   * stop. Aborted, the guest is paused and the promise rejected with the signal's reason.
   * @throws StateError (as a rejection) if the guest runs already, has stopped (reset it first) or is disposed
   */
  run(options?: RunOptions): Promise<GuestExit>;
  /**
   * Runs until exactly `instructions` have retired since power-on, then pauses there. Resolves at once if they have;
   * earlier, and says so, if the guest stops, is paused, or waits for input (it is paused then). Aborted, the guest is
   * paused and the promise rejected with the signal's reason.
   * @throws UserError (as a rejection) unless it is a whole number from 0 to 2⁵³ − 1; StateError as for `run`
   */
  runTo(instructions: number, options?: RunOptions): Promise<RunToResult>;
  /** Stops giving it instructions until `run()`. Nothing happens if it does not run. */
  pause(): void;
  /**
   * Executes one instruction of a guest that does not run.
   * @throws StateError if it is in another thread (`runTo` does the same there); it runs, has stopped, is disposed, or is held because nobody reads its output
   */
  step(): void;
  /**
   * Saves all of it at this moment, between two instructions: `host.restore` goes on from there, as often as you like.
   * The guest stands still while memory is copied; the rest is done beside it. Disks are named, not copied, but for what
   * was written and is kept in memory; they must then be as they are now.
   * @throws UserError for an option, or if the file cannot be written; StateError once disposed, and for a guest that runs
   *   and whose disks are written into files: pause it first (all as rejections)
   */
  snapshot(options?: SnapshotOptions): Promise<Snapshot>;
  /**
   * Moves it to the host that calls `receive` at the other end of a stream of bytes, while it runs: memory is copied in
   * rounds beside it, then it stands still for the rest. Resolves when the other side has it; here it has ended then, with
   * reason `migrated`, and never runs again. Output that nobody has read, and input that it has not taken, go with it. Disks
   * are named, not copied, but for what was written and is kept in memory: the other side must be able to open them.
   *
   * Exactly one of the two runs. Rejected, it goes on here as if nothing had happened, with one exception: if the stream
   * fails in the moment in which the guest is handed over, nobody can know where it is. It stands still here then
   * (StateError, event `warning`) until you have looked at the other side, and say so by `resolveMigration`.
   * @throws UserError for a bad option, a guest that writes into files, a stream that fails, and what the other side
   *   refuses; StateError once it has stopped or is disposed, and as above; the signal's reason
   */
  migrate(stream: ByteDuplex, options?: MigrateOptions): Promise<Migration>;
  /**
   * Of a guest that stands still because nobody knew whether it had moved. `moved`: it runs at the other side, and ends here.
   * `stayed`: the other side has it not, and it goes on. If that is wrong, there are two of it.
   * @throws UserError for another word; StateError for any other guest
   */
  resolveMigration(outcome: 'stayed' | 'moved'): void;
  /**
   * Makes guests that are as this one is, to the last bit: what each does from there on depends on what it is sent. They
   * are `created`, and their instructions count on. Memory and compiled code are shared; of memory, what one of them
   * writes becomes its own. Sent input that the guest has not taken, and output that nobody has read, stay here.
   * @throws UserError (as a rejection) for a bad count, a guest with drives, or want of room: then there is none of them;
   *   StateError once it has stopped or is disposed, or in a listener of its output
   */
  clone(options?: CloneOptions): Promise<Guest[]>;
  /**
   * The power button, pressed for a moment: an operating system with ACPI hears of it and usually powers off.
   * @throws StateError once disposed
   */
  pressPowerButton(): void;
  /** The reset button. A stopped guest is then ready to `run()` again. @throws StateError once disposed */
  reset(): void;
  /** Pulls the plug: it exits with reason `stopped`. It can still be looked at. Nothing happens if it has stopped. */
  stop(): void;
  /**
   * Stops it and gives its memory back. Nothing happens if it is disposed. Images in its drives are flushed and closed,
   * which may take a while; `await using`, or awaiting `guest[Symbol.asyncDispose]()`, waits for that.
   */
  dispose(): void;
  /** @throws UserError for a weight that is none; StateError once disposed */
  setWeight(weight: number): void;
  /** Per cent of a core, or undefined for no cap. @throws UserError for another value; StateError once disposed */
  setCap(percent: number | undefined): void;
  /**
   * Moves the instruction at which it stops. One that has stopped for want of it needs a reset, too.
   * @throws UserError unless it is a whole number from 0 to 2⁵³ − 1; StateError once disposed
   */
  addFuel(instructions: number): void;
  [Symbol.dispose](): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A guest's memory balloon. What it is asked for is outside input, which comes at an instruction count; whether and when
 * it does so, and what it says of itself, is the guest's. Pages that it gives go back to the host's memory.
 */
export interface Balloon {
  /** MiB that the guest is asked to give. It stays when the guest is reset. @throws StateError once the guest is disposed */
  readonly target: number;
  /** MiB that the guest says it has given. @throws StateError once the guest is disposed */
  readonly actual: number;
  /** What it said last about its memory: bytes, or counts since it was booted. @throws StateError once it is disposed */
  readonly figures: BalloonFigures;
  /**
   * Asks the guest to give so many MiB in all.
   * @throws UserError unless it is a whole number from 0 to the guest's memory; StateError once the guest is disposed
   */
  setTarget(mebibytes: number): void;
  /**
   * Asks the guest about its memory. It answers when it runs.
   * @throws UserError for a bad argument; TimeoutError; the signal's reason; StateError if the guest has no driver for
   *   this, or is reset, stops or is disposed before (all as rejections)
   */
  statistics(options?: WaitOptions): Promise<BalloonFigures>;
}

/** A drive whose medium can be exchanged while the guest runs: it hears of it as it would on a PC. */
export interface RemovableDrive {
  /** Something is in it. */
  readonly loaded: boolean;
  /**
   * Opens an image and puts it in, in place of what is there, whether the guest has locked that or not. Resolves when
   * the old one is closed.
   * @throws UserError for what cannot be opened, or does not go in: then what was there stays; StateError once the guest
   *   is disposed (both as rejections)
   */
  insert(image: ImageSource | CdromOptions | FloppyOptions): Promise<void>;
  /**
   * Takes out what is in it. A guest may have locked its CD-ROM drive: then it is asked for the disc, and the answer is
   * false, but for `force`.
   * @throws StateError once the guest is disposed
   */
  eject(options?: { readonly force?: boolean | undefined }): boolean;
}

/**
 * A stream of bytes to and from a guest.
 *
 * Output is kept until a reader takes it; readers are the listeners (together), each iteration, each `waitFor`. A new
 * reader begins behind what any other has taken. When 1 MiB is kept, because there is no reader, or one is paused or
 * slow, the guest is held (the event `warning` says so once): guest time stands still until somebody reads. Nothing is lost, and
 * the guest can't tell. If nobody wants the output, say so by `discard()`.
 */
export interface GuestStream {
  /** Bytes written that the guest has not taken yet; 0 once it is disposed. */
  readonly pending: number;
  /** The guest is held until a reader takes output. */
  readonly full: boolean;
  /**
   * Sends bytes, or text as UTF-8, to the guest. They wait until it takes them.
   * @throws UserError for other things; StateError once the guest is disposed, and on the debug console
   */
  write(data: Uint8Array | string): void;
  /**
   * `listener` gets what the guest sends, at most 64 KiB at once; soon after this call, what is kept. All listeners get
   * the same array.
   * @returns a function that ends the listening
   * @throws UserError for another event; StateError once the guest is disposed
   */
  on(name: 'data', listener: (bytes: Uint8Array) => void): () => void;
  /** Listeners get nothing until `resume()`: back-pressure by a reader that can't keep up. */
  pause(): void;
  /** Listeners get what was kept, soon after this call, and go on. */
  resume(): void;
  /** Drops what is kept, and from now on what comes while there is no reader. */
  discard(): void;
  /**
   * Waits until the guest sends a text, or something that the expression matches (its flags `g` and `y` do not count).
   * Output is read as UTF-8. Searched is what came behind the end of the previous match, as far as it is kept: what
   * no reader has taken, and in any case the last 64 KiB. A text is found wherever it lies. An expression is tried on
   * at most 16 KiB at a time, of which the last 8 KiB are tried again with what comes next: a match of up to 8 KiB is
   * always found, one longer than 16 KiB never. `^` also matches where the search begins, `$` also at the end of what has
   * been tried so far.
   *
   * What an expression is tried on is the guest's: one whose time grows with the square of the text (`\d+\.\d+\S*\r`,
   * where `1.111…` comes), or faster (`(a+)+b`), is at its mercy. The world has its turn behind each try, and there is
   * one a turn, but no single try can be cut short: a square takes about a second, nested repetitions may take
   * for ever. Bound what repeats: `\d{1,3}`, `\S{0,40}`. While tries lag 1 MiB behind, the guest is held.
   *
   * With a timeout of 0, only what has come is tried, for a second at most.
   *
   * The match and what precedes it are taken: a reader that comes next begins behind the match. While nobody else
   * reads, what has not matched is forgotten beyond the bound, and does not hold the guest.
   * @throws UserError for a bad argument; TimeoutError; the signal's reason; StateError if the guest has stopped or
   *   stops before (all as rejections)
   */
  waitFor(pattern: string | RegExp, options?: WaitOptions): Promise<TextMatch>;
  /**
   * Iterates over the output, at most 64 KiB at once. Ends when the guest has stopped or is disposed, and everything is
   * read; a guest that was reset needs a new iteration. A reader that is slow holds the guest (see above).
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array>;
}

/**
 * The guest's keyboard. Strokes wait until the keyboard has handed over the one before, so that none is lost; a reset
 * drops those that wait. Keys have the names of W3C `KeyboardEvent.code`: "KeyA", "Enter", "ArrowUp".
 */
export interface Keyboard {
  /** Strokes that wait. */
  readonly pending: number;
  /** A key goes down, or repeats. @throws UserError if there is no such key; StateError once the guest is disposed */
  press(code: string): void;
  /** A key comes up. @throws UserError if there is no such key; StateError once the guest is disposed */
  release(code: string): void;
  /**
   * Types text as on a US layout: ASCII, line end, tab, backspace, escape.
   * @throws UserError for another character, and then types nothing; StateError once the guest is disposed
   */
  type(text: string): void;
}
