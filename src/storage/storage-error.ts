/**
 * - `damaged`: what the image says of itself cannot be
 * - `unsupported`: the image uses a feature that is not built
 * - `io`: the host could not read or write
 * - `full`: the host has no room left
 * - `read-only`: the image is not open for writing
 * - `range`: the call reaches beyond the image's end
 */
export type StorageProblem = 'damaged' | 'unsupported' | 'io' | 'full' | 'read-only' | 'range';

/** A disk image cannot be read or written. One clear line; a drive makes an error of its own of it. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly problem: StorageProblem;

  constructor(problem: StorageProblem, message: string) {
    super(message);
    this.problem = problem;
  }
}

/** @throws StorageError unless `length` bytes at `offset` lie within `size` */
export function assertInside(size: number, offset: number, length: number): void {
  if (Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0) {
    if (offset + length <= size) return;
  }
  throw new StorageError('range', `${length} bytes at ${offset} reach beyond the end of ${size} bytes`);
}

/** @throws StorageError */
export function refuseReadOnly(): never {
  throw new StorageError('read-only', 'the image is not open for writing');
}
