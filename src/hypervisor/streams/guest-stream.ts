/**
 * Bytes to and from a guest. What the guest sends is kept until a reader takes it: the listeners (as one reader), each
 * iterator, each `waitFor`. A new reader begins behind what any other has taken. What nobody takes is kept up to a
 * bound; then the guest is held (`full`): it gets no more slices, and as guest time depends on instructions alone, it
 * cannot tell.
 */
import { checkSignal, settledOrAborted, throwIfAborted } from '../../base/abort.ts';
import { checkBytes, checkNumber, checkOptions, shown } from '../../base/argument-check.ts';
import { StateError, TimeoutError } from '../../base/errors.ts';
import { EventSource } from '../../base/event-source.ts';
import type { ByteChannel } from '../../machine/machine.ts';
import type { WaitOptions } from '../options/guest-options.ts';
import { OutputLog } from './output-log.ts';
import { SEARCH_WINDOW, type TextMatch, TextSearch, textFinder } from './text-search.ts';

/** Output that is kept for readers that do not take it, in bytes; the guest is held when there is more. */
export const OUTPUT_BOUND = 2 ** 20;
/** Most that a listener or an iterator is given at once, in bytes. */
const LARGEST_CHUNK = 65_536;
/** What timers can do, in ms. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;
/** What has come is tried for so long if the timeout is 0, in ms. */
const LONGEST_LOOK = 1000;

/** What a stream needs of its guest. */
export interface StreamOwner {
  /** "serial of guest 1", for messages. */
  readonly title: string;
  /** Why no more output will come, if so: "has stopped". */
  ended(): string | undefined;
  disposed(): boolean;
  /** Whether it leads to the guest as well. */
  readonly takesInput: boolean;
  /** @throws StateError once the guest is disposed */
  assertUsable(): void;
  /** Something was written. */
  onInput(): void;
  /** `full` has changed. */
  onFull(): void;
  /** A wall-clock timer. @returns what cancels it */
  delay(ms: number, action: () => void): () => void;
  onListenerError(error: unknown, event: string): void;
}

interface Iterator {
  position: number;
  readonly waiting: ((result: IteratorResult<Uint8Array, undefined>) => void)[];
}

interface Waiter {
  readonly search: TextSearch;
  /** The world has its turn before the next try. What ends that. */
  cancelRest: (() => void) | undefined;
  /** Why nothing is to be waited for once all there is has been tried. */
  hopeless(): Error | undefined;
  resolve(match: TextMatch): void;
  reject(error: unknown): void;
}

export class GuestStream {
  readonly #channel: ByteChannel;
  readonly #owner: StreamOwner;
  readonly #events: EventSource<{ data: [bytes: Uint8Array] }>;
  readonly #log = new OutputLog();
  readonly #iterators = new Set<Iterator>();
  readonly #waiters = new Set<Waiter>();
  /** How far the listeners are. */
  #flowing = 0;
  /** How far the most advanced reader is. */
  #taken = 0;
  /** Where the next `waitFor` begins. */
  #searched = 0;
  #paused = false;
  #discarding = false;
  #full = false;
  #pumping = false;
  /** The guest is on its way elsewhere: what no reader has taken, and what was written meanwhile. */
  #held: { readonly output: Uint8Array; readonly input: Uint8Array[] } | undefined;

  constructor(channel: ByteChannel, owner: StreamOwner) {
    this.#channel = channel;
    this.#owner = owner;
    this.#events = new EventSource({
      names: ['data'],
      onListenerError: (error, event) => owner.onListenerError(error, event),
    });
    channel.onOutput = (bytes) => this.#receive(bytes);
  }

  /** Bytes written that the guest has not taken yet. */
  get pending(): number {
    return this.#owner.disposed() ? 0 : this.#channel.pending + this.heldInput.length;
  }

  /** More output is kept than the bound: the guest is held until a reader takes it. */
  get full(): boolean {
    return this.#full;
  }

  /** A copy of what no reader has taken, for a snapshot. */
  get unread(): Uint8Array {
    return this.#log.read(Math.max(this.#taken, this.#log.start), this.#log.end);
  }

  /** The guest moves: what no reader has taken is kept from them from now on, and what is written from the guest. */
  hold(): void {
    const output = this.unread;
    this.#log.cut(this.#log.end - output.length);
    this.#held = { output, input: [] };
  }

  /** What no reader had taken. */
  get heldOutput(): Uint8Array {
    return this.#held?.output ?? new Uint8Array(0);
  }

  /** What was written since `hold`. */
  get heldInput(): Uint8Array {
    const parts = this.#held?.input ?? [];
    const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** `here`: the guest has not moved, and readers and guest get what was kept from them; else it is elsewhere. */
  letGo({ here }: { readonly here: boolean }): void {
    const held = this.#held;
    this.#held = undefined;
    if (!held || !here) return;
    if (!this.#owner.disposed()) for (const bytes of held.input) this.#channel.send(bytes);
    this.refill(held.output);
  }

  /** As if the guest had sent it: what `unread` gave where it was saved. */
  refill(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#receive(bytes);
  }

  write(data: Uint8Array | string): void {
    const bytes =
      typeof data === 'string'
        ? new TextEncoder().encode(data)
        : Uint8Array.from(checkBytes('write: what is no string', data));
    this.#owner.assertUsable();
    if (!this.#owner.takesInput)
      throw new StateError(`${this.#owner.title} takes no input: the guest can only write to it`);
    if (this.#held) return void this.#held.input.push(bytes);
    this.#channel.send(bytes);
    this.#owner.onInput();
  }

  on(name: 'data', listener: (bytes: Uint8Array) => void): () => void {
    this.#owner.assertUsable();
    const first = this.#events.count('data') === 0;
    const off = this.#events.on(name, listener);
    if (first) this.#flowing = this.#taken;
    this.#pumpSoon();
    this.#settleUp();
    return () => {
      off();
      this.#settleUp();
    };
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#pumpSoon();
  }

  discard(): void {
    this.#discarding = true;
    const { end } = this.#log;
    this.#flowing = this.#taken = this.#searched = end;
    for (const iterator of this.#iterators) iterator.position = end;
    this.#settleUp();
  }

  async waitFor(pattern: string | RegExp, options?: WaitOptions): Promise<TextMatch> {
    const finder = textFinder(pattern);
    const given = checkOptions('waitFor: options', options, ['timeout', 'signal']);
    const timeout =
      given.timeout === undefined
        ? undefined
        : checkNumber('waitFor: timeout', given.timeout, { least: 0, most: LONGEST_TIMEOUT, unit: 'ms' });
    const signal = checkSignal('waitFor: signal', given.signal);
    this.#owner.assertUsable();
    throwIfAborted(signal);
    const search = new TextSearch(finder, this.#log, Math.max(this.#searched, this.#log.start));
    const found = search.look();
    if (found) return this.#take(found);
    const timedOut = () =>
      new TimeoutError(`${this.#owner.title}: ${shownPattern(pattern)} did not come within ${timeout} ms`);
    const hopeless = () => {
      const ended = this.#owner.ended();
      if (ended !== undefined)
        return new StateError(`${this.#owner.title}: the guest ${ended} before ${shownPattern(pattern)} came`);
      return timeout === 0 ? timedOut() : undefined;
    };
    const refused = search.hasMore ? undefined : hopeless();
    if (refused) throw refused;
    return settledOrAborted<TextMatch>(signal, (settle) => {
      const waiter: Waiter = { search, hopeless, cancelRest: undefined, ...settle };
      this.#waiters.add(waiter);
      const cancel =
        timeout === undefined
          ? undefined
          : this.#owner.delay(timeout === 0 ? LONGEST_LOOK : timeout, () => settle.reject(timedOut()));
      this.#rest(waiter);
      this.#settleUp();
      return () => {
        cancel?.();
        waiter.cancelRest?.();
        this.#waiters.delete(waiter);
        this.#settleUp();
      };
    });
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    const iterator: Iterator = { position: this.#taken, waiting: [] };
    this.#iterators.add(iterator);
    this.#settleUp();
    return {
      next: () =>
        new Promise((resolve) => {
          iterator.waiting.push(resolve);
          this.#feed(iterator);
          this.#settleUp();
        }),
      return: async () => {
        this.#end(iterator);
        this.#settleUp();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** Called by the guest when it stops: nobody waits for what will not come. */
  guestEnded(): void {
    for (const waiter of [...this.#waiters]) this.#giveUp(waiter);
    for (const iterator of [...this.#iterators]) this.#feed(iterator);
    this.#settleUp();
  }

  #receive(bytes: Uint8Array): void {
    this.#log.append(bytes);
    for (const waiter of [...this.#waiters]) this.#search(waiter);
    for (const iterator of [...this.#iterators]) this.#feed(iterator);
    this.#pump();
    this.#settleUp();
  }

  /** Tries what is new; if that may take long, no more than a window in a turn of the world. */
  #search(waiter: Waiter): void {
    if (waiter.cancelRest) return;
    const { search } = waiter;
    if (!search.hasMore) return;
    const found = search.look();
    if (found) waiter.resolve(this.#take(found));
    else this.#rest(waiter);
  }

  #rest(waiter: Waiter): void {
    if (!waiter.search.slow) return;
    waiter.cancelRest = this.#owner.delay(0, () => {
      waiter.cancelRest = undefined;
      this.#search(waiter);
      this.#giveUp(waiter);
      this.#settleUp();
    });
  }

  /** What a guest said before it stopped still counts; nobody looks any further once it is disposed. */
  #giveUp(waiter: Waiter): void {
    if (!this.#waiters.has(waiter)) return;
    if (waiter.search.hasMore && !this.#owner.disposed()) return;
    const reason = waiter.hopeless();
    if (reason) waiter.reject(reason);
  }

  #take({ match, end }: { match: TextMatch; end: number }): TextMatch {
    this.#searched = Math.max(this.#searched, end);
    this.#taken = Math.max(this.#taken, end);
    this.#settleUp();
    return match;
  }

  /** Not at once: who calls `on` or `resume` first gets his answer. */
  #pumpSoon(): void {
    void Promise.resolve().then(() => {
      this.#pump();
      this.#settleUp();
    });
  }

  /** Gives the listeners what there is. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (!this.#paused && this.#flowing < this.#log.end && this.#events.count('data') > 0) {
      const from = this.#flowing;
      this.#flowing = Math.min(this.#log.end, from + LARGEST_CHUNK);
      this.#taken = Math.max(this.#taken, this.#flowing);
      this.#events.emit('data', this.#log.read(from, this.#flowing));
    }
    this.#pumping = false;
  }

  /** Answers an iterator's calls, as far as there is an answer. */
  #feed(iterator: Iterator): void {
    while (iterator.waiting.length > 0) {
      const from = iterator.position;
      const alive = this.#iterators.has(iterator);
      if (alive && from < this.#log.end) {
        iterator.position = Math.min(this.#log.end, from + LARGEST_CHUNK);
        this.#taken = Math.max(this.#taken, iterator.position);
        iterator.waiting.shift()!({ done: false, value: this.#log.read(from, iterator.position) });
      } else if (!alive || this.#owner.ended() !== undefined) this.#end(iterator);
      else return;
    }
  }

  #end(iterator: Iterator): void {
    this.#iterators.delete(iterator);
    for (const answer of iterator.waiting.splice(0)) answer({ done: true, value: undefined });
  }

  /** After any change: forgets what nobody can want any more, and says whether the guest is to be held. */
  #settleUp(): void {
    const log = this.#log;
    const positions = [...this.#iterators].map(({ position }) => position);
    if (this.#events.count('data') > 0) positions.push(this.#flowing);
    const onlyWaiters = positions.length === 0 && this.#waiters.size > 0;
    if (positions.length === 0) {
      // Who waits for a text takes what does not match; else it would wait for a guest that waits for a reader.
      if (this.#discarding) this.#taken = log.end;
      else if (onlyWaiters) this.#taken = Math.max(this.#taken, log.end - OUTPUT_BOUND);
      positions.push(this.#taken);
    }
    const wanted = Math.min(...positions);
    const searches = [...this.#waiters].map(({ search }) => search.start);
    log.trim(Math.min(wanted, Math.max(this.#searched, log.end - SEARCH_WINDOW), ...searches));
    // An expression that can't keep up holds the guest like any slow reader.
    const tried = [...this.#waiters].map(({ search }) => search.next);
    const needed = Math.min(...tried, onlyWaiters ? log.end : wanted);
    const full = log.end - needed >= OUTPUT_BOUND;
    if (full === this.#full) return;
    this.#full = full;
    this.#owner.onFull();
  }
}

const shownPattern = (pattern: string | RegExp): string =>
  typeof pattern === 'string' ? shown(pattern) : shown(String(pattern)).slice(1, -1);
