/** Sends pages in batches, deflated where that pays, and lets guests and world have their turn in between. */
import type { Codec } from '../../snapshot/codec.ts';
import type { NumberedPage } from '../../snapshot/snapshot-writer.ts';
import { PackingChoice } from './packing-choice.ts';
import { PageBatch, type PageSpace } from './page-batch.ts';
import { hashPage, type PageHash, PageTranscript } from './page-digest.ts';
import { MESSAGE } from './protocol.ts';

/** Work that is done without a rest, in ms: as long as guests have their slices. */
const WORK = 4;
const NOTHING = new Uint8Array(0);

export interface PageSenderParts {
  readonly codec: Codec;
  /** @throws (or rejects) when there is no use in going on */
  send(kind: typeof MESSAGE.PAGES, ...parts: readonly Uint8Array[]): Promise<void>;
  /** Ms that were not the guest's. */
  now(): number;
  rest(): Promise<void>;
}

export class PageSender {
  readonly batch = new PageBatch();
  /** Of all that is not RAM. */
  readonly transcript = new PageTranscript();
  readonly #parts: PageSenderParts;
  readonly #choice = new PackingChoice();
  readonly #hash: PageHash = { high: 0, low: 0 };
  #lastRest: number;

  constructor(parts: PageSenderParts) {
    this.#parts = parts;
    this.#lastRest = parts.now();
  }

  /** Pages that are no RAM. */
  async sendAll(space: PageSpace, pages: Iterable<NumberedPage>): Promise<void> {
    for (const { page, bytes } of pages) {
      hashPage(bytes, this.#hash);
      this.transcript.add(page, this.#hash);
      this.batch.add(page, bytes);
      await this.flushIfFull(space);
    }
    await this.flush(space);
  }

  async flushIfFull(space: PageSpace): Promise<void> {
    if (this.batch.isFull) return await this.flush(space);
    // Pages of zeros need no message, but they take time.
    if (this.#parts.now() - this.#lastRest > WORK) await this.#rest();
  }

  async flush(space: PageSpace): Promise<void> {
    if (this.batch.isEmpty) return;
    const { contents } = this.batch;
    const { codec, now } = this.#parts;
    let start = now();
    let packed: Uint8Array = NOTHING;
    if (contents.length > 0 && this.#choice.packs) {
      packed = await codec.deflate(contents);
      this.#choice.packed({ bytes: contents.length, packed: packed.length, took: now() - start });
      if (packed.length >= contents.length) packed = NOTHING;
    }
    start = now();
    const bytes = packed.length > 0 ? packed : contents;
    await this.#parts.send(MESSAGE.PAGES, this.batch.finish(space, packed.length), bytes);
    if (bytes.length > 0) this.#choice.sent({ bytes: bytes.length, took: now() - start });
    if (now() - this.#lastRest > WORK) await this.#rest();
  }

  async #rest(): Promise<void> {
    await this.#parts.rest();
    this.#lastRest = this.#parts.now();
  }
}
