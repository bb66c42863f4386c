/** Where a guest goes to, or comes from: `tcp:[HOST:]PORT` or `unix:PATH`. */
import { UserError } from '../base/errors.ts';
import type { SocketAddress } from '../host/node/socket-duplex.ts';

const LOOPBACK = '127.0.0.1';

/** `what`: the option, for messages. Without a host: this machine, and nobody else reaches it. @throws UserError */
export function parseAddress(what: string, text: string): SocketAddress {
  const [, path] = /^unix:(.+)$/.exec(text) ?? [];
  if (path !== undefined) return { path };
  const [, bracketed, named, digits] = /^tcp:(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d+)$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535)
    throw new UserError(`${what} ${text}: must be tcp:[HOST:]PORT or unix:PATH`);
  return { host: bracketed ?? named ?? LOOPBACK, port };
}
