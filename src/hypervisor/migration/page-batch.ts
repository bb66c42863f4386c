/** A message of pages as it is put together, and as it is taken apart: see `protocol.ts`. */
import { PAGE_SIZE } from '../../base/address.ts';
import type { Codec } from '../../snapshot/codec.ts';
import { wrongStream } from './migration-error.ts';
import { CONTENT, MOST_CONTENTS, MOST_PAGES, PAGE_ENTRY_BYTES, PAGES_HEAD_BYTES, type SPACE } from './protocol.ts';

export interface PageSpace {
  readonly space: (typeof SPACE)[keyof typeof SPACE];
  readonly index: number;
}

export class PageBatch {
  readonly #entries = new Uint32Array(2 * MOST_PAGES);
  readonly #contents = new Uint8Array(MOST_CONTENTS * PAGE_SIZE);
  #pages = 0;
  #held = 0;

  get isEmpty(): boolean {
    return this.#pages === 0;
  }

  get isFull(): boolean {
    return this.#pages === MOST_PAGES || this.#held === MOST_CONTENTS;
  }

  /** Copies it. */
  add(page: number, bytes: Uint8Array): void {
    this.#contents.set(bytes, this.#held++ * PAGE_SIZE);
    this.#enter(page, CONTENT.HERE);
  }

  /** `from`: a page of RAM, or `CONTENT.ZERO`. */
  addReference(page: number, from: number): void {
    this.#enter(page, from);
  }

  get contents(): Uint8Array {
    return this.#contents.subarray(0, this.#held * PAGE_SIZE);
  }

  /** What is in front of `contents`, or of their packed form, which has so many bytes; and empties it. */
  finish({ space, index }: PageSpace, packed: number): Uint8Array {
    const bytes = new Uint8Array(PAGES_HEAD_BYTES + this.#pages * PAGE_ENTRY_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, space);
    view.setUint16(2, index, true);
    view.setUint32(4, this.#pages, true);
    view.setUint32(8, packed, true);
    for (let at = 0; at < 2 * this.#pages; at++) view.setUint32(PAGES_HEAD_BYTES + 4 * at, this.#entries[at], true);
    this.#pages = 0;
    this.#held = 0;
    return bytes;
  }

  #enter(page: number, from: number): void {
    this.#entries[2 * this.#pages] = page;
    this.#entries[2 * this.#pages + 1] = from;
    this.#pages++;
  }
}

/** A page that has come. `from`: another page of RAM that has its content; neither: it is zero. */
export interface ReceivedPage {
  readonly page: number;
  readonly bytes?: Uint8Array | undefined;
  readonly from?: number | undefined;
}

/** @throws UserError for what `PageBatch` does not make */
export async function unpackBatch(
  message: Uint8Array,
  codec: Codec,
): Promise<PageSpace & { readonly pages: readonly ReceivedPage[] }> {
  if (message.length < PAGES_HEAD_BYTES) throw wrongStream('pages without a beginning');
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const [space, index, count] = [view.getUint8(0), view.getUint16(2, true), view.getUint32(4, true)];
  const packed = view.getUint32(8, true);
  const start = PAGES_HEAD_BYTES + count * PAGE_ENTRY_BYTES;
  if (space > 3 || view.getUint8(1) !== 0) throw wrongStream('pages of nothing');
  if (count > MOST_PAGES || start > message.length) throw wrongStream('the number of pages');
  const entries = Array.from({ length: count }, (_, entry) => ({
    page: view.getUint32(PAGES_HEAD_BYTES + entry * PAGE_ENTRY_BYTES, true),
    from: view.getUint32(PAGES_HEAD_BYTES + entry * PAGE_ENTRY_BYTES + 4, true),
  }));
  const held = entries.filter(({ from }) => from === CONTENT.HERE).length;
  if (held > MOST_CONTENTS) throw wrongStream('the number of contents');
  const rest = message.subarray(start);
  if (rest.length !== (packed === 0 ? held * PAGE_SIZE : packed)) throw wrongStream('the length of pages');
  const contents = packed === 0 ? rest : await unpack(codec, rest, held * PAGE_SIZE);
  let at = 0;
  const pages = entries.map(({ page, from }): ReceivedPage => {
    if (from === CONTENT.ZERO) return { page };
    if (from !== CONTENT.HERE) return { page, from };
    at += PAGE_SIZE;
    return { page, bytes: contents.subarray(at - PAGE_SIZE, at) };
  });
  return { space: space as PageSpace['space'], index, pages };
}

/** @throws UserError for what cannot be unpacked to so many bytes */
export async function unpack(codec: Codec, packed: Uint8Array, length: number): Promise<Uint8Array> {
  try {
    return await codec.inflate(packed, length);
  } catch {
    // The library has errors of its own for what it cannot read.
    throw wrongStream('what cannot be unpacked');
  }
}
