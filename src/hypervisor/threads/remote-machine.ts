/**
 * A machine in another thread. What it was after its last run is here; what is sent to it waits here, in order, for the
 * next request, and so enters between two runs. Methods that need the machine itself have a form on `Guest` that can be
 * awaited.
 */
import { InternalError, StateError } from '../../base/errors.ts';
import type { TimeCorrection } from '../../base/guest-time.ts';
import { Pending } from '../../base/pending.ts';
import {
  type ByteChannel,
  isKey,
  type KeyInput,
  type Machine,
  type MachineExit,
  type MemoryBalloon,
} from '../../machine/machine.ts';
import type { Snapshot } from '../snapshot/snapshot-options.ts';
import type {
  DriveFacts,
  MachineFacts,
  MachineInput,
  NewMachine,
  PlainExit,
  Question,
  SavedGuest,
  SliceReply,
  ToMachine,
} from './messages.ts';
import { fromPlainError } from './plain-error.ts';
import type { PoolMember, PoolThread } from './pool-thread.ts';
import { RemoteBreakpoints } from './remote-breakpoints.ts';
import { RemoteDrive } from './remote-drive.ts';
import { RemoteMedia } from './remote-media.ts';

/** What a slice may do: see `RunLimits`. */
export interface RemoteLimits {
  /** 0: only what was sent is taken in. */
  readonly instructions: number;
  readonly time?: number | undefined;
  /** Wall-clock ms after which it is cut short. */
  readonly milliseconds: number;
  /** One that stands there afterwards is hashed: `stateHash` then answers. */
  readonly hashAt: number;
}

export class RemoteMachine implements Machine, PoolMember {
  readonly name: string;
  readonly thread: PoolThread;
  readonly memorySize: number;
  readonly keyboard: KeyInput;
  readonly serial: RemoteChannel;
  readonly debugConsole: RemoteChannel;
  readonly balloon: MemoryBalloon | undefined;
  readonly breakpoints: RemoteBreakpoints;
  /** What is in its drives, if it has any. */
  readonly media: RemoteMedia | undefined;
  memoryLimit = Number.POSITIVE_INFINITY;
  onTimeCorrection: ((correction: TimeCorrection) => void) | undefined;
  /** Called when its thread has ended by itself. */
  onLost: ((error: InternalError) => void) | undefined;
  readonly #number: number;
  #facts: MachineFacts;
  /** Waits for the next request. */
  #inputs: MachineInput[] = [];
  /** On their way: those of requests that are not answered. */
  readonly #sent = new Set<readonly MachineInput[]>();
  #stateHash: string | undefined;
  #disposed = false;
  /** Once it is disposed: what the thread has said of its images. */
  #closed: Promise<readonly string[]> = Promise.resolve([]);

  constructor(
    thread: PoolThread,
    number: number,
    { name, facts, memorySize, hasDrives }: NewMachine & { readonly name: string },
  ) {
    this.name = name;
    this.thread = thread;
    this.memorySize = memorySize;
    this.#number = number;
    this.#facts = facts;
    const put = (input: MachineInput): void => this.#put(input);
    const count = (kind: 'serial') => this.#underWay(kind).reduce((sum, { bytes }) => sum + bytes.length, 0);
    this.serial = new RemoteChannel({
      send: (bytes) => put({ kind: 'serial', bytes }),
      pending: () => this.#facts.serialPending + count('serial'),
    });
    this.debugConsole = new RemoteChannel({ send() {}, pending: () => 0 });
    this.keyboard = new RemoteKeyboard({
      put,
      hasData: () => this.#facts.keyboardHasData || this.#underWay('press', 'release').length > 0,
    });
    this.breakpoints = new RemoteBreakpoints(put);
    this.balloon = facts.balloon && this.#createBalloon();
    const closed = () => this.#closed;
    this.media = hasDrives
      ? new RemoteMedia({ flush: () => thread.request('flush', { machine: number }), closed })
      : undefined;
    this.#take(facts);
    thread.join(this);
  }

  get instructions(): number {
    return this.#facts.instructions;
  }

  get time(): number {
    return this.#facts.time;
  }

  get nextAlarm(): number {
    return this.#facts.nextAlarm;
  }

  get halted(): boolean {
    return this.#facts.halted;
  }

  get timeSlope(): number {
    return this.#facts.timeSlope;
  }

  get memoryInUse(): number {
    return this.#facts.memoryInUse;
  }

  get memoryShared(): number {
    return this.#facts.memoryShared;
  }

  get tellsStolen(): boolean | undefined {
    return this.#facts.tellsStolen;
  }

  /** Nothing of it is swapped out: the host's swap is not in its thread. */
  get memorySwapped(): number {
    return 0;
  }

  get swaps(): { readonly in: number; readonly out: number } {
    return { in: 0, out: 0 };
  }

  swapOut(): number {
    return 0;
  }

  get memoryPool(): PoolThread {
    return this.thread;
  }

  get slowness(): string | undefined {
    return this.#facts.slowness;
  }

  /** One slice. Output has been handed over when it resolves. Never rejected. */
  async start({ instructions, time, milliseconds, hashAt }: RemoteLimits): Promise<MachineExit & { took: number }> {
    const { memoryLimit } = this;
    try {
      const request = { instructions, time, milliseconds, memoryLimit, hashAt };
      const reply = await this.#exchange((to) => this.thread.request('run', { ...to, ...request }));
      this.#take(reply.facts);
      this.#stateHash = this.#inputs.length === 0 ? reply.stateHash : undefined;
      this.#hearOutput(reply);
      this.media?.hear(reply);
      return { ...this.#toExit(reply.exit), took: reply.took };
    } catch (cause) {
      const error = new InternalError(`${this.name}: ${(cause as Error).message}`, { cause });
      return { reason: 'error', executed: 0, error, took: 0 };
    }
  }

  /** What a method of `MachineView` says, between two runs. @throws what it throws (as a rejection) */
  async ask(question: Question, parameters: readonly number[]): Promise<unknown> {
    const reply = await this.#exchange((to) => this.thread.request('ask', { ...to, question, parameters }));
    this.#take(reply.facts);
    return reply.answer;
  }

  /** Of this moment. @throws UserError if the file cannot be written (as a rejection) */
  snapshot(guest: SavedGuest, to: string | undefined): Promise<Snapshot> {
    return this.#exchange((target) => this.thread.request('snapshot', { ...target, ...guest, to }));
  }

  /** Its drives whose media can be exchanged. `assertUsable`: see `RemoteDriveParts`. */
  drives(assertUsable: () => void): { cdrom: RemoteDrive | undefined; floppies: readonly RemoteDrive[] } {
    const create = (kind: 'cdrom' | 'floppy', drive: 'cdrom' | number, facts: () => DriveFacts) =>
      new RemoteDrive({
        ...{ kind, facts, assertUsable },
        insert: (image) => this.#change((to) => this.thread.request('insert', { ...to, drive, image })),
        eject: ({ force }) => this.#change((to) => this.thread.request('eject', { ...to, drive, force })),
      });
    const { cdrom, floppies } = this.#facts;
    return {
      cdrom: cdrom && create('cdrom', 'cdrom', () => this.#facts.cdrom!),
      floppies: floppies.map((_, index) => create('floppy', index, () => this.#facts.floppies[index]!)),
    };
  }

  async #change(request: (to: ToMachine) => Promise<{ readonly facts: MachineFacts }>): Promise<void> {
    this.#take((await this.#exchange(request)).facts);
  }

  /** See `Pc.clone`. @throws UserError for want of room (as a rejection) */
  async clone(name: string, number: number): Promise<RemoteMachine> {
    const made = await this.#exchange((to) => this.thread.request('clone', { ...to, as: number, name }));
    this.#take(made.original);
    return new RemoteMachine(this.thread, number, { name, ...made });
  }

  pressPowerButton(): void {
    this.#put({ kind: 'power-button' });
  }

  /** @throws StateError if its thread has ended */
  assertReachable(): void {
    if (this.thread.ended) throw new StateError(`${this.name} is lost: ${this.thread.ended.message}`);
  }

  reset(): void {
    this.#put({ kind: 'reset' });
  }

  correctTime(correction: Omit<TimeCorrection, 'instructions'>): void {
    const { time, slope } = correction;
    this.#put({ kind: 'time', ...correction });
    this.#facts = { ...this.#facts, time: Math.max(this.#facts.time, time), timeSlope: slope };
    this.onTimeCorrection?.({ ...correction, instructions: this.instructions });
  }

  lost(error: InternalError): void {
    this.onLost?.(new InternalError(`${this.name}: ${error.message}`, { cause: error }));
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.breakpoints.dispose();
    this.onLost = undefined;
    // Whoever else is in the pool goes on; and if that ends meanwhile, nobody misses the answer.
    this.#closed = this.thread.request('dispose', { machine: this.#number }).catch(() => []);
    if (this.media) void this.#closed.then(() => this.thread.leave(this));
    else this.thread.leave(this);
  }

  run(): never {
    throw new InternalError(`${this.name} runs in another thread`);
  }

  registers(): never {
    return this.#refuse('registers()');
  }

  translate(): never {
    return this.#refuse('translate(…)');
  }

  peek(): never {
    return this.#refuse('peek(…)');
  }

  peekPhysical(): never {
    return this.#refuse('peekPhysical(…)');
  }

  screen(): never {
    return this.#refuse('screen()');
  }

  /** That of a slice that ended where it was to be hashed. @throws StateError at any other moment */
  stateHash(): string {
    return this.#stateHash ?? this.#refuse('stateHash()');
  }

  /** Nothing was sent to it since it was hashed. */
  get hashed(): boolean {
    return this.#stateHash !== undefined;
  }

  #refuse(call: string): never {
    throw new StateError(`${this.name} runs in another thread: use await guest.${call}`);
  }

  #put(input: MachineInput): void {
    this.#inputs.push(input);
    this.#stateHash = undefined;
  }

  /** As it was in the thread; what corrects its time since is on its way. */
  #take(facts: MachineFacts): void {
    this.thread.bytesInUse = facts.bytesInUse;
    this.#facts = facts;
    for (const { time, slope } of this.#underWay('time'))
      this.#facts = { ...this.#facts, time: Math.max(this.#facts.time, time), timeSlope: slope };
  }

  /** What was sent, and is not known to have arrived. */
  #underWay<Kind extends MachineInput['kind']>(...kinds: Kind[]): Extract<MachineInput, { kind: Kind }>[] {
    const all = [...[...this.#sent].flat(), ...this.#inputs];
    return all.filter(({ kind }) => kinds.includes(kind as Kind)) as Extract<MachineInput, { kind: Kind }>[];
  }

  /** A request that takes along what waits. */
  async #exchange<Answer>(request: (to: ToMachine) => Promise<Answer>): Promise<Answer> {
    const inputs = this.#inputs;
    this.#inputs = [];
    this.#sent.add(inputs);
    try {
      const answer = await request({ machine: this.#number, inputs });
      // The thread takes them in order, though it may answer others later: what was sent before has arrived, too.
      for (const each of [...this.#sent].slice(0, [...this.#sent].indexOf(inputs))) this.#sent.delete(each);
      return answer;
    } catch (error) {
      throw this.#disposed ? new StateError(`${this.name} is disposed`) : error;
    } finally {
      this.#sent.delete(inputs);
    }
  }

  #hearOutput({ serial, debugConsole }: SliceReply): void {
    for (const bytes of serial) this.serial.onOutput?.(bytes);
    for (const bytes of debugConsole) this.debugConsole.onOutput?.(bytes);
  }

  #toExit(exit: PlainExit): MachineExit {
    if (exit.reason === 'error') return { ...exit, error: fromPlainError(exit.error) as InternalError };
    if (exit.reason === 'breakpoint') return { ...exit, hit: this.breakpoints.own(exit.hit) };
    if (exit.reason === 'waiting') {
      const answer = new Pending<unknown>(() => this.thread.request('settle', { machine: this.#number }));
      return { ...exit, answer };
    }
    return exit;
  }

  #createBalloon(): MemoryBalloon {
    const facts = () => this.#facts.balloon!;
    const put = (input: MachineInput): void => this.#put(input);
    const targets = () => this.#underWay('balloon-target');
    return {
      get target() {
        return targets().at(-1)?.pages ?? facts().target;
      },
      get actual() {
        return facts().actual;
      },
      get statistics() {
        return facts().statistics;
      },
      get givesStatistics() {
        return facts().givesStatistics;
      },
      setTarget: (pages) => put({ kind: 'balloon-target', pages }),
      requestStatistics() {
        if (facts().givesStatistics) put({ kind: 'balloon-statistics' });
        return facts().givesStatistics;
      },
    };
  }
}

class RemoteChannel implements ByteChannel {
  onOutput: ((bytes: Uint8Array) => void) | undefined;
  readonly #way: Pick<ByteChannel, 'send'> & { pending(): number };

  constructor(way: Pick<ByteChannel, 'send'> & { pending(): number }) {
    this.#way = way;
  }

  send(bytes: Uint8Array): void {
    this.#way.send(bytes);
  }

  get pending(): number {
    return this.#way.pending();
  }
}

class RemoteKeyboard implements KeyInput {
  readonly #way: { put(input: MachineInput): void; hasData(): boolean };

  constructor(way: { put(input: MachineInput): void; hasData(): boolean }) {
    this.#way = way;
  }

  hasKey(code: string): boolean {
    return isKey(code);
  }

  press(code: string): boolean {
    this.#way.put({ kind: 'press', code });
    return true;
  }

  release(code: string): boolean {
    this.#way.put({ kind: 'release', code });
    return true;
  }

  get hasData(): boolean {
    return this.#way.hasData();
  }
}
