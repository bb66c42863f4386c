/** What computes for snapshots; implemented in `host`, where it may be faster than here. */
export interface Codec {
  /** Raw deflate data (RFC 1951). */
  deflate(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /**
   * The `length` bytes that were deflated.
   * @throws (or rejects) where it is not exactly so many, and for what is no such data; it allocates no more
   */
  inflate(bytes: Uint8Array, length: number): Uint8Array | Promise<Uint8Array>;
  /** SHA-256 (FIPS 180-4): 32 bytes. */
  digest(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

export const DIGEST_BYTES = 32;
