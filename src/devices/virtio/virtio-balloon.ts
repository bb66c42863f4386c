/**
 * The traditional memory balloon: a guest gives pages back, and takes them again. Virtual I/O Device (VIRTIO) Version 1.2,
 * section 5.5.
 *
 * Pages that are given back read as zero; one that the driver uses again, told or not, is simply there again, so nothing
 * depends on a guest's telling the truth. Its figures are hints. How far the balloon is to be inflated is outside input,
 * which enters between runs and outlives a reset.
 *
 * Hints of free pages go to whoever asked for them (`startHinting`): a guest may take such a page back at any time, so
 * that only who sees its writes may believe them. Nothing is given back on a hint.
 *
 * Not modelled: VIRTIO_BALLOON_F_MUST_TELL_HOST is not offered, since nobody here needs to be told; buffers of more page
 * numbers than 256 K, upon which the device needs a reset.
 */
import type { PageRange } from '../../memory/guest-memory.ts';
import { NO_STATISTICS, parseStatistics, type Statistics } from './balloon-statistics.ts';
import type { VirtioDevice, VirtioTransport } from './virtio-device.ts';
import { type BufferPart, type Chain, QueueError, type Virtqueue } from './virtqueue.ts';

export const BALLOON_FEATURE = {
  STATS_VQ: 1,
  DEFLATE_ON_OOM: 2,
  FREE_PAGE_HINT: 3,
  PAGE_POISON: 4,
  REPORTING: 5,
} as const;
export const BALLOON_PAGE = 4096;
/** Numbers of queues in the specification (5.5.2). */
const QUEUES = ['inflate', 'deflate', 'statistics', 'hinting', 'reporting'] as const;
type QueueRole = (typeof QUEUES)[number];
/** Linux wants to report 32 ranges at once. */
const QUEUE_SIZE = 128;
const CONFIG = { NUM_PAGES: 0, ACTUAL: 4, HINT_COMMAND: 8, POISON: 12, SIZE: 16 } as const;
/** Commands of hinting; every other number is a run of its own. */
const HINT = { STOP: 0, DONE: 1, FIRST: 2 } as const;
const PAGE_NUMBER = 4;
const MOST_NUMBERS = 0x4_0000;
/** Bytes of statistics (hundreds of entries), and of a command. */
const MOST_STATISTICS = 4096;
const MOST_COMMAND = 64;
/**
 * Pages and buffers looked at before the rest has to wait for its turn, which bounds what an alarm takes; and the guest
 * time, in ns, that each takes: so a guest that has much to be looked at pays for it.
 */
const WORK = 0x1_0000;
const WORK_TIME = 20;

export interface VirtioBalloonWiring {
  readonly memory: {
    /** Gives their frames back: they read as zero. */
    discard(ranges: readonly PageRange[]): number;
  };
  /** A guest that needs memory badly may deflate the balloon (5.5.3.1). Default: true. */
  readonly deflateOnOutOfMemory?: boolean | undefined;
  /** Pages that were free after `startHinting` was called, as long as nobody has written to them since. */
  readonly onHint?: ((ranges: readonly PageRange[]) => void) | undefined;
}

export class VirtioBalloon implements VirtioDevice {
  readonly name = 'virtio-balloon';
  readonly stateVersion = 1;
  readonly type = 5;
  readonly classCode = 0xff_00_00;
  readonly features: readonly number[];
  readonly queueSizes = QUEUES.map(() => QUEUE_SIZE);
  readonly configSize = CONFIG.SIZE;
  readonly state = {
    /** Pages that the host wants, and that the driver says it has given. */
    target: 0,
    actual: 0,
    /** `actual` as the driver is writing it, byte by byte. */
    actualWritten: 0,
    poison: 0,
    /** The buffer in which the driver has given statistics, kept until new ones are wanted; and whether they are. */
    held: undefined as Chain | undefined,
    wanted: false,
    /** The next buffer is the first one: of old drivers it holds nothing (5.5.6.3.1). */
    firstBuffer: true,
    statistics: NO_STATISTICS as Statistics,
    /** What the host asks for, and what the driver has begun upon. */
    hintCommand: HINT.STOP as number,
    hintRun: HINT.STOP as number,
    /** The last run there was: a new one has a new number. */
    lastHintRun: HINT.FIRST - 1,
  };
  readonly #wiring: VirtioBalloonWiring;
  #transport: VirtioTransport | undefined;

  constructor(wiring: VirtioBalloonWiring) {
    this.#wiring = wiring;
    const { STATS_VQ, DEFLATE_ON_OOM, FREE_PAGE_HINT, PAGE_POISON, REPORTING } = BALLOON_FEATURE;
    const deflates = wiring.deflateOnOutOfMemory ?? true;
    this.features = [STATS_VQ, ...(deflates ? [DEFLATE_ON_OOM] : []), FREE_PAGE_HINT, PAGE_POISON, REPORTING];
  }

  get target(): number {
    return this.state.target;
  }

  get actual(): number {
    return this.state.actual;
  }

  get statistics(): Statistics {
    return this.state.statistics;
  }

  connect(transport: VirtioTransport): void {
    this.#transport = transport;
  }

  /** How many pages the driver is to give; the driver hears of it. */
  setTarget(pages: number): void {
    this.state.target = pages;
    this.#driver.configChanged();
  }

  /** A driver is there that gives figures when asked. */
  get givesStatistics(): boolean {
    return this.#driver.ready && this.#queueOf('statistics') !== undefined;
  }

  /** Asks for new figures. @returns false if no driver is there that gives any */
  requestStatistics(): boolean {
    const queue = this.#queueOf('statistics');
    if (!this.#driver.ready || queue === undefined) return false;
    this.state.wanted = true;
    this.#driver.schedule(queue);
    return true;
  }

  /** Asks for all pages that are free. @returns false if no driver is there that gives hints */
  startHinting(): boolean {
    const { state } = this;
    if (!this.#driver.ready || this.#queueOf('hinting') === undefined) return false;
    state.lastHintRun = state.lastHintRun === 0xffff_ffff ? HINT.FIRST : state.lastHintRun + 1;
    this.#command(state.lastHintRun);
    return true;
  }

  /** The driver may have all pages that it has hinted at. */
  endHinting(): void {
    this.#command(HINT.DONE);
  }

  readConfig(offset: number): number {
    const { target, actual, hintCommand, poison } = this.state;
    const word = [target, actual, hintCommand, poison][offset >>> 2];
    return word >>> (8 * (offset & 3));
  }

  /** Drivers write bytes, the uppermost last: then the whole of it holds. */
  writeConfig(offset: number, value: number): void {
    const { state } = this;
    const put = (word: number): number => {
      const shift = 8 * (offset & 3);
      return ((word & ~(0xff << shift)) | (value << shift)) >>> 0;
    };
    if (offset >= CONFIG.POISON) state.poison = put(state.poison);
    else if (offset >= CONFIG.ACTUAL && offset < CONFIG.HINT_COMMAND) {
      state.actualWritten = put(state.actualWritten);
      if (offset === CONFIG.HINT_COMMAND - 1) state.actual = state.actualWritten;
    }
  }

  onNotify(number: number): void {
    const role = this.#roleOf(number);
    if (role === 'statistics') return this.#serveStatistics(number);
    const queue = this.#driver.queue(number);
    for (let work = 0; work < WORK; ) {
      const chain = queue.take();
      if (chain === undefined) return;
      const cost = 1 + chain.readable.length + chain.writable.length + this.#serve(role, queue, chain);
      queue.put(chain.head, 0);
      this.#driver.occupy(cost * WORK_TIME);
      work += cost;
    }
    this.#driver.schedule(number);
  }

  onQueueReset(number: number): void {
    if (this.#roleOf(number) === 'statistics' || number === QUEUES.indexOf('statistics')) this.state.held = undefined;
  }

  onDriverReset(): void {
    const { target, statistics, lastHintRun } = this.state;
    this.reset();
    Object.assign(this.state, { statistics, lastHintRun, target });
  }

  /** What the host wants stays. */
  reset(): void {
    Object.assign(this.state, {
      ...{ actual: 0, actualWritten: 0, poison: 0, held: undefined, wanted: false, firstBuffer: true },
      ...{ statistics: NO_STATISTICS, hintCommand: HINT.STOP, hintRun: HINT.STOP, lastHintRun: HINT.FIRST - 1 },
    });
  }

  resume(): void {}

  get #driver(): VirtioTransport {
    return this.#transport!;
  }

  #command(command: number): void {
    this.state.hintCommand = command;
    this.#driver.configChanged();
  }

  /** @returns how many pages were looked at */
  #serve(role: QueueRole | undefined, queue: Virtqueue, chain: Chain): number {
    switch (role) {
      case 'inflate':
        return this.#discardNumbers(queue.read(chain, PAGE_NUMBER * MOST_NUMBERS));
      case 'reporting':
        return this.#serveReport(chain.writable);
      case 'hinting':
        return this.#serveHint(queue, chain);
      default:
        // Of deflated pages there is nothing to be done, nor of a queue that was not agreed upon.
        return 0;
    }
  }

  #discardNumbers(bytes: Uint8Array): number {
    if (bytes.length % PAGE_NUMBER !== 0) throw new QueueError(`page numbers of ${bytes.length} bytes`);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const ranges: { first: number; pages: number }[] = [];
    for (let at = 0; at < bytes.length; at += PAGE_NUMBER) {
      const first = view.getUint32(at, true);
      const last = ranges.at(-1);
      if (last && last.first + last.pages === first) last.pages++;
      else ranges.push({ first, pages: 1 });
    }
    this.#wiring.memory.discard(ranges);
    return bytes.length / PAGE_NUMBER;
  }

  /** Pages that shall hold another value than zero stay as they are (5.5.6.7). */
  #serveReport(parts: readonly BufferPart[]): number {
    const ranges = parts.map(wholePages).filter(({ pages }) => pages > 0);
    const isPoisoned = this.#driver.has(BALLOON_FEATURE.PAGE_POISON) && this.state.poison !== 0;
    if (!isPoisoned) this.#wiring.memory.discard(ranges);
    return ranges.reduce((sum, { pages }) => sum + pages, 0);
  }

  #serveHint(queue: Virtqueue, chain: Chain): number {
    const { state } = this;
    if (chain.readable.length > 0) {
      const bytes = queue.read(chain, MOST_COMMAND);
      if (bytes.length < PAGE_NUMBER) throw new QueueError(`a command of ${bytes.length} bytes`);
      state.hintRun = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    }
    // Of a run that is over, or was never asked for, nothing can be said.
    if (state.hintRun >= HINT.FIRST && state.hintRun === state.hintCommand) {
      const ranges = chain.writable.map(wholePages).filter(({ pages }) => pages > 0);
      if (ranges.length > 0) this.#wiring.onHint?.(ranges);
    }
    return 0;
  }

  /** The buffer that is held goes back when figures are wanted, and comes again with them. */
  #serveStatistics(number: number): void {
    const { state } = this;
    const queue = this.#driver.queue(number);
    for (let chain = queue.take(); chain; chain = queue.take()) {
      this.#driver.occupy((1 + chain.readable.length) * WORK_TIME);
      const bytes = queue.read(chain, MOST_STATISTICS);
      // One at a time is the rule; of more, the older ones go back.
      if (state.held) queue.put(state.held.head, 0);
      state.held = chain;
      const isEmpty = state.firstBuffer && this.#driver.legacy;
      state.firstBuffer = false;
      if (isEmpty) continue;
      state.wanted = false;
      state.statistics = parseStatistics(bytes, state.statistics);
    }
    if (!state.wanted || !state.held) return;
    queue.put(state.held.head, 0);
    state.held = undefined;
  }

  /** Queues that were agreed upon, in order. */
  get #negotiated(): readonly QueueRole[] {
    const { STATS_VQ, FREE_PAGE_HINT, REPORTING } = BALLOON_FEATURE;
    const driver = this.#driver;
    return QUEUES.filter((_, index) => index < 2 || driver.has([STATS_VQ, FREE_PAGE_HINT, REPORTING][index - 2]));
  }

  /**
   * Some drivers, as Linux since 4.20, number the queues that were agreed upon without gaps; others as the specification
   * does. Who uses one beyond what the former would have is one of the latter.
   */
  get #roles(): readonly (QueueRole | undefined)[] {
    const negotiated = this.#negotiated;
    const isBySpecification = QUEUES.some(
      (_, index) => index >= negotiated.length && this.#driver.queue(index).state.enabled,
    );
    return isBySpecification
      ? QUEUES.map((role) => (negotiated.includes(role) ? role : undefined))
      : QUEUES.map((_, index) => negotiated[index]);
  }

  #roleOf(queue: number): QueueRole | undefined {
    return this.#roles[queue];
  }

  #queueOf(role: QueueRole): number | undefined {
    const index = this.#roles.indexOf(role);
    return index < 0 ? undefined : index;
  }
}

/** Those that lie in it as a whole. */
function wholePages({ address, length }: BufferPart): PageRange {
  const first = Math.ceil(address / BALLOON_PAGE);
  return { first, pages: Math.max(0, Math.floor((address + length) / BALLOON_PAGE) - first) };
}
