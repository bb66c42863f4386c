/**
 * A channel of the DMA controllers as the device at its DREQ and DACK lines sees it. The device sets the pace: when it
 * has bytes, or needs some, it asks for them to be moved, and learns how far that went. A disk controller takes a
 * terminal count for the end of its command; a sound chip whose channel initialises itself asks again at once.
 */
export interface DmaChannel {
  /** The level of DREQ, which the controller's status shows. What `deliver` and `fetch` move does not depend on it. */
  request(level: 0 | 1): void;
  /** Whether a request would be answered by DACK now: the channel is neither masked nor its controller disabled. */
  readonly granted: boolean;
  /** Device to memory, in order, until the terminal count. */
  deliver(bytes: Uint8Array): DmaProgress;
  /** Memory to device: fills `bytes` from its beginning, until the terminal count. */
  fetch(bytes: Uint8Array): DmaProgress;
}

export interface DmaProgress {
  /** Bytes moved: 0 if the channel is not granted. On channels 5 to 7 whole words only. */
  readonly moved: number;
  /** TC was pulsed with the last byte. */
  readonly terminalCount: boolean;
}
