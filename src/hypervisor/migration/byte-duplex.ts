/** A stream of bytes in both directions, as much of it as is used: so nobody needs the types of a browser. */
import { checkFunction, shown } from '../../base/argument-check.ts';
import { UserError } from '../../base/errors.ts';

/** As a `ReadableStreamDefaultReader`. */
export interface ByteReader {
  /** Any number of bytes; `done`: there will be no more. */
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(reason?: unknown): Promise<unknown>;
}

/** As a `WritableStreamDefaultWriter`. */
export interface ByteWriter {
  /** Resolves when more may be written. Who writes gives the bytes away. */
  write(bytes: Uint8Array): Promise<unknown>;
  close(): Promise<unknown>;
  abort(reason?: unknown): Promise<unknown>;
}

/**
 * Two streams of bytes, as the web has them: a pair of a `ReadableStream` and a `WritableStream` (of a TransformStream, a
 * WebSocketStream, a WebTransport, or of Node's `Duplex.toWeb`), neither locked.
 */
export interface ByteDuplex {
  readonly readable: { getReader(): ByteReader };
  readonly writable: { getWriter(): ByteWriter };
}

/** Both ends, locked. @throws UserError for what is no such pair */
export function lockDuplex(
  what: string,
  stream: unknown,
): { readonly reader: ByteReader; readonly writer: ByteWriter } {
  const { readable, writable } = Object(stream) as Partial<ByteDuplex>;
  if (typeof stream !== 'object' || Object(readable) !== readable || Object(writable) !== writable)
    throw new UserError(`${what} must be a pair of streams, { readable, writable }, not ${shown(stream)}`);
  checkFunction(`${what}.readable.getReader`, readable!.getReader);
  checkFunction(`${what}.writable.getWriter`, writable!.getWriter);
  try {
    return { reader: readable!.getReader(), writer: writable!.getWriter() };
  } catch (error) {
    throw new UserError(`${what} cannot be used: ${(error as Error).message}`);
  }
}
