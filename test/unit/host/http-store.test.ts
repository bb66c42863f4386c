import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { blobStore } from '../../../src/host/blob-store.ts';
import { openHttpStore } from '../../../src/host/http-store.ts';
import { openImage } from '../../../src/storage/open-image.ts';
import { emptyQcow2, memoryImages } from '../../support/memory-images.ts';

const bytes = Uint8Array.from({ length: 300_000 }, (_, at) => (at * 7 + (at >> 8)) % 256);
let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

/** @param answer what is done instead of sending the part asked for, if it returns true */
async function serve(
  content: () => Uint8Array,
  answer: (response: ServerResponse, request: number) => boolean = () => false,
): Promise<{ url: string; ranges: string[] }> {
  const ranges: string[] = [];
  server = createServer((request, response) => {
    ranges.push(String(request.headers.range));
    if (answer(response, ranges.length)) return;
    const file = content();
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')!;
    if (file.length === 0) return void response.writeHead(416, { 'content-range': 'bytes */0' }).end();
    const part = file.subarray(Number(first), Number(last) + 1);
    const range = `bytes ${first}-${Number(first) + part.length - 1}/${file.length}`;
    response.writeHead(206, { 'content-range': range, etag: `"${file[0]}"` }).end(part);
  });
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/disk.img`, ranges };
}

const options = { fetch, retryAfter: [1, 1] } as const;

describe('a file on a server', () => {
  it('is read in parts, each asked for once', async () => {
    const { url, ranges } = await serve(() => bytes);
    const store = await openHttpStore(url, options);
    expect(store.size).toBe(bytes.length);
    expect(await store.read(65_530, 10)).toEqual(bytes.slice(65_530, 65_540));
    expect(store.read(100, 10)).toEqual(bytes.slice(100, 110));
    expect(ranges).toEqual(['bytes=0-0', 'bytes=0-131071']);
    store.close();
  });

  it('holds a qcow2 image', async () => {
    const image = emptyQcow2({ size: 1e6 });
    const { url } = await serve(() => image.bytes);
    const remote = await openImage(memoryImages({ image: await openHttpStore(url, options) }), 'image');
    expect(await remote.read(5000, 3)).toEqual(new Uint8Array(3));
    await remote.close();
  });

  it('may be empty', async () => {
    const { url } = await serve(() => new Uint8Array(0));
    expect((await openHttpStore(url, options)).size).toBe(0);
  });

  it('is asked for again if the line or the server fails', async () => {
    const { url, ranges } = await serve(
      () => bytes,
      (response, request) => {
        if (request === 2) response.destroy();
        if (request === 3) response.writeHead(503).end();
        return request === 2 || request === 3;
      },
    );
    const store = await openHttpStore(url, options);
    expect(await store.read(0, 3)).toEqual(bytes.slice(0, 3));
    expect(ranges).toHaveLength(4);
  });

  it('is given up after some attempts, and may be asked for later', async () => {
    let broken = false;
    const { url } = await serve(
      () => bytes,
      (response) => {
        if (broken) response.writeHead(500).end();
        return broken;
      },
    );
    const store = await openHttpStore(url, options);
    broken = true;
    await expect(store.read(0, 3)).rejects.toThrow(`cannot read ${url}: the server answers 500`);
    broken = false;
    expect(await store.read(0, 3)).toEqual(bytes.slice(0, 3));
  });

  it('must not change', async () => {
    let content = bytes;
    const { url } = await serve(() => content);
    const store = await openHttpStore(url, options);
    content = bytes.slice(1);
    await expect(store.read(0, 3)).rejects.toThrow('has changed on the server since it was opened');
  });

  it('is refused, in one line, where it cannot be had', async () => {
    const answering = async (status: number) => {
      const { url } = await serve(
        () => bytes,
        (response) => {
          response.writeHead(status).end('something');
          return true;
        },
      );
      const line = await openHttpStore(url, options).then(
        () => '',
        ({ name, message }) => `${name} ${message.replace(url, 'URL')}`,
      );
      server!.close();
      return line;
    };
    expect(await answering(404)).toBe('UserError cannot read URL: the server answers 404');
    expect(await answering(200)).toBe(
      'UserError cannot read URL: the server does not send parts of files; download it first',
    );
  });

  it('is not asked for when it is closed', async () => {
    const { url } = await serve(() => bytes);
    const store = await openHttpStore(url, options);
    store.close();
    await expect(store.read(0, 3)).rejects.toThrow('is closed');
  });
});

describe('a Blob', () => {
  it('is read in parts', async () => {
    const store = blobStore(new Blob([bytes]));
    expect(store.size).toBe(bytes.length);
    expect(await store.read(65_530, 10)).toEqual(bytes.slice(65_530, 65_540));
    expect(store.read(65_000, 3)).toEqual(bytes.slice(65_000, 65_003));
    expect(store.write).toBeUndefined();
  });

  it('whose file is gone gives an error of the store', async () => {
    const gone = { size: 10, slice: () => ({ arrayBuffer: () => Promise.reject(new Error('NotReadableError')) }) };
    await expect(blobStore(gone).read(0, 1)).rejects.toMatchObject({ name: 'StorageError', problem: 'io' });
  });
});
