/**
 * A MessagePort as a stream of bytes: between threads, windows and processes, in Node and browsers. Who reads says how much
 * he has taken, so that what has not been read stays bounded; a side that closes says so, since a port does not.
 * @see `hypervisor/migration/byte-duplex.ts`, whose interface this implements.
 */
import { UserError } from '../base/errors.ts';

/** As much of a `MessagePort` as is used: Node's and a browser's. */
export interface MessagePortLike {
  postMessage(message: unknown): void;
  addEventListener(type: string, listener: (event: object) => void): void;
  start?(): void;
  close(): void;
}

type PortMessage =
  | { readonly bytes: Uint8Array }
  | { /** Bytes that were read. */ readonly taken: number }
  | { /** Nothing more comes; with an error, if there is one. */ readonly end: string | null };

interface Read {
  readonly done: boolean;
  readonly value?: Uint8Array;
}

/** Bytes that are under way and have not been read, when who writes has to wait; and when the other side does not keep to that. */
const MOST_UNREAD = 2 ** 20;
const FAR_TOO_MANY = 2 ** 26;

/**
 * Both ends of the channel need one. The port is its own from now on.
 * @throws UserError for what is no port
 */
export function messagePortDuplex(port: MessagePortLike) {
  if (typeof port?.postMessage !== 'function' || typeof port.addEventListener !== 'function')
    throw new UserError('a MessagePort is needed');
  const duplex = new PortDuplex(port);
  return {
    readable: { getReader: () => ({ read: () => duplex.read(), cancel: async () => duplex.cancel() }) },
    writable: {
      getWriter: () => ({
        write: (bytes: Uint8Array) => duplex.write(bytes),
        close: async () => duplex.end(null),
        abort: async (reason?: unknown) =>
          duplex.end(reason instanceof Error ? reason.message : 'the other side gave up'),
      }),
    },
  };
}

class PortDuplex {
  readonly #port: MessagePortLike;
  readonly #unread: Uint8Array[] = [];
  readonly #readers: { resolve(read: Read): void; reject(why: Error): void }[] = [];
  readonly #writers: { resolve(): void; reject(why: Error): void }[] = [];
  #underWay = 0;
  /** What came to an end: the other side's writing; ours. */
  #heardEnd: { readonly why: string | null } | undefined;
  #saidEnd = false;
  /** Nobody reads any more. */
  #cancelled = false;
  #unreadBytes = 0;

  constructor(port: MessagePortLike) {
    this.#port = port;
    port.addEventListener('message', (event) => this.#onMessage((event as { readonly data: PortMessage }).data));
    port.addEventListener('messageerror', () => this.#onEnd('a message could not be read'));
    port.addEventListener('close', () => this.#onEnd('the port was closed'));
    port.start?.();
  }

  async read(): Promise<Read> {
    const value = this.#unread.shift();
    if (value) {
      this.#unreadBytes -= value.length;
      this.#post({ taken: value.length });
      return { done: false, value };
    }
    if (this.#heardEnd) return this.#endOf(this.#heardEnd);
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#saidEnd) throw new Error('the stream is closed');
    if (this.#heardEnd?.why) throw new Error(this.#heardEnd.why);
    this.#underWay += bytes.length;
    // A copy of what is part of something larger: all of that would be sent.
    this.#post({ bytes: bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes) });
    if (this.#underWay <= MOST_UNREAD) return;
    await new Promise<void>((resolve, reject) => this.#writers.push({ resolve, reject }));
  }

  end(why: string | null): void {
    if (this.#saidEnd) return;
    this.#saidEnd = true;
    this.#post({ end: why });
    this.#closeWhenOver();
  }

  cancel(): void {
    this.#cancelled = true;
    for (const { length } of this.#unread.splice(0)) this.#post({ taken: length });
    for (const { resolve } of this.#readers.splice(0)) resolve({ done: true });
  }

  #onMessage(message: PortMessage): void {
    if ('bytes' in Object(message)) {
      const { bytes } = message as { bytes: Uint8Array };
      if (!(bytes instanceof Uint8Array)) return this.#onEnd('a message is none');
      if (this.#heardEnd) return;
      const reader = this.#readers.shift();
      if (!reader && !this.#cancelled) return this.#keep(bytes);
      this.#post({ taken: bytes.length });
      return reader?.resolve({ done: false, value: bytes });
    }
    if ('taken' in Object(message)) {
      this.#underWay -= Number((message as { taken: number }).taken);
      if (this.#underWay <= MOST_UNREAD) for (const { resolve } of this.#writers.splice(0)) resolve();
      return;
    }
    const { end } = Object(message) as { end?: unknown };
    this.#onEnd(typeof end === 'string' ? end : null);
  }

  #keep(bytes: Uint8Array): void {
    this.#unread.push(bytes);
    this.#unreadBytes += bytes.length;
    if (this.#unreadBytes <= FAR_TOO_MANY) return;
    this.#unread.length = 0;
    this.#onEnd('the other side sends more than is read');
  }

  #onEnd(why: string | null): void {
    this.#heardEnd ??= { why };
    if (why !== null) for (const { reject } of this.#writers.splice(0)) reject(new Error(why));
    for (const reader of this.#readers.splice(0)) this.#endOf(this.#heardEnd).then(reader.resolve, reader.reject);
    this.#closeWhenOver();
  }

  async #endOf({ why }: { readonly why: string | null }): Promise<Read> {
    if (why !== null) throw new Error(why);
    return { done: true };
  }

  #post(message: PortMessage): void {
    this.#port.postMessage(message);
  }

  #closeWhenOver(): void {
    if (this.#saidEnd && this.#heardEnd) this.#port.close();
  }
}
