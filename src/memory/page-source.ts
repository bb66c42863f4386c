/** Where the bytes of pages are that no frame holds: a snapshot's file, a swap file. */
export interface PageSource {
  readonly kind: 'snapshot' | 'swap';
  /**
   * The 4096 bytes of a slot, good until the next call. At once: whoever touches the page waits.
   * @throws any error, where they cannot be had: who touched the page meets a `LostPageError`
   */
  read(slot: number): Uint8Array;
  /** One more memory has a page in this slot. */
  share(slot: number): void;
  /** A memory has no page in this slot any longer. When none has, what is in it may go. */
  release(slot: number): void;
}

/** Takes pages that nobody has touched for a while. */
export interface SwapSpace extends PageSource {
  /** Keeps a copy of 4096 bytes. @returns its slot, with one holder; undefined if there is no room */
  write(bytes: Uint8Array): number | undefined;
}
