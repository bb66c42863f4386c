/** The destination's side of a migration: see `protocol.ts`. */
import { type AbortSignalLike, throwIfAborted } from '../../base/abort.ts';
import { PAGE_SIZE } from '../../base/address.ts';
import { checkConfigurationOf } from '../../machine/machine-state-schema.ts';
import type { Pc, SharedCode } from '../../machine/pc.ts';
import type { SharedPool } from '../../machine/shared-pool.ts';
import type { Codec } from '../../snapshot/codec.ts';
import { anything, record, text } from '../../snapshot/schema.ts';
import type { GuestMedia } from '../media/guest-media.ts';
import type { OpenImage } from '../media/image-opener.ts';
import type { CheckedMedia } from '../options/check-media-options.ts';
import { checkHead, type GuestHead, PAGES } from '../snapshot/guest-head.ts';
import { createUnbooted, mediaOf, orDisposed } from '../snapshot/restore-guest.ts';
import { type LateInput, lateInput } from './late-input.ts';
import type { MessageChannelEnd } from './message-channel.ts';
import { broken, wrongStream } from './migration-error.ts';
import type { CheckedReceiveOptions } from './migration-options.ts';
import { type PageSpace, type ReceivedPage, unpackBatch } from './page-batch.ts';
import { hashPage, PageDigest, type PageHash, PageTranscript } from './page-digest.ts';
import { unpackPlain } from './plain-message.ts';
import { MESSAGE, type MessageKind, SPACE } from './protocol.ts';
import { ReceivedPages } from './received-pages.ts';

export interface ReceiveParts {
  readonly options: CheckedReceiveOptions;
  readonly code: SharedCode;
  readonly codec: Codec;
  /** Where its memory is to be; undefined: in a pool of its own. */
  pool(): SharedPool | undefined;
  openMedia(media: CheckedMedia): Promise<GuestMedia | undefined>;
  /** @throws UserError for a name that cannot be */
  nameOf(head: GuestHead): string;
  /** Lets guests and world have their turn. @throws (as a rejection) when there is no use in going on */
  rest(): Promise<void>;
  /** A wall-clock timer. @returns what cancels it */
  delay(ms: number, action: () => void): () => void;
  /** @throws when there is no use in going on */
  assertAlive(): void;
  /** @throws UserError when it holds more than there is for it here */
  assertRoom(machine: Pc): void;
}

/** A guest that has come: all but that it is a guest of this host. */
export interface Received {
  readonly name: string;
  readonly machine: Pc;
  readonly media: GuestMedia | undefined;
  readonly head: GuestHead;
  readonly late: LateInput;
}

/** Messages that are worked on without a rest. */
const MESSAGES_A_TURN = 8;

const lastState = record({ head: anything, digests: record({ ram: text(16), others: text(16) }) });

/**
 * Resolves when the guest has been handed over: it is here, and nowhere else.
 * @throws UserError for a stream that fails or is none, and for a guest that cannot be had; the signal's reason: then
 *   nothing is left of it here. The caller says so to the other side
 */
export async function receiveGuest(channel: MessageChannelEnd, parts: ReceiveParts): Promise<Received> {
  const destination = new Destination(channel, parts);
  try {
    return await destination.run();
  } catch (error) {
    await destination.abandon();
    throw error;
  }
}

class Destination {
  readonly #channel: MessageChannelEnd;
  readonly #parts: ReceiveParts;
  readonly #transcript = new PageTranscript();
  readonly #hash: PageHash = { high: 0, low: 0 };
  #machine: Pc | undefined;
  #media: GuestMedia | undefined;
  #ram = new PageDigest(0);
  #messages = 0;

  constructor(channel: MessageChannelEnd, parts: ReceiveParts) {
    this.#channel = channel;
    this.#parts = parts;
  }

  async run(): Promise<Received> {
    const { options, code, codec, openMedia, nameOf } = this.#parts;
    this.#say(this.#channel.greet());
    const first = checkHead(await unpackPlain((await this.#next([MESSAGE.HEAD])).bytes, codec), 'guest');
    const name = nameOf(first);
    const { memoryBytes, romPages } = checkConfigurationOf(first.machine);
    const constant = new ReceivedPages(first, romPages);
    this.#media = await openMedia(mediaOf(first, constant, options.restore));
    await this.#receivePages(MESSAGE.BUILD, async (space, page) => {
      if (space.space === SPACE.RAM || space.space === SPACE.MEDIUM) throw wrongStream('pages before their machine');
      this.#note(page);
      constant.add(space, page);
    });
    const engine = options.restore.engine;
    const found = { name, head: first, file: constant, engine, code, media: this.#media };
    const machine = await createUnbooted({ ...found, pool: this.#parts.pool() });
    this.#machine = machine;
    for await (const { page, bytes } of constant.pages(PAGES.ROM))
      machine.memory.addContent({ kind: 'rom', page, bytes });
    this.#ram = new PageDigest(memoryBytes / PAGE_SIZE);
    const drives = this.#drives;
    const state = await this.#receivePages(MESSAGE.STATE, async ({ space, index }, page) => {
      if (space === SPACE.RAM) return this.#putPage(machine, page);
      if (space !== SPACE.MEDIUM) throw wrongStream('pages of a boot image');
      this.#note(page);
      await writeMedium(drives[index], page);
    });
    const head = await this.#restore(first, state, machine);
    this.#say(this.#channel.send(MESSAGE.READY));
    const late = lateInput(await unpackPlain((await this.#next([MESSAGE.COMMIT])).bytes, codec), 'input');
    this.#parts.assertAlive();
    throwIfAborted(options.signal);
    return { name, machine, media: this.#media, head, late };
  }

  async abandon(): Promise<void> {
    this.#machine?.dispose();
    await this.#media?.abandon();
  }

  /** @returns the bytes of the message behind them, of kind `end` */
  async #receivePages(
    end: MessageKind,
    put: (space: PageSpace, page: ReceivedPage) => Promise<void>,
  ): Promise<Uint8Array> {
    for (;;) {
      const { kind, bytes } = await this.#next([MESSAGE.PAGES, end]);
      if (kind === end) return bytes;
      const { pages, ...space } = await unpackBatch(bytes, this.#parts.codec);
      for (const page of pages) await put(space, page);
      if (++this.#messages % MESSAGES_A_TURN !== 0) continue;
      await this.#parts.rest();
      if (this.#machine) this.#parts.assertRoom(this.#machine);
    }
  }

  /** Not waited for: who does not hear it says nothing either, and for that there is patience. */
  #say(sent: Promise<void>): void {
    sent.catch(() => {});
  }

  async #next(kinds: readonly MessageKind[]) {
    const { signal, patience } = this.#parts.options;
    throwIfAborted(signal);
    return await this.#channel.receive(kinds, (giveUp) => {
      const cancel = this.#parts.delay(patience, () => giveUp(broken(`nothing has come for ${patience} ms`)));
      const off = onAbort(signal, giveUp);
      return () => {
        cancel();
        off();
      };
    });
  }

  /** Of what is no RAM. */
  #note({ page, bytes }: ReceivedPage): void {
    if (bytes === undefined) throw wrongStream('a page without a content');
    hashPage(bytes, this.#hash);
    this.#transcript.add(page, this.#hash);
  }

  #putPage({ memory }: Pc, { page, bytes, from }: ReceivedPage): void {
    const pages = memory.size / PAGE_SIZE;
    if (!(page < pages) || (from !== undefined && !(from < pages))) throw wrongStream('a page beyond its memory');
    const content = bytes ?? (from === undefined ? undefined : memory.ramBytes(from));
    if (content) hashPage(content, this.#hash);
    if (content && this.#hash.low !== 0) {
      this.#ram.set(page, this.#hash);
      // A new frame may make the pool grow, and then this view of another one is no longer good.
      memory.addContent({ kind: 'ram', page, bytes: from === undefined ? content : new Uint8Array(content) });
    } else {
      this.#ram.set(page);
      memory.clearContent(page);
    }
  }

  /** In the order of the head. */
  get #drives(): readonly (OpenImage | undefined)[] {
    const media = this.#media;
    if (!media) return [];
    const { disks, cdrom, floppies } = media;
    return [...disks, ...(cdrom ? [cdrom.medium] : []), ...floppies.map(({ medium }) => medium)];
  }

  async #restore(first: GuestHead, state: Uint8Array, machine: Pc): Promise<GuestHead> {
    const { codec } = this.#parts;
    const { head, digests } = lastState(await unpackPlain(state, codec), 'state');
    const checked = checkHead(head, 'guest');
    if (digests.ram !== this.#ram.value || digests.others !== this.#transcript.value)
      throw wrongStream('its pages are not those that were sent');
    if (JSON.stringify([checked.boot, checked.media]) !== JSON.stringify([first.boot, first.media]))
      throw wrongStream('it boots something else than it did');
    this.#media?.restoreChanges(checked.media);
    this.#machine = undefined;
    await orDisposed(checked.guest.name, machine, async () => machine.restoreForeign(checked.machine));
    this.#machine = machine;
    return checked;
  }
}

async function writeMedium(image: OpenImage | undefined, { page, bytes }: ReceivedPage): Promise<void> {
  const offset = page * PAGE_SIZE;
  if (image?.saved().write !== 'discard' || image.readOnly || !(offset < image.size))
    throw wrongStream('what was written to no disk');
  await image.write(offset, bytes!.subarray(0, image.size - offset));
}

function onAbort(signal: AbortSignalLike | undefined, giveUp: (why: Error) => void): () => void {
  const abort = () => giveUp((signal!.reason ?? broken('it was aborted')) as Error);
  signal?.addEventListener('abort', abort);
  return () => signal?.removeEventListener('abort', abort);
}
