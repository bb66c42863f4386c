/**
 * Random sequences of calls on the library's public face: right and wrong arguments, in every state of a guest, from
 * outside and from within listeners. What comes out is checked, and counted.
 *
 * Most guests are machines without a processor (a script of random events), since real ones are dear to make.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'vitest';
import { Random } from '../../src/difftest/random.ts';
import { createPlatform } from '../../src/host/platform.ts';
import type { Host as Hypervisor } from '../../src/hypervisor/host.ts';
import { GuestMedia } from '../../src/hypervisor/media/guest-media.ts';
import type { ImageRequest, OpenImage } from '../../src/hypervisor/media/image-opener.ts';
import { checkMedia } from '../../src/hypervisor/options/check-media-options.ts';
import {
  type Guest,
  type GuestOptions,
  type GuestStream,
  Host,
  type Platform,
  type RemovableDrive,
  StateError,
  TimeoutError,
  UserError,
} from '../../src/index.ts';
import { FakeMachine } from './fake-machine.ts';

export interface FuzzReport {
  readonly sequences: number;
  readonly calls: number;
  /** Calls made from within listeners. */
  readonly nested: number;
  /** By "method state": calls. */
  readonly coverage: ReadonlyMap<string, number>;
  /** By kind of outcome: "UserError", "reached", "exit halted", … */
  readonly outcomes: ReadonlyMap<string, number>;
  readonly guests: { readonly fake: number; readonly real: number };
  /** Bytes in use by this process's JavaScript, after a collection: when half was done, and at the end. */
  readonly memory: readonly [half: number, end: number];
  /** What must not be: one line each. Empty if all is well. */
  readonly faults: readonly string[];
}

export const METHODS = [
  ...['run', 'runTo', 'pause', 'reset', 'stop', 'step', 'pressPowerButton', 'dispose', 'setWeight', 'on', 'look'],
  ...['write', 'listen', 'hold', 'discard', 'waitFor', 'iterate', 'press', 'type', 'createGuest'],
  ...['insert', 'eject'],
  ...['inflate', 'statistics'],
] as const;
export const STATES = ['created', 'running', 'paused', 'stopped', 'disposed'] as const;

/** Guests at a time. */
const POOL = 4;
/** Turns of the event loop in which what was promised must come, once a guest is disposed. */
const PATIENCE = 20;
const DEEPEST = 3;
const EVENTS = ['exit', 'idle', 'reset', 'warning'] as const;
const ABORTED = { name: 'the reason' };
const PLANTED = 'planted by a listener';
const KINDS = ['halted', 'power-off', 'idle', 'reset', 'triple-fault', 'debug-exit', 'error'] as const;

/** Things that arguments are not. */
const ODD: readonly unknown[] = [
  ...[undefined, null, true, '', 'x', '5', Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, -0, 0.5],
  ...[2 ** 53, 1e300, 5e-324, 5n, Symbol('odd'), [], [1], {}, { signal: 5 }, { timeout: -1 }, { sginal: 1 }],
  ...[() => 0, new Date(0), new Uint8Array(), new Uint16Array(2), new ArrayBuffer(2), Object.create(null), /x/y],
  ...[detached(), 'é\0\ud800', new Uint8Array(new SharedArrayBuffer(2)), new Map()],
];

function detached(): Uint8Array {
  const bytes = new Uint8Array(4);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** The wall clock stands in the test's hand; a yield is a turn of the event loop. */
class FuzzPlatform implements Platform {
  readonly compile = createPlatform().compile as (bytes: Uint8Array) => object;
  readonly timers = new Set<{ at: number; action: () => void }>();
  #time = 0;

  now(): number {
    // Few slices a turn: it is the calls that matter.
    this.#time += 1;
    return this.#time;
  }

  yield(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  delay(ms: number, action: () => void): () => void {
    const timer = { at: this.#time + ms, action };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** A turn of the event loop, a millisecond later. */
  async turn(): Promise<void> {
    this.#time += 1;
    for (const timer of [...this.timers]) {
      if (timer.at > this.#time || !this.timers.delete(timer)) continue;
      timer.action();
    }
    await this.yield();
  }
}

/** Counts who listens to it. */
class CountedSignal {
  aborted = false;
  readonly reason = ABORTED;
  readonly listeners = new Set<() => void>();
  addEventListener(_: 'abort', listener: () => void): void {
    this.listeners.add(listener);
  }
  removeEventListener(_: 'abort', listener: () => void): void {
    this.listeners.delete(listener);
  }
  abort(): void {
    this.aborted = true;
    for (const listener of [...this.listeners]) listener();
  }
}

/** An image of the test's: whether it is open is known, and it fails now and then. */
class FuzzImage implements OpenImage {
  readonly name = 'fuzz image';
  readonly size = 2048;
  readonly readOnly = false;
  closed = false;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  read(_: number, length: number): Uint8Array {
    return new Uint8Array(length);
  }
  write(): void {}
  flush(): void | Promise<void> {
    if (this.#random.oneIn(4)) throw new Error('cannot write: no space left on the device');
    if (this.#random.oneIn(4)) return Promise.reject(new Error('cannot write: input/output error'));
  }
  close(): void | Promise<void> {
    this.closed = true;
    return this.flush();
  }
  abandon(): void {
    this.closed = true;
  }
  saved() {
    return { where: null, format: null, write: 'discard', overlay: null, stamp: null } as const;
  }
}

interface Subject {
  readonly guest: Guest;
  /** What was opened for it. */
  readonly images: FuzzImage[];
  readonly machine: FakeMachine | undefined;
  /** What was promised and has not come. */
  readonly pending: Set<string>;
  readonly signals: CountedSignal[];
  instructions: number;
}

export async function fuzzLibrary(options: { seed: number; sequences: number; real: number }): Promise<FuzzReport> {
  const fuzzer = new Fuzzer(options.seed, options.real);
  await fuzzer.start();
  let half = 0;
  for (let sequence = 0; sequence < options.sequences && fuzzer.faults.length < 10; sequence++) {
    if (sequence === options.sequences >>> 1) half = await memoryInUse();
    await fuzzer.sequence();
  }
  const memory = [half, await memoryInUse()] as const;
  await fuzzer.end();
  return {
    sequences: options.sequences,
    calls: fuzzer.calls,
    nested: fuzzer.nested,
    coverage: fuzzer.coverage,
    outcomes: fuzzer.outcomes,
    guests: fuzzer.made,
    memory,
    faults: fuzzer.faults,
  };
}

const OUTCOMES = [
  ...['UserError', 'StateError', 'TimeoutError', 'aborted', 'listener error'],
  ...['run halted', 'run power-off', 'run stopped', 'run error', 'run triple-fault', 'run debug-exit'],
  ...['runTo reached', 'runTo paused', 'runTo stopped', 'runTo idle'],
  ...['waitFor resolved', 'iterate chunk', 'iterate done', 'insert resolved'],
];
/** What may come together: listeners and kept output of the guests that there are at the moment. */
const MEMORY_SLACK = 24 * 2 ** 20;

/** Fails if anything was wrong, or if too little was tried: `floor` is the least for each method in each state. */
export function expectSound(report: FuzzReport, { floor }: { floor: number }): void {
  expect(report.faults).toEqual([]);
  const pairs = METHODS.flatMap((method) => STATES.map((state) => `${method} ${state}`));
  expect(pairs.filter((pair) => (report.coverage.get(pair) ?? 0) < floor)).toEqual([]);
  expect(report.nested).toBeGreaterThan(floor * 50);
  for (const outcome of OUTCOMES) expect(report.outcomes.get(outcome) ?? 0, outcome).toBeGreaterThan(floor);
  expect(report.memory[1] - report.memory[0]).toBeLessThan(MEMORY_SLACK);
}

async function memoryInUse(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let round = 0; round < 3; round++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

class Fuzzer {
  readonly coverage = new Map<string, number>();
  readonly outcomes = new Map<string, number>();
  readonly faults: string[] = [];
  readonly made = { fake: 0, real: 0 };
  calls = 0;
  nested = 0;
  readonly #random: Random;
  readonly #platform = new FuzzPlatform();
  #realLeft: number;
  #host!: Host;
  #subjects: Subject[] = [];
  #depth = 0;
  #log: string[] = [];

  constructor(seed: number, real: number) {
    this.#random = new Random(seed);
    this.#realLeft = real;
  }

  async start(): Promise<void> {
    process.on('unhandledRejection', this.#onUnhandled);
    this.#host = await Host.create({
      platform: this.#platform,
      onListenerError: (error) => {
        // A listener makes calls of its own; only what it throws on purpose may come here.
        if (error !== PLANTED) this.#fault(`a listener of ours threw ${String(error)}`);
        this.#count(this.outcomes, 'listener error');
      },
    });
  }

  async sequence(): Promise<void> {
    const random = this.#random;
    this.#log = [];
    while (this.#subjects.length < POOL) await this.#create();
    const length = 1 + random.below(8);
    for (let call = 0; call < length; call++) {
      this.#call(random.pick(this.#subjects));
      if (random.oneIn(3)) await this.#platform.turn();
    }
    for (const subject of this.#subjects) {
      this.#checkState(subject);
      // Else all run all the time, and little else happens.
      if (subject.guest.state === 'running' && random.oneIn(3)) subject.guest.pause();
      if (subject.guest.state === 'stopped' && random.oneIn(2)) subject.guest.reset();
    }
    const gone = this.#subjects.filter(({ guest }) => guest.state === 'disposed' && random.oneIn(3));
    for (const subject of gone) await this.#bury(subject);
  }

  async end(): Promise<void> {
    this.#host.dispose();
    for (const subject of [...this.#subjects]) await this.#bury(subject);
    if (this.#host.guests.length > 0) this.#fault('guests are left after all were disposed');
    for (let turn = 0; turn < PATIENCE; turn++) await this.#platform.turn();
    if (this.#platform.timers.size > 0) this.#fault(`${this.#platform.timers.size} timers are left`);
    process.off('unhandledRejection', this.#onUnhandled);
  }

  readonly #onUnhandled = (error: unknown): void => this.#fault(`unhandled rejection: ${describe(error)}`);

  #fault(what: string): void {
    this.faults.push(`${what} after ${this.#log.slice(-12).join('; ')}`);
  }

  async #create(): Promise<void> {
    if (this.#realLeft > 0 && this.#random.oneIn(30)) {
      this.#realLeft--;
      this.made.real++;
      const random = this.#random;
      const image = random.pick(IMAGES);
      const guest = await this.#host.createGuest({
        ...this.#realMedia(image),
        memory: 1,
        balloon: random.oneIn(2),
        onReset: this.#random.pick(['reset', 'stop']),
      });
      this.#subjects.push({ guest, machine: undefined, images: [], pending: new Set(), signals: [], instructions: 0 });
      return;
    }
    this.made.fake++;
    const random = this.#random;
    let at = 0;
    const script = Array.from({ length: random.below(8) }, () => {
      at += random.below(30_000);
      return { at, event: random.oneIn(2) ? 'idle' : random.pick(KINDS) } as const;
    });
    const machine = new FakeMachine(script);
    if (random.oneIn(2)) machine.output = random.oneIn(20) ? 'x'.repeat(60_000) : 'text é ';
    const settings = {
      name: `guest ${this.made.fake}`,
      clock: random.pick(['virtual', 'virtual', 'host'] as const),
      onReset: random.pick(['reset', 'stop'] as const),
      onTripleFault: random.pick(['reset', 'stop'] as const),
    };
    const images: FuzzImage[] = [];
    const media = random.oneIn(3) ? undefined : await this.#fakeMedia(machine, images);
    // What createGuest does once it has a machine.
    const guest = (this.#host as unknown as Hypervisor).adopt(machine, { ...settings, media });
    this.#subjects.push({ guest, machine, images, pending: new Set(), signals: [], instructions: 0 });
  }

  /** Booted by the BIOS or not, from drives that are there or not. */
  #realMedia(image: Uint8Array): GuestOptions {
    const random = this.#random;
    const sector = new Uint8Array(512);
    sector.set(image);
    sector.set([0x55, 0xaa], 510);
    const floppy = new Uint8Array(1440 * 1024);
    floppy.set(sector);
    return random.pick<GuestOptions>([
      { boot: { image } },
      { boot: { image }, cdrom: {}, floppies: [{}, floppy], disks: [sector.slice()] },
      { boot: { order: ['disk', 'floppy'] }, disks: [new Blob([sector])], floppy: {} },
      { cdrom: new Uint8Array(4096), floppy, boot: { order: ['cdrom', 'floppy'] }, onNothingToBoot: 'stop' },
      { cdrom: {}, onNothingToBoot: random.pick(['stop', 'wait']) },
    ]);
  }

  /** A CD-ROM drive and a floppy drive for a machine without a processor; their images come at once, late or not at all. */
  async #fakeMedia(machine: FakeMachine, images: FuzzImage[]): Promise<GuestMedia> {
    const random = this.#random;
    const opener = async (_: ImageRequest): Promise<OpenImage> => {
      if (random.oneIn(3)) await this.#platform.yield();
      if (random.oneIn(4)) throw new UserError('cannot open it: no such file');
      const image = new FuzzImage(random);
      images.push(image);
      return image;
    };
    const insert = () => {
      if (random.oneIn(4)) throw new UserError('it does not go in');
    };
    const eject = ({ force = false } = {}) => force || random.oneIn(2);
    Object.assign(machine, { cdrom: { insert, eject }, floppy: { insert, eject() {} } });
    return GuestMedia.open(
      checkMedia({ disks: undefined, cdrom: {}, floppy: undefined, floppies: [{}, {}].slice(random.below(2)) }),
      opener,
    );
  }

  /** After dispose: all that was promised must come, and nobody may be left listening. */
  async #bury(subject: Subject): Promise<void> {
    this.#subjects = this.#subjects.filter((other) => other !== subject);
    for (let turn = 0; turn < PATIENCE && subject.pending.size > 0; turn++) await this.#platform.turn();
    if (subject.pending.size > 0) this.#fault(`never came: ${[...subject.pending].join(', ')}`);
    if (this.#host.guests.includes(subject.guest)) this.#fault('a disposed guest is among the guests');
    if (subject.machine && !subject.machine.disposed) this.#fault('a disposed guest keeps its machine');
    if (subject.images.some(({ closed }) => !closed)) this.#fault('a disposed guest has images open');
    if (subject.signals.some(({ listeners }) => listeners.size > 0)) this.#fault('a signal has listeners left');
  }

  #checkState(subject: Subject): void {
    const { guest } = subject;
    const { state, instructions, exitReason } = guest;
    if (!Number.isSafeInteger(instructions) || instructions < subject.instructions) {
      this.#fault(`instructions went from ${subject.instructions} to ${instructions}`);
    }
    subject.instructions = instructions;
    if ((exitReason !== undefined) !== (state === 'stopped' || state === 'disposed')) {
      this.#fault(`exit reason ${exitReason?.reason} in state ${state}`);
    }
    if (!this.#host.guests.includes(guest) !== (state === 'disposed')) this.#fault(`guests in state ${state}`);
  }

  /** One call of a random method, with random arguments. Nothing it does may throw out of here. */
  #call(subject: Subject): void {
    if (this.#depth >= DEEPEST) return;
    const random = this.#random;
    // Disposing is rare, or nothing else would be met.
    let method = random.oneIn(6) ? random.pick(['on', 'listen', 'run'] as const) : random.pick(METHODS);
    if (method === 'dispose' && !random.oneIn(3)) method = 'run';
    const { state } = subject.guest;
    this.calls++;
    if (this.#depth > 0) this.nested++;
    this.#count(this.coverage, `${method} ${state}`);
    this.#log.push(`${method} (${state}${this.#depth > 0 ? ', nested' : ''})`);
    this.#depth++;
    try {
      const promise = this.#perform(method, subject);
      if (promise !== undefined) this.#watch(promise, method, subject);
    } catch (error) {
      this.#judge(error, method);
    } finally {
      this.#depth--;
    }
  }

  #watch(promise: Promise<unknown>, method: string, subject: Subject): void {
    const label = `${method} ${this.calls}`;
    subject.pending.add(label);
    promise.then(
      (value) => {
        subject.pending.delete(label);
        this.#count(this.outcomes, outcomeOf(method, value));
      },
      (error) => {
        subject.pending.delete(label);
        this.#judge(error, method);
      },
    );
  }

  #judge(error: unknown, method: string): void {
    if (error === ABORTED) return this.#count(this.outcomes, 'aborted');
    const known = error instanceof UserError || error instanceof StateError || error instanceof TimeoutError;
    if (!known) return this.#fault(`${method}: ${describe(error)}`);
    if (/\n/.test(error.message)) this.#fault(`${method}: more than one line: ${error.message}`);
    this.#count(this.outcomes, error.name);
  }

  #perform(method: (typeof METHODS)[number], subject: Subject): Promise<unknown> | undefined {
    const random = this.#random;
    const { guest } = subject;
    const stream: GuestStream = random.oneIn(5) ? guest.debugConsole : guest.serial;
    switch (method) {
      case 'run':
        return guest.run(this.#options(subject) as never);
      case 'runTo': {
        const target = this.#oddOr(() => guest.instructions + random.below(50_000));
        return guest.runTo(target as number, this.#options(subject) as never).then((result) => {
          if (result === 'reached' && guest.instructions < (target as number)) this.#fault('reached, but not there');
          return result;
        });
      }
      case 'setWeight':
        return void guest.setWeight(this.#oddOr(() => 1 + random.below(5)) as number);
      case 'on':
        guest.on(this.#oddOr(() => random.pick(EVENTS)) as 'exit', this.#listener(subject) as () => void);
        return undefined;
      case 'pressPowerButton':
        return void guest.pressPowerButton();
      case 'look':
        return void [guest.machine.stateHash(), guest.machine.peek(this.#oddOr(() => 0x7c00) as number, 4)];
      case 'write':
        return void stream.write(this.#oddOr(() => random.pick(['text', Uint8Array.of(1, 2, 3)])) as string);
      case 'listen': {
        const off = stream.on('data', this.#listener(subject) as () => void);
        if (random.oneIn(3)) off();
        return undefined;
      }
      case 'hold':
        return void (random.oneIn(2) ? stream.pause() : stream.resume());
      case 'discard':
        return void stream.discard();
      case 'waitFor': {
        const pattern = this.#oddOr(() => random.pick(['te', 'é', 'xxx', /t(.)x/, /^$/, 'never']));
        const options = this.#oddOr(() => ({ timeout: random.below(30), ...(this.#options(subject) as object) }));
        return stream.waitFor(pattern as string, options as object);
      }
      case 'iterate': {
        const iterator = stream[Symbol.asyncIterator]();
        const answer = iterator.next();
        if (random.oneIn(2)) void iterator.return!();
        return answer.then((result) => (result.done ? 'done' : 'chunk'));
      }
      case 'press':
        return void guest.keyboard[random.pick(['press', 'release'] as const)](
          this.#oddOr(() => random.pick(['KeyA', 'ShiftLeft', 'Enter'])) as string,
        );
      case 'type':
        return void guest.keyboard.type(this.#oddOr(() => 'ab\n') as string);
      case 'insert': {
        const image = this.#oddOr(() =>
          random.pick([new Uint8Array(2048), new Blob([new Uint8Array(4096)]), { image: 'x' }]),
        );
        return this.#drive(guest)?.insert(image as Uint8Array);
      }
      case 'eject':
        return void this.#drive(guest)?.eject(this.#oddOr(() => ({ force: random.oneIn(2) })) as object);
      case 'inflate':
        return void guest.balloon?.setTarget(this.#oddOr(() => random.below(3)) as number);
      case 'statistics': {
        const options = this.#oddOr(() => ({ timeout: random.below(30), ...(this.#options(subject) as object) }));
        return guest.balloon?.statistics(options as object);
      }
      case 'createGuest':
        return this.#host
          .createGuest(this.#wrongGuestOptions() as never)
          .then(() => this.#fault('createGuest took it'));
      default:
        return void guest[method]();
    }
  }

  #drive({ cdrom, floppies }: Guest): RemovableDrive | undefined {
    return this.#random.pick([cdrom, ...floppies]);
  }

  #oddOr(valid: () => unknown): unknown {
    return this.#random.oneIn(4) ? this.#random.pick(ODD) : valid();
  }

  #options(subject: Subject): unknown {
    const random = this.#random;
    if (random.oneIn(6)) return random.pick(ODD);
    if (!random.oneIn(3)) return undefined;
    const signal = new CountedSignal();
    subject.signals.push(signal);
    if (random.oneIn(5)) signal.abort();
    else if (random.oneIn(2)) setImmediate(() => signal.abort());
    return { signal };
  }

  /** A listener that makes calls, throws or rejects; or none. */
  #listener(subject: Subject): unknown {
    const random = this.#random;
    if (random.oneIn(8)) return random.pick(ODD);
    const kind = random.below(5);
    // Each acts a few times only, or guests that talk much would do nothing but answer.
    let left = 6;
    return () => {
      if (left-- <= 0) return undefined;
      if (kind === 0) throw PLANTED;
      if (kind === 1) return Promise.reject(PLANTED);
      this.#call(random.oneIn(3) ? random.pick(this.#subjects) : subject);
      return undefined;
    };
  }

  /** Wrong in at least one place: what is right in all would be a machine. */
  #wrongGuestOptions(): unknown {
    const random = this.#random;
    if (random.oneIn(8)) return random.pick(ODD);
    const names = [
      'memory',
      'cpu',
      'engine',
      'powerOnTime',
      'instructionTime',
      'weight',
      'clock',
      'onTripleFault',
      'onReset',
      'name',
      ...['disks', 'cdrom', 'floppy', 'floppies', 'onNothingToBoot'],
      ...['balloon', 'paravirtual'],
    ];
    const right: Record<string, unknown> = { boot: { image: IMAGES[0] }, memory: 1 };
    const wrong = {
      memory: 0.5,
      cpu: 'z80',
      engine: 'fast',
      powerOnTime: -1,
      instructionTime: -1,
      weight: 0,
      clock: 'x',
      name: '',
      onNothingToBoot: 'x',
      disks: random.pick([5, [5], [{}], [''], [{ image: new Uint8Array(512), write: 'x' }], [new URL('ftp://x/y')]]),
      cdrom: random.pick([5, '', { image: 5 }, new Uint8Array(5), { write: 'through' }]),
      floppies: random.pick([5, [5], [new Uint8Array()], [{}, {}, {}], [{ readOnly: 1 }]]),
      boot: random.pick([
        { order: ['x'] },
        { order: [] },
        { order: 5 },
        { bios: 5 },
        { rom: 5 },
        { image: 5, order: ['disk'] },
      ]),
    };
    for (const name of names) if (random.oneIn(4)) right[name] = random.pick(ODD);
    if (random.oneIn(3)) right.boot = random.pick([...ODD, { image: random.pick(ODD) }, { kernel: random.pick(ODD) }]);
    const [name, value] = random.pick(Object.entries(wrong));
    return { ...right, [name]: value };
  }

  #count(counts: Map<string, number>, key: string): void {
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
}

/** Real guests: jmp $; cli, hlt; sti, hlt; lidt of nothing and int3; reset by port 92h; a flood on port E9h. */
const IMAGES = [
  [0xeb, 0xfe],
  [0xfa, 0xf4],
  [0xfb, 0xf4, 0xeb, 0xfc],
  [0xfa, 0x0f, 0x01, 0x1e, 0x07, 0x7c, 0xcc, 0, 0, 0, 0, 0, 0],
  [0xb0, 0x01, 0xe6, 0x92],
  [0xe6, 0xe9, 0xeb, 0xfc],
].map((bytes) => Uint8Array.from(bytes));

function outcomeOf(method: string, value: unknown): string {
  if (typeof value === 'string') return `${method} ${value}`;
  const reason = (value as { reason?: string } | null)?.reason;
  return reason === undefined ? `${method} resolved` : `${method} ${reason}`;
}

const describe = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
