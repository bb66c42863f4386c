/** The pages of one memory that are elsewhere: which slot of which source each is in. */
import { PAGE_SIZE } from '../base/address.ts';
import { InternalError, UserError } from '../base/errors.ts';
import type { PageSource } from './page-source.ts';

/** A page that is elsewhere cannot be had: a file is damaged or gone. Its guest ends when it meets one; others go on. */
export class LostPageError extends UserError {}

export class Elsewhere {
  readonly #pages: number;
  readonly #sources: PageSource[] = [];
  /** By page, made at first need: 1 + index of its source, 0 if it is not elsewhere; and its slot. */
  #sourceOf = new Uint8Array(0);
  #slotOf = new Uint32Array(0);
  /** Pages by the kind of their source. */
  readonly #counts = { snapshot: 0, swap: 0 };

  constructor(pages: number) {
    this.#pages = pages;
  }

  /** Pages that are in sources of a kind. */
  get counts(): Readonly<Record<PageSource['kind'], number>> {
    return this.#counts;
  }

  /** From now on a page that was not elsewhere is, in a slot that it is a holder of already. */
  put(page: number, source: PageSource, slot: number): void {
    if (this.#sourceOf.length === 0) {
      this.#sourceOf = new Uint8Array(this.#pages);
      this.#slotOf = new Uint32Array(this.#pages);
    }
    this.#sourceOf[page] = this.#numberOf(source);
    this.#slotOf[page] = slot;
    this.#counts[source.kind]++;
  }

  /** Its 4096 bytes, good until the next call. @throws LostPageError */
  read(page: number): Uint8Array {
    try {
      const bytes = this.#source(page)!.read(this.#slotOf[page]);
      if (bytes.length !== PAGE_SIZE) throw new InternalError(`${bytes.length} bytes`);
      return bytes;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new LostPageError(`page ${page.toString(16).toUpperCase()}h of its memory cannot be had: ${reason}`, {
        cause,
      });
    }
  }

  /** What kind of source it is in; undefined if it is not elsewhere. */
  kindOf(page: number): PageSource['kind'] | undefined {
    return this.#source(page)?.kind;
  }

  /** It is not elsewhere any longer. */
  forget(page: number): void {
    const source = this.#source(page);
    if (source === undefined) return;
    this.#sourceOf[page] = 0;
    this.#counts[source.kind]--;
    source.release(this.#slotOf[page]);
  }

  /** As a memory of the same size has it, which has frames where this one has. */
  copyFrom(other: Elsewhere): void {
    for (let page = 0; page < other.#sourceOf.length; page++) if (other.#sourceOf[page] !== 0) this.copy(page, other);
  }

  /** A page that is elsewhere in `other`, and not here, is here from now on, too. */
  copy(page: number, other: Elsewhere): void {
    const source = other.#source(page)!;
    const slot = other.#slotOf[page];
    source.share(slot);
    this.put(page, source, slot);
  }

  /** Whether a page is in the same slot of the same source. */
  isSame(page: number, other: Elsewhere): boolean {
    return this.#source(page) === other.#source(page) && this.#slotOf[page] === other.#slotOf[page];
  }

  /** The first page from `first` on that is in this source; undefined if there is none. */
  next(source: PageSource, first: number): number | undefined {
    const number = this.#sources.indexOf(source) + 1;
    const found = number === 0 ? -1 : this.#sourceOf.indexOf(number, first);
    return found < 0 ? undefined : found;
  }

  #source(page: number): PageSource | undefined {
    const number = this.#sourceOf[page] ?? 0;
    return number === 0 ? undefined : this.#sources[number - 1];
  }

  /** 1 + its index. A memory has few: the snapshot that it is from, and swap. */
  #numberOf(source: PageSource): number {
    const known = this.#sources.indexOf(source);
    const number = known < 0 ? this.#sources.push(source) : known + 1;
    if (number > 255) throw new InternalError('a memory has pages in too many places');
    return number;
  }
}
