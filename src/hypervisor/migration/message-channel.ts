/** Messages over a stream of bytes: see `protocol.ts`. */
import { UserError } from '../../base/errors.ts';
import type { ByteReader, ByteWriter } from './byte-duplex.ts';
import { broken, wrongStream } from './migration-error.ts';
import {
  GREETING_BYTES,
  MAGIC,
  MESSAGE,
  type MessageKind,
  MOST_BYTES,
  MOST_REASON,
  PREFIX_BYTES,
  PROTOCOL_VERSION,
} from './protocol.ts';

export interface Message {
  readonly kind: MessageKind;
  readonly bytes: Uint8Array;
}

/** Called while something is waited for. @returns what ends that */
export type Patience = (giveUp: (why: Error) => void) => () => void;

const KINDS: ReadonlySet<number> = new Set(Object.values(MESSAGE));
const NO_PATIENCE: Patience = () => () => {};

export class MessageChannelEnd {
  readonly #reader: ByteReader;
  readonly #writer: ByteWriter;
  /** What has come and nobody has read, and how many bytes that is. */
  #chunks: Uint8Array[] = [];
  #have = 0;
  #ended = false;
  #greeted = false;
  /** Bytes written. */
  sent = 0;

  constructor({ reader, writer }: { readonly reader: ByteReader; readonly writer: ByteWriter }) {
    this.#reader = reader;
    this.#writer = writer;
  }

  /** @throws UserError (as a rejection) if the stream has failed */
  async greet(): Promise<void> {
    const bytes = new Uint8Array(GREETING_BYTES);
    bytes.set(MAGIC);
    new DataView(bytes.buffer).setUint32(MAGIC.length, PROTOCOL_VERSION, true);
    await this.#write(bytes);
  }

  /** @throws UserError (as a rejection) if the stream has failed: whether it has arrived is not known */
  async send(kind: MessageKind, ...parts: readonly Uint8Array[]): Promise<void> {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (length > MOST_BYTES[kind]) throw new UserError(`this is too large to be moved: ${length} bytes`);
    const bytes = new Uint8Array(PREFIX_BYTES + length);
    bytes[0] = kind;
    new DataView(bytes.buffer).setUint32(4, length, true);
    let at = PREFIX_BYTES;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    await this.#write(bytes);
  }

  async refuse(reason: string): Promise<void> {
    await this.send(MESSAGE.REFUSED, new TextEncoder().encode(reason).subarray(0, MOST_REASON));
  }

  /**
   * The next message, of one of these kinds.
   * @throws UserError (as a rejection) for anything else, when the stream has ended or failed, and when patience has ended
   */
  async receive(kinds: readonly MessageKind[], patience: Patience = NO_PATIENCE): Promise<Message> {
    if (!this.#greeted) checkGreeting(await this.#take(GREETING_BYTES, patience));
    this.#greeted = true;
    const prefix = await this.#take(PREFIX_BYTES, patience);
    const kind = prefix[0] as MessageKind;
    const length = new DataView(prefix.buffer, prefix.byteOffset).getUint32(4, true);
    if (!KINDS.has(kind) || prefix[1] !== 0 || prefix[2] !== 0 || prefix[3] !== 0)
      throw wrongStream('an unknown message');
    if (!kinds.includes(kind)) throw wrongStream(`message ${kind} where none of ${kinds.join(', ')} is`);
    if (length > MOST_BYTES[kind]) throw wrongStream(`message ${kind} of ${length} bytes`);
    return { kind, bytes: await this.#take(length, patience) };
  }

  /** Nothing more is said; what was written still arrives. */
  async close(): Promise<void> {
    await Promise.allSettled([this.#writer.close(), this.#reader.cancel()]);
  }

  /** Nothing more is said or heard. */
  async abort(why: Error): Promise<void> {
    await Promise.allSettled([this.#writer.abort(why), this.#reader.cancel(why)]);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.sent += bytes.length;
    try {
      await this.#writer.write(bytes);
    } catch (error) {
      throw broken(messageOf(error));
    }
  }

  /** So many bytes, joined only when all are there. */
  async #take(count: number, patience: Patience): Promise<Uint8Array> {
    while (this.#have < count) {
      if (this.#ended) throw broken('the stream has ended');
      const { done, value } = await this.#read(patience);
      if (done) this.#ended = true;
      if (value === undefined) continue;
      if (!(value instanceof Uint8Array)) throw wrongStream('the stream gives something else than bytes');
      if (value.length === 0) continue;
      this.#chunks.push(value);
      this.#have += value.length;
    }
    return this.#join(count);
  }

  async #read(patience: Patience): ReturnType<ByteReader['read']> {
    let end = (): void => {};
    try {
      return await new Promise((resolve, reject) => {
        end = patience(reject);
        this.#reader.read().then(resolve, (error) => reject(broken(messageOf(error))));
      });
    } finally {
      end();
    }
  }

  #join(count: number): Uint8Array {
    this.#have -= count;
    const [first] = this.#chunks;
    if (first !== undefined && first.length > count) {
      this.#chunks[0] = first.subarray(count);
      return first.subarray(0, count);
    }
    const bytes = new Uint8Array(count);
    for (let at = 0, used = 0; at < count; used++) {
      const chunk = this.#chunks[used]!;
      const part = chunk.subarray(0, count - at);
      bytes.set(part, at);
      at += part.length;
      if (part.length === chunk.length && at < count) continue;
      this.#chunks.splice(0, part.length === chunk.length ? used + 1 : used);
      if (part.length < chunk.length) this.#chunks[0] = chunk.subarray(part.length);
      break;
    }
    return bytes;
  }
}

function checkGreeting(bytes: Uint8Array): void {
  const version = new DataView(bytes.buffer, bytes.byteOffset).getUint32(MAGIC.length, true);
  if (MAGIC.some((byte, index) => bytes[index] !== byte))
    throw wrongStream('the other side does not speak this protocol');
  if (version !== PROTOCOL_VERSION)
    throw new UserError(
      `the other side speaks version ${version} of the protocol: this program knows ${PROTOCOL_VERSION}`,
    );
}

export const messageOf = (error: unknown): string => {
  const message = error instanceof Error ? error.message : '';
  return message === '' ? 'the stream has failed' : message;
};
