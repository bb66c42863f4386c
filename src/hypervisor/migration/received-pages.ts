/** Pages that come before there is a machine to put them into: its boot image and ROM. */
import { PAGE_SIZE } from '../../base/address.ts';
import type { NumberedPage } from '../../snapshot/snapshot-writer.ts';
import { type GuestHead, PAGES } from '../snapshot/guest-head.ts';
import type { FoundPages } from '../snapshot/restore-guest.ts';
import { wrongStream } from './migration-error.ts';
import type { PageSpace, ReceivedPage } from './page-batch.ts';
import { SPACE } from './protocol.ts';

export class ReceivedPages implements FoundPages {
  readonly #pages = new Map<string, NumberedPage[]>();
  /** By what they belong to: numbers are below it. */
  readonly #most = new Map<string, number>();
  readonly #rom: ReadonlySet<number>;

  /** `romPages`: where there is ROM. */
  constructor({ boot }: GuestHead, romPages: readonly number[]) {
    this.#rom = new Set(romPages);
    for (const [index, { address, length }] of boot.pieces.entries())
      this.#most.set(PAGES.boot(index), Math.ceil(((address % PAGE_SIZE) + length) / PAGE_SIZE));
  }

  /** A copy. @throws UserError for one that belongs to nothing, and out of order */
  add({ space, index }: PageSpace, { page, bytes }: ReceivedPage): void {
    const name = space === SPACE.ROM ? PAGES.ROM : PAGES.boot(index);
    const fits = space === SPACE.ROM ? this.#rom.has(page) : page < (this.#most.get(name) ?? 0);
    const pages = this.#pages.get(name) ?? [];
    if (bytes === undefined || !fits || page <= (pages.at(-1)?.page ?? -1)) throw wrongStream(`a page of ${name}`);
    pages.push({ page, bytes: new Uint8Array(bytes) });
    this.#pages.set(name, pages);
  }

  numbers(name: string): Uint32Array {
    return Uint32Array.from(this.#pages.get(name) ?? [], ({ page }) => page);
  }

  /** Each once: they are forgotten then. */
  async *pages(name: string): AsyncGenerator<NumberedPage> {
    const pages = this.#pages.get(name) ?? [];
    this.#pages.delete(name);
    yield* pages;
  }
}
