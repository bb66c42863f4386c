/** Sends the pages of a guest's RAM: those of zeros and those that the other side has already as references. */
import type { Pc } from '../../machine/pc.ts';
import { hashPage, PageDigest, type PageHash } from './page-digest.ts';
import type { PageSender } from './page-sender.ts';
import { CONTENT, SPACE } from './protocol.ts';

const RAM = { space: SPACE.RAM, index: 0 } as const;
/** Pages that have been sent, found by a hash: the newest of each place in a table. */
const TABLE = 2 ** 16;
const NONE = -1;

export class RamSender {
  /** Of what the other side has. */
  readonly digest: PageDigest;
  readonly #pc: Pc;
  readonly #sender: PageSender;
  /** By page: what was sent is not what it is now. */
  readonly #stale: Uint8Array;
  readonly #sent = new Int32Array(TABLE).fill(NONE);
  readonly #hash: PageHash = { high: 0, low: 0 };

  constructor(pc: Pc, sender: PageSender) {
    this.#pc = pc;
    this.#sender = sender;
    const pages = pc.memory.size / 4096;
    this.digest = new PageDigest(pages);
    this.#stale = new Uint8Array(pages).fill(1);
    pc.takeWrittenPages();
  }

  /** Notes what the guest has written since this was last called. @returns pages that the other side has not as they are */
  look(): number {
    for (const page of this.#pc.takeWrittenPages()) this.#stale[page] = 1;
    return this.#stale.reduce((sum, stale) => sum + stale, 0);
  }

  /**
   * Sends what the other side has not, as it is when its turn comes. What the guest has written since `look` is left out:
   * it will be written again, or comes next time.
   * @returns how many pages were sent
   */
  async send(): Promise<number> {
    let sent = 0;
    for (let page = 0; page < this.#stale.length; page++) {
      if (this.#stale[page] === 0 || this.#pc.memory.isWritten(page)) continue;
      this.#add(page);
      sent++;
      await this.#sender.flushIfFull(RAM);
    }
    await this.#sender.flush(RAM);
    return sent;
  }

  #add(page: number): void {
    const { memory } = this.#pc;
    const { batch } = this.#sender;
    const bytes = memory.ramBytes(page);
    this.#stale[page] = 0;
    if (bytes) hashPage(bytes, this.#hash);
    if (!bytes || this.#hash.low === 0) {
      if (this.digest.isZero(page)) return;
      this.digest.set(page);
      return batch.addReference(page, CONTENT.ZERO);
    }
    this.digest.set(page, this.#hash);
    const place = this.#hash.low % TABLE;
    const other = this.#sent[place];
    this.#sent[place] = page;
    if (other !== NONE && other !== page && this.#hasSent(other, bytes)) batch.addReference(page, other);
    else batch.add(page, bytes);
  }

  /** Whether the other side has these very bytes in a page. */
  #hasSent(page: number, bytes: Uint8Array): boolean {
    const { memory } = this.#pc;
    if (this.#stale[page] !== 0 || memory.isWritten(page)) return false;
    const other = memory.ramBytes(page);
    return other !== undefined && areEqual(other, bytes);
  }
}

/** Two frames. */
function areEqual(one: Uint8Array, other: Uint8Array): boolean {
  const [left, right] = [one, other].map(({ buffer, byteOffset }) => new Uint32Array(buffer, byteOffset, 1024));
  for (let index = 0; index < 1024; index++) if (left[index] !== right[index]) return false;
  return true;
}
