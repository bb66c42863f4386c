/** What the hypervisor needs of the world around it to swap. Implemented in `host`. All answers come at once. */
export interface SwapFiles {
  readonly codec: {
    /** Raw deflate data (RFC 1951). */
    deflate(bytes: Uint8Array): Uint8Array;
    /** The `length` bytes that were deflated. @throws for what is not exactly that */
    inflate(bytes: Uint8Array, length: number): Uint8Array;
  };
  /**
   * A new file that nobody else sees and that is gone when it is closed, or when the process is; memory, without a path.
   * @throws UserError that says why there can be none
   */
  open(path: string | undefined): SwapArea;
}

/** Bytes that can be written anywhere, and read where they were written. */
export interface SwapArea {
  /** @returns exactly `length` bytes, the caller's own. @throws if the host cannot read */
  read(offset: number, length: number): Uint8Array;
  /** @throws if the host cannot write */
  write(offset: number, bytes: Uint8Array): void;
  close(): void;
}
