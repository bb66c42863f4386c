/** The source's side of a migration: see `protocol.ts`. */
import { StateError, UserError } from '../../base/errors.ts';
import { Pc } from '../../machine/pc.ts';
import type { Codec } from '../../snapshot/codec.ts';
import type { PcGuest } from '../create-guest.ts';
import type { Guest } from '../guest.ts';
import type { GuestSettings } from '../options/guest-options.ts';
import type { GuestHead } from '../snapshot/guest-head.ts';
import { bootPages, romPages, saveHead } from '../snapshot/save-guest.ts';
import type { lockDuplex } from './byte-duplex.ts';
import { Convergence } from './convergence.ts';
import { KeptSender } from './kept-sender.ts';
import type { LateInput } from './late-input.ts';
import { type Message, MessageChannelEnd } from './message-channel.ts';
import { broken, Refusal } from './migration-error.ts';
import type { CheckedMigrateOptions, Migration, MigrationProgress } from './migration-options.ts';
import { PageSender } from './page-sender.ts';
import { packPlain } from './plain-message.ts';
import { MESSAGE, SPACE } from './protocol.ts';
import { RamSender } from './ram-sender.ts';

export interface SendParts {
  readonly ends: ReturnType<typeof lockDuplex>;
  readonly options: CheckedMigrateOptions;
  readonly settings: GuestSettings;
  readonly codec: Codec;
  /** Wall clock in ms. */
  now(): number;
  /** Lets guests and world have their turn. */
  rest(): Promise<void>;
  /** A wall-clock timer. @returns what cancels it */
  delay(ms: number, action: () => void): () => void;
  /** Denies the guest so many per cent of its time. */
  throttle(percent: number): void;
  /** A listener threw. */
  listenerFailed(error: unknown): void;
}

/** How long the other side's reason is waited for when the stream has failed, in ms. */
const LAST_WORD = 250;

/**
 * @throws UserError if the guest cannot be moved, or the stream or the other side has failed: then it goes on here;
 *   StateError if it is not known where it is (see `Guest.resolveMigration`); the reason of the signal
 */
export async function sendGuest(guest: Guest, parts: SendParts): Promise<Migration> {
  const channel = new MessageChannelEnd(parts.ends);
  const migration = new Source(guest, channel, parts);
  try {
    const result = await migration.run();
    // Neither is waited for: the stream may take nothing any more.
    void channel.close();
    return result;
  } catch (error) {
    void channel.abort(error as Error);
    throw error;
  }
}

class Source {
  readonly #guest: PcGuest;
  readonly #channel: MessageChannelEnd;
  readonly #parts: SendParts;
  readonly #convergence: Convergence;
  /** Rejects when there is no use in going on. */
  readonly #ended: Promise<never>;
  readonly #end: (why: unknown) => void;
  #failure: { readonly why: unknown } | undefined;
  #handedOver = false;
  #written = 0;
  /** When the guest was held, and the strokes that waited then. */
  #heldAt = 0;
  #strokes = 0;

  constructor(guest: Guest, channel: MessageChannelEnd, parts: SendParts) {
    this.#guest = guest as PcGuest;
    this.#channel = channel;
    this.#parts = parts;
    this.#convergence = new Convergence(parts.options);
    let reject: (why: unknown) => void = () => {};
    this.#ended = new Promise((_, refuse) => {
      reject = refuse;
    });
    this.#end = (why) => {
      this.#failure ??= { why };
      reject(why);
    };
    this.#ended.catch(() => {});
  }

  async run(): Promise<Migration> {
    const guest = this.#guest;
    const { signal } = this.#parts.options;
    const abort = () => this.#end(signal!.reason ?? broken('it was aborted'));
    const off = guest.on('exit', ({ reason }) => this.#end(new StateError(`${guest.name} has stopped (${reason})`)));
    try {
      this.#assertMovable();
      signal?.addEventListener('abort', abort);
      const answer = this.#channel.receive([MESSAGE.READY, MESSAGE.REFUSED]).then(throwIfRefused);
      answer.catch((error) => this.#end(error));
      try {
        await this.#copy();
        await this.#within(answer);
        const message = await this.#packLate();
        if (this.#failure) throw this.#failure.why;
        this.#handedOver = true;
        return await this.#handOver(message);
      } catch (error) {
        if (!this.#handedOver) guest.letGo();
        throw this.#handedOver ? error : await this.#reasonOf(error, answer);
      }
    } finally {
      this.#parts.throttle(0);
      signal?.removeEventListener('abort', abort);
      off();
      if (!this.#handedOver) guest.letGo();
    }
  }

  #assertMovable(): void {
    const { name, machine, state, exitReason } = this.#guest;
    // Since it was asked for.
    if (state === 'stopped') throw new StateError(`${name} has stopped (${exitReason?.reason})`);
    if (!(machine instanceof Pc)) throw new StateError(`${name} cannot be moved`);
    const [written] = this.#parts.settings.media?.writtenFiles ?? [];
    if (written)
      throw new UserError(`${name} writes into ${written.name}: a guest that writes into files cannot be moved yet`);
  }

  /** All that the guest is: rounds beside it, then the rest, while it stands still. */
  async #copy(): Promise<void> {
    const guest = this.#guest;
    const { settings, codec, options, now, rest } = this.#parts;
    const { machine } = guest;
    const first = saveHead(guest, settings, machine.save());
    await this.#race(this.#channel.greet());
    await this.#send(MESSAGE.HEAD, await packPlain(first, codec));
    // What the guest did meanwhile was not ours to do.
    const own = () => now() - guest.processorTime;
    const sender = new PageSender({
      ...{ codec, now: own, rest: () => this.#race(rest()) },
      send: (kind, ...bytes) => this.#send(kind, ...bytes),
    });
    for (const [index, { pages }] of bootPages(guest).entries())
      await sender.sendAll({ space: SPACE.BOOT, index }, pages);
    await sender.sendAll({ space: SPACE.ROM, index: 0 }, romPages(guest));
    await this.#send(MESSAGE.BUILD);
    const ram = new RamSender(machine, sender);
    const kept = new KeptSender(settings, sender);
    if (options.rounds > 0) await this.#rounds(ram, kept, own);
    this.#hold();
    await kept.send();
    ram.look();
    await ram.send();
    const head = this.#lastHead(first);
    const digests = { ram: ram.digest.value, others: sender.transcript.value };
    await this.#send(MESSAGE.STATE, await packPlain({ head, digests }, codec));
  }

  async #rounds(ram: RamSender, kept: KeptSender, own: () => number): Promise<void> {
    await kept.send();
    for (let more = true; more; ) {
      const start = own();
      const sent = await ram.send();
      this.#written = ram.look();
      more = this.#convergence.again({ sent, took: own() - start, written: this.#written });
      this.#parts.throttle(this.#convergence.throttle);
      this.#report();
    }
  }

  #hold(): void {
    this.#heldAt = this.#parts.now();
    this.#guest.hold();
    this.#strokes = this.#guest.keyboard.pending;
  }

  #lastHead(first: GuestHead): GuestHead {
    const guest = this.#guest;
    const { serial, debugConsole } = guest;
    const saved = saveHead(guest, this.#parts.settings, guest.machine.save());
    if (JSON.stringify(saved.media) !== JSON.stringify(first.media))
      throw new StateError(`a medium of ${guest.name} was exchanged while it was being moved`);
    return {
      ...saved,
      strokes: saved.strokes.slice(0, this.#strokes),
      output: { serial: serial.heldOutput, debugConsole: debugConsole.heldOutput },
    };
  }

  /** What was typed and sent since the guest was held. */
  async #packLate(): Promise<Uint8Array> {
    const { keyboard, serial } = this.#guest;
    for (;;) {
      const late: LateInput = { strokes: keyboard.waiting.slice(this.#strokes), serial: serial.heldInput };
      const message = await packPlain(late, this.#parts.codec);
      // More may have come meanwhile.
      const { length } = serial.heldInput;
      if (length === late.serial.length && keyboard.pending === this.#strokes + late.strokes.length) return message;
    }
  }

  /** From now on the guest runs here only if the other side says that it does not there. */
  async #handOver(message: Uint8Array): Promise<Migration> {
    const guest = this.#guest;
    const { instructions } = guest;
    try {
      const sent = this.#channel.send(MESSAGE.COMMIT, message);
      const answer = this.#channel.receive([MESSAGE.DONE, MESSAGE.REFUSED], (giveUp) => this.#patience(giveUp));
      sent.catch(() => {});
      throwIfRefused(await answer);
    } catch (error) {
      if (error instanceof Refusal) {
        guest.letGo();
        throw error;
      }
      guest.holdUncertain();
      throw new StateError(
        `it is not known whether ${guest.name} runs at the other side (${(error as Error).message}): look there, and say so by resolveMigration`,
      );
    }
    const downtime = this.#parts.now() - this.#heldAt;
    if (guest.state !== 'disposed') guest.depart();
    return { ...this.#progress, downtime, instructions };
  }

  get #progress(): MigrationProgress {
    const { rounds, throttle } = this.#convergence;
    return { rounds, throttle, bytes: this.#channel.sent, written: this.#written };
  }

  #report(): void {
    try {
      this.#parts.options.onProgress?.(this.#progress);
    } catch (error) {
      this.#parts.listenerFailed(error);
    }
  }

  async #send(kind: Parameters<MessageChannelEnd['send']>[0], ...bytes: readonly Uint8Array[]): Promise<void> {
    const sent = this.#channel.send(kind, ...bytes);
    await (this.#guest.held ? this.#within(sent) : this.#race(sent));
  }

  #race<Value>(promise: Promise<Value>): Promise<Value> {
    return Promise.race([this.#ended, promise]);
  }

  /** The guest stands still meanwhile, and not for ever. */
  async #within<Value>(promise: Promise<Value>): Promise<Value> {
    const cancel = this.#patience(this.#end);
    try {
      return await this.#race(promise);
    } finally {
      cancel();
    }
  }

  #patience(giveUp: (why: Error) => void): () => void {
    const { delay, options } = this.#parts;
    return delay(options.patience, () => giveUp(broken(`no answer came within ${options.patience} ms`)));
  }

  /** When the other side has gone, it may have said why. */
  async #reasonOf(error: unknown, answer: Promise<unknown>): Promise<unknown> {
    let cancel = (): void => {};
    const refusal = answer.then(
      () => undefined,
      (why: unknown) => (why instanceof Refusal ? why : undefined),
    );
    const waited = new Promise<undefined>((resolve) => {
      cancel = this.#parts.delay(error instanceof UserError ? LAST_WORD : 0, () => resolve(undefined));
    });
    const reason = await Promise.race([refusal, waited]);
    cancel();
    return reason ?? error;
  }
}

function throwIfRefused({ kind, bytes }: Message): void {
  if (kind !== MESSAGE.REFUSED) return;
  const reason = new TextDecoder().decode(bytes).replaceAll(/\p{Cc}+/gu, ' ');
  throw new Refusal(`the other side has refused the guest: ${reason}`);
}
