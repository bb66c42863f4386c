/** A file on an HTTP server that sends parts of it (RFC 9110, 14: range requests), as a store. Read only. */
import { UserError } from '../base/errors.ts';
import type { ByteStore } from '../storage/block-store.ts';
import { CachedStore, type CachedStoreOptions } from '../storage/cached-store.ts';
import { StorageError } from '../storage/storage-error.ts';

/** As much of `fetch` as is needed. */
export type Fetch = (
  url: string,
  init: { readonly headers: Record<string, string>; readonly signal: AbortSignal },
) => Promise<HttpResponse>;

export interface HttpResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  arrayBuffer(): Promise<ArrayBuffer>;
}

export interface HttpStoreOptions extends Pick<CachedStoreOptions, 'blockBytes' | 'cacheBytes'> {
  readonly fetch: Fetch;
  /** Pauses before further attempts, in ms, when the line or the server fails. Default: 300, 1000 and 3000. */
  readonly retryAfter?: readonly number[];
}

const PARTIAL_CONTENT = 206;
const RANGE_NOT_SATISFIABLE = 416;
const RETRY_AFTER = [300, 1000, 3000] as const;

/**
 * Asks for the first byte, to know how many there are.
 * @throws UserError if the server does not have it, or does not send parts
 */
export async function openHttpStore(url: string, options: HttpStoreOptions): Promise<ByteStore> {
  const closing = new AbortController();
  const source = new RangeSource(url, options, closing.signal);
  let first: Part;
  try {
    first = await source.request(0, 1);
  } catch (error) {
    throw error instanceof StorageError ? new UserError(error.message) : error;
  }
  const { size, version } = first;
  async function load(offset: number, length: number): Promise<Uint8Array> {
    const part = await source.request(offset, length);
    if (part.size !== size || part.version !== version)
      throw new StorageError('io', `${url} has changed on the server since it was opened`);
    return part.bytes;
  }
  return new CachedStore({ ...options, size, load, close: () => closing.abort() });
}

interface Part {
  readonly bytes: Uint8Array;
  /** Of the whole file. */
  readonly size: number;
  /** What changes when the file does, as far as the server says. */
  readonly version: string;
}

class RangeSource {
  readonly #url: string;
  readonly #options: HttpStoreOptions;
  readonly #signal: AbortSignal;

  constructor(url: string, options: HttpStoreOptions, signal: AbortSignal) {
    this.#url = url;
    this.#options = options;
    this.#signal = signal;
  }

  /** Again and again, if the line or the server fails. @throws StorageError */
  async request(offset: number, length: number): Promise<Part> {
    for (const delay of this.#options.retryAfter ?? RETRY_AFTER) {
      try {
        return await this.#attempt(offset, length);
      } catch (error) {
        if (!(error instanceof Passing)) throw error;
        await new Promise((resolve) => setTimeout(resolve, delay));
      }
    }
    return await this.#attempt(offset, length);
  }

  async #attempt(offset: number, length: number): Promise<Part> {
    if (this.#signal.aborted) throw new StorageError('io', `${this.#url} is closed`);
    const given = new AbortController();
    const abort = (): void => given.abort();
    this.#signal.addEventListener('abort', abort);
    try {
      const headers = { Range: `bytes=${offset}-${offset + length - 1}` };
      const response = await this.#options.fetch(this.#url, { headers, signal: given.signal });
      const whole = this.#sizeOf(response);
      const bytes = whole === 0 ? new Uint8Array(0) : new Uint8Array(await response.arrayBuffer());
      if (whole > 0 && bytes.length !== Math.min(length, whole - offset))
        throw new Passing(this.#line('the answer is cut off'));
      const version = `${response.headers.get('etag') ?? ''} ${response.headers.get('last-modified') ?? ''}`;
      return { bytes, size: whole, version };
    } catch (error) {
      // What is not wanted must not go on arriving.
      given.abort();
      if (error instanceof StorageError) throw error;
      throw new Passing(this.#line((error as Error).message));
    } finally {
      this.#signal.removeEventListener('abort', abort);
    }
  }

  #sizeOf({ status, headers }: HttpResponse): number {
    if (status >= 500 || status === 429) throw new Passing(this.#line(`the server answers ${status}`));
    // Of an empty file there is no part.
    if (status === RANGE_NOT_SATISFIABLE && headers.get('content-range')?.trim() === 'bytes */0') return 0;
    if (status === 200)
      throw new StorageError('io', this.#line('the server does not send parts of files; download it first'));
    if (status !== PARTIAL_CONTENT) throw new StorageError('io', this.#line(`the server answers ${status}`));
    const size = Number(/^bytes \d+-\d+\/(\d+)$/.exec(headers.get('content-range')?.trim() ?? '')?.[1] ?? Number.NaN);
    if (!Number.isSafeInteger(size))
      throw new StorageError(
        'io',
        this.#line('the server does not say how large it is (Content-Range, which CORS must expose)'),
      );
    return size;
  }

  #line(why: string): string {
    return `cannot read ${this.#url}: ${why}`;
  }
}

/** What may be better the next time. */
class Passing extends StorageError {
  constructor(message: string) {
    super('io', message);
  }
}
