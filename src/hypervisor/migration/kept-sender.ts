/** Sends what was written to media and is kept in memory: what has changed since it was last sent. */
import type { GuestSettings } from '../options/guest-options.ts';
import { keptPages } from '../snapshot/save-guest.ts';
import type { PageSender } from './page-sender.ts';
import { SPACE } from './protocol.ts';

export class KeptSender {
  readonly #media: GuestSettings['media'];
  readonly #sender: PageSender;
  /** By drive: the version of each page that the other side has. */
  readonly #sent: Map<number, number>[] = [];

  constructor({ media }: GuestSettings, sender: PageSender) {
    this.#media = media;
    this.#sender = sender;
  }

  async send(): Promise<void> {
    for (const [index, { pages }] of keptPages(this.#media).entries()) {
      this.#sent[index] ??= new Map();
      await this.#sender.sendAll({ space: SPACE.MEDIUM, index }, this.#changed(pages, this.#sent[index]));
    }
  }

  *#changed<Page extends { readonly page: number; readonly version: number }>(
    pages: Iterable<Page>,
    sent: Map<number, number>,
  ): Generator<Page> {
    for (const page of pages) {
      if (sent.get(page.page) === page.version) continue;
      sent.set(page.page, page.version);
      yield page;
    }
  }
}
