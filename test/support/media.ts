/** What drives have in them, in tests: bytes that answer at once, fail where told to, or answer when the test likes. */
import type { Medium } from '../../src/bus/medium.ts';
import type { Random } from '../../src/difftest/random.ts';

export class BytesMedium implements Medium {
  readonly bytes: Uint8Array;
  readonly readOnly: boolean;
  /** What was asked for, as text. */
  readonly log: string[] = [];
  /** Offsets whose bytes can be neither read nor written. */
  readonly bad = new Set<number>();
  flushFails = false;
  /** Bytes that the largest request had. */
  largest = 0;

  /** `content`: or a size, of a pattern in which each sector differs from the others. */
  constructor(content: Uint8Array | number, { readOnly = false } = {}) {
    this.bytes = typeof content === 'number' ? pattern(content) : content;
    this.readOnly = readOnly;
  }

  get size(): number {
    return this.bytes.length;
  }

  read(offset: number, length: number): Uint8Array {
    this.#note('read', offset, length);
    return this.bytes.slice(offset, offset + length);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#note('write', offset, bytes.length);
    this.bytes.set(bytes, offset);
  }

  flush(): void {
    this.log.push('flush');
    if (this.flushFails) throw new Error('disk full');
  }

  #note(kind: string, offset: number, length: number): void {
    if (offset < 0 || length <= 0 || offset + length > this.size) throw new RangeError(`${kind} beyond the medium`);
    this.log.push(`${kind} ${offset} ${length}`);
    if (this.log.length > 1000) this.log.splice(0, 500);
    this.largest = Math.max(this.largest, length);
    for (const at of this.bad) if (at >= offset && at < offset + length) throw new Error(`I/O error at ${at}`);
  }
}

/** Bytes of a disk: each sector has its number in its first four, and more that depends on it. */
export function pattern(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at++) bytes[at] = (at >>> 9) * 37 + at * 11;
  const view = new DataView(bytes.buffer);
  for (let at = 0; at + 4 <= size; at += 512) view.setUint32(at, at / 512, true);
  return bytes;
}

/** Answers later: when the test says so, or after a while. */
export class DelayedMedium implements Medium {
  readonly inner: Medium;
  /** Most answers that were owed at one time. */
  mostOutstanding = 0;
  readonly #owed: (() => void)[] = [];

  constructor(inner: Medium) {
    this.inner = inner;
  }

  get size(): number {
    return this.inner.size;
  }

  get readOnly(): boolean {
    return this.inner.readOnly;
  }

  get outstanding(): number {
    return this.#owed.length;
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return this.#later(() => this.inner.read(offset, length));
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#later(() => this.inner.write(offset, bytes));
  }

  flush(): Promise<void> {
    return this.#later(() => this.inner.flush());
  }

  /** Does the oldest that is owed; who waits for it hears of it when the caller has awaited this. */
  async answer(): Promise<void> {
    this.#owed.shift()?.();
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }

  /** Up to all that is owed, as chance has it. */
  async answerSome(random: Random): Promise<void> {
    while (this.outstanding > 0 && !random.oneIn(3)) await this.answer();
  }

  #later<T>(work: () => T | Promise<T>): Promise<T> {
    const promise = new Promise<T>((resolve, reject) => {
      this.#owed.push(() => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
    });
    this.mostOutstanding = Math.max(this.mostOutstanding, this.#owed.length);
    return promise;
  }
}
