/** Debian's Chromium, without a window, and pages for it. */
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

/** No sandbox: tests run as root, and see no page but theirs. The rest: nothing looks for the network. */
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/** Where Chromium is, if it is installed. */
export const chromiumPath = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find((path) => existsSync(path));

export const launchChromium = (): Promise<Browser> => chromium.launch({ executablePath: chromiumPath, args: FLAGS });

export interface Content {
  readonly type: 'text/html' | 'text/javascript' | 'text/plain';
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Serves these on this machine, by path. */
export async function serve(contents: Readonly<Record<string, Content>>): Promise<{ origin: string; close(): void }> {
  const server = createServer((request, response) => {
    const content = contents[new URL(request.url ?? '', 'http://localhost').pathname];
    response.writeHead(content ? 200 : 404, { ...content?.headers, 'content-type': content?.type ?? 'text/plain' });
    response.end(content?.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
