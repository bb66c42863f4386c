/** Finds pages by their digests: open addressing over numbers, since a Map of texts would take ten times as much memory. */
import { DIGEST_BYTES } from '../codec.ts';

const LEAST = 1024;
/** Slots that are looked at: who makes digests that begin alike shall not make all be compared with all. */
const MOST_PROBES = 256;

/** Where a page is: in which pack, and its number there. */
export interface PagePlace {
  readonly pack: number;
  readonly page: number;
}

export class DigestTable {
  /** By entry: the digest's first word, which pack, which page. */
  #hashes = new Uint32Array(LEAST);
  #packs = new Uint32Array(LEAST);
  #pages = new Uint32Array(LEAST);
  /** Entry + 1 by slot; 0: none. Twice as many slots as entries at the least. */
  #slots = new Uint32Array(2 * LEAST);
  #count = 0;
  readonly #digests: (pack: number) => Uint8Array;

  /** `digests`: of all pages of a pack, 32 bytes each. */
  constructor(digests: (pack: number) => Uint8Array) {
    this.#digests = digests;
  }

  get size(): number {
    return this.#count;
  }

  add({ pack, page }: PagePlace): void {
    if (this.#count === this.#hashes.length) this.#grow();
    const entry = this.#count++;
    this.#hashes[entry] = hashOf(this.#digests(pack), page * DIGEST_BYTES);
    this.#packs[entry] = pack;
    this.#pages[entry] = page;
    this.#enter(entry);
  }

  find(digest: Uint8Array): PagePlace | undefined {
    const hash = hashOf(digest, 0);
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask, probes = 0; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot] - 1;
      if (++probes > MOST_PROBES) break;
      if (this.#hashes[entry] !== hash) continue;
      const [pack, page] = [this.#packs[entry], this.#pages[entry]];
      if (isAt(digest, this.#digests(pack), page * DIGEST_BYTES)) return { pack, page };
    }
    return undefined;
  }

  /** One that has no place nearby is not found later, and stored again. */
  #enter(entry: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.#hashes[entry] & mask;
    for (let probes = 1; this.#slots[slot] !== 0; slot = (slot + 1) & mask) if (++probes > MOST_PROBES) return;
    this.#slots[slot] = entry + 1;
  }

  #grow(): void {
    const larger = (array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> => {
      const result = new Uint32Array(2 * array.length);
      result.set(array);
      return result;
    };
    this.#hashes = larger(this.#hashes);
    this.#packs = larger(this.#packs);
    this.#pages = larger(this.#pages);
    this.#slots = new Uint32Array(2 * this.#hashes.length);
    for (let entry = 0; entry < this.#count; entry++) this.#enter(entry);
  }
}

/** A digest's bits are as good as any hash. */
const hashOf = (bytes: Uint8Array, at: number): number =>
  (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;

function isAt(digest: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let index = 0; index < DIGEST_BYTES; index++) if (bytes[at + index] !== digest[index]) return false;
  return true;
}
