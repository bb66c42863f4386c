/**
 * What a drive has in it: bytes that outlive the machine. Offsets and lengths are in bytes. It answers at once or later,
 * in the order of the calls; a drive wraps what it asks for in a `Pending`, and completes at a guest time that depends
 * on the request alone.
 */
export interface Medium {
  /** Bytes. */
  readonly size: number;
  readonly readOnly: boolean;
  /** Exactly `length` bytes, within `size`, the caller's own. It fails as the host's side does (a `StorageError`, say). */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
  /** `bytes` stay as they are until it is done, and no longer. */
  write(offset: number, bytes: Uint8Array): void | Promise<void>;
  /** All that was written is on stable storage. */
  flush(): void | Promise<void>;
}
