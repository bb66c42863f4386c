/** The threads of a host: which pool lives where, and how many may run at once. */
import { StateError, UserError } from '../../base/errors.ts';
import type { FixedModules } from '../../machine/pc.ts';
import type { CheckedGuestOptions } from '../options/check-guest-options.ts';
import type { GuestBoot } from '../options/guest-options.ts';
import type { ImageSource } from '../options/media-options.ts';
import type { WorkerPort } from '../platform.ts';
import type { CheckedRestoreOptions } from '../snapshot/snapshot-options.ts';
import { imageForThread, mediaForThread } from './image-for-thread.ts';
import type { FirstMachine, FirstMade, SavedGuest } from './messages.ts';
import { PoolThread } from './pool-thread.ts';
import { RemoteMachine } from './remote-machine.ts';

export interface GuestThreadsParts {
  /** Slices that may be under way at once. */
  readonly count: number;
  readonly startWorker: () => WorkerPort;
}

export class GuestThreads {
  readonly #count: number;
  readonly #startWorker: () => WorkerPort;
  readonly #starting = new Set<PoolThread>();
  readonly #busy = new Set<PoolThread>();
  /** What the first thread has compiled. */
  #modules: FixedModules | undefined;
  #pools = 0;
  #machines = 0;
  #disposed = false;

  constructor({ count, startWorker }: GuestThreadsParts) {
    this.#count = count;
    this.#startWorker = startWorker;
  }

  /**
   * A machine in a thread, and a pool, of its own.
   * @throws UserError for options that cannot be met, or where there are no threads; StateError once disposed
   */
  async create(name: string, options: CheckedGuestOptions): Promise<RemoteMachine> {
    const { content, transfer } = withCopies(options);
    return await this.#inNewThread(name, async (thread, first) => {
      const made = await thread.request('create', { ...first, name, options: content }, transfer);
      return { ...made, name };
    });
  }

  /** The same, from a snapshot, and what that says of the guest. @throws UserError as `Host.restore`; and as above */
  async restore(
    source: ImageSource,
    options: CheckedRestoreOptions,
  ): Promise<{ readonly machine: RemoteMachine; readonly saved: SavedGuest }> {
    let saved: SavedGuest;
    const machine = await this.#inNewThread(options.name ?? 'restore', async (thread, first) => {
      const request = { ...first, source: imageForThread(source), options: { ...options, ...mediaForThread(options) } };
      const made = await thread.request('restore', request);
      saved = made;
      return made;
    });
    return { machine, saved: saved! };
  }

  async #inNewThread(
    title: string,
    make: (thread: PoolThread, first: FirstMachine) => Promise<FirstMade & { readonly name: string }>,
  ): Promise<RemoteMachine> {
    if (this.#disposed) throw new StateError('the host is disposed');
    const thread = new PoolThread(`pool ${++this.#pools}`, this.#startWorker());
    this.#starting.add(thread);
    try {
      const number = ++this.#machines;
      const made = await make(thread, { machine: number, modules: this.#modules });
      this.#modules ??= made.modules;
      return new RemoteMachine(thread, number, made);
    } catch (error) {
      const { ended } = thread;
      thread.terminate();
      if (this.#disposed) throw new StateError('the host was disposed while it created a guest');
      // It could not even start: what it is to run is not there, as a rule.
      throw ended === undefined ? error : new UserError(`${title}: ${ended.message}`);
    } finally {
      this.#starting.delete(thread);
    }
  }

  /** @throws UserError for want of room (as a rejection) */
  clone(original: RemoteMachine, name: string): Promise<RemoteMachine> {
    return original.clone(name, ++this.#machines);
  }

  /** Whether a machine may have a slice now. */
  isFree({ thread }: RemoteMachine): boolean {
    return this.#busy.size < this.#count && !this.#busy.has(thread);
  }

  /** Those of one pool never run at once, since they share memory. */
  occupy({ thread }: RemoteMachine): void {
    this.#busy.add(thread);
  }

  /** @returns whether it was occupied */
  release({ thread }: RemoteMachine): boolean {
    return this.#busy.delete(thread);
  }

  /** Of machines, too, that are being created; the others' threads end with them. */
  dispose(): void {
    this.#disposed = true;
    for (const thread of this.#starting) thread.terminate();
  }
}

/** Bytes that are the caller's are copied once, and the copies given away. */
function withCopies(options: CheckedGuestOptions): {
  readonly content: CheckedGuestOptions;
  readonly transfer: readonly ArrayBuffer[];
} {
  const transfer: ArrayBuffer[] = [];
  const copy = (bytes: Uint8Array): Uint8Array => {
    const copied = new Uint8Array(bytes);
    transfer.push(copied.buffer);
    return copied;
  };
  const ifGiven = (bytes: Uint8Array | undefined) => bytes && copy(bytes);
  const boot = options.boot;
  let copied: GuestBoot = boot;
  if ('kernel' in boot)
    copied = {
      ...boot,
      kernel: copy(boot.kernel),
      initrd: ifGiven(boot.initrd),
      modules: boot.modules?.map((module) => ({ ...module, image: copy(module.image) })),
    };
  else if ('image' in boot) copied = { image: copy(boot.image) };
  else if ('bios' in boot) copied = { ...boot, bios: copy(boot.bios), videoBios: ifGiven(boot.videoBios) };
  return {
    content: { ...options, boot: copied, media: { ...options.media, ...mediaForThread(options.media) } },
    transfer,
  };
}
