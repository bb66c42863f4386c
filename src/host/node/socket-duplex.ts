/**
 * TCP and Unix sockets as streams of bytes.
 * @see `hypervisor/migration/byte-duplex.ts`, whose interface this implements.
 */
import { connect, createServer, type Socket } from 'node:net';
import { type AbortSignalLike, settledOrAborted, throwIfAborted } from '../../base/abort.ts';
import { UserError } from '../../base/errors.ts';
import { fileProblem } from './file-problem.ts';

export type SocketAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export interface SocketDuplex {
  readonly readable: { getReader(): SocketReader };
  readonly writable: { getWriter(): SocketWriter };
}

interface SocketReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array }>;
  cancel(reason?: unknown): Promise<void>;
}

interface SocketWriter {
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
  abort(reason?: unknown): Promise<void>;
}

/** Bytes that may wait in the process before who writes has to. */
const BACKLOG = 2 ** 20;

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  ECONNREFUSED: 'nobody listens there',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  ENOTFOUND: 'there is no such host',
  ETIMEDOUT: 'no answer',
};

/** Why there is no connection, in a few words. */
const socketProblem = (error: Error): string =>
  REASONS[(error as NodeJS.ErrnoException).code ?? ''] ?? fileProblem(error);

export const showAddress = (address: SocketAddress): string =>
  'path' in address ? `unix:${address.path}` : `tcp:${address.host}:${address.port}`;

/** @throws UserError (as a rejection) if nobody listens there; the signal's reason */
export async function connectTo(address: SocketAddress, signal?: AbortSignalLike): Promise<SocketDuplex> {
  throwIfAborted(signal);
  const socket = connect({ ...address, allowHalfOpen: true });
  await settledOrAborted<void>(
    signal,
    ({ resolve, reject }) => {
      socket.once('connect', resolve);
      const fail = (error: Error) =>
        reject(new UserError(`cannot connect to ${showAddress(address)}: ${socketProblem(error)}`));
      socket.once('error', fail);
      return () => socket.off('error', fail);
    },
    () => socket.destroy(),
  );
  return socketDuplex(socket);
}

/**
 * The first who connects; then nobody listens any more. `onListening` is told where, by the number of the port that was chosen.
 * @throws UserError (as a rejection) if that address cannot be had; the signal's reason
 */
export async function acceptOne(
  address: SocketAddress,
  { signal, onListening }: { readonly signal?: AbortSignalLike; onListening?(address: SocketAddress): void } = {},
): Promise<SocketDuplex> {
  throwIfAborted(signal);
  const server = createServer({ allowHalfOpen: true });
  try {
    const socket = await settledOrAborted<Socket>(signal, ({ resolve, reject }) => {
      server.once('connection', resolve);
      server.once('error', (error) =>
        reject(new UserError(`cannot listen at ${showAddress(address)}: ${socketProblem(error)}`)),
      );
      server.listen(address, () => {
        const bound = server.address();
        onListening?.(
          typeof bound === 'object' && bound && 'port' in address ? { ...address, port: bound.port } : address,
        );
      });
      return () => {};
    });
    return socketDuplex(socket);
  } finally {
    server.close();
  }
}

/** Of a socket that is connected, with both ways open (`allowHalfOpen`). */
export function socketDuplex(socket: Socket): SocketDuplex {
  socket.setNoDelay(true);
  let failure: Error | undefined;
  socket.on('error', (error) => {
    failure = error;
  });
  const iterator = socket.iterator({ destroyOnReturn: false });
  const closed = () => failure ?? new Error('the connection is closed');
  return {
    readable: {
      getReader: () => ({
        async read() {
          const { done, value } = await iterator.next();
          return done ? { done: true } : { done: false, value: value as Uint8Array };
        },
        async cancel(reason) {
          if (reason !== undefined) socket.destroy();
          else socket.resume();
        },
      }),
    },
    writable: {
      getWriter: () => ({
        write: (bytes) =>
          new Promise((resolve, reject) => {
            if (failure || socket.destroyed) return reject(closed());
            socket.write(bytes, (error) => (error ? reject(error) : resolve()));
            if (socket.writableLength <= BACKLOG) resolve();
          }),
        close: () =>
          new Promise((resolve) => {
            if (socket.destroyed) resolve();
            else socket.end(() => resolve());
          }),
        async abort() {
          socket.destroy();
        },
      }),
    },
  };
}
