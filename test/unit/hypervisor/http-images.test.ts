/** Images on a web server, in the drives of a guest: what it reads, and what it and its owner see when the server fails. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Guest, Host, UserError } from '../../../src/index.ts';
import { bootImage } from '../../support/bios-machine.ts';
import { bootCd } from '../../support/boot-cd.ts';
import { pattern } from '../../support/media.ts';

const SIZE = 1024 * 1024;
/** Far from all that was read before: the store fetches whole blocks. */
const FAR_SECTOR = 1800;
const RUN_TIME = 30_000;

/**
 * Boots from the drive in DL, and says so; then waits for a byte on COM1, reads a sector at the far end, and shows what
 * INT 13h answered in AH, and the sum of what it has read.
 */
const PROGRAM = (sectorsAt: number) => `
  xor ax, ax
  mov ds, ax
  mov [drive], dl
  mov dx, 0x3fb
  mov al, 3
  out dx, al
  mov al, '!'
  out 0xe9, al
  mov dx, 0x3fd
  wait: in al, dx
  test al, 1
  jz wait
  mov ah, 0x42
  mov dl, [drive]
  mov si, packet
  int 0x13
  mov al, ah
  xor ah, ah
  call show
  mov si, 0x9000
  mov cx, 256
  xor bx, bx
  sum: lodsw
  add bx, ax
  loop sum
  mov ax, bx
  call show
  cli
  hlt
  drive: db 0
  packet: dw 16, 1, 0x9000, 0, ${sectorsAt}, 0, 0, 0`;

let server: Server;
let host: Host;
let content: Uint8Array;
let tag = '"one"';
/** What is done instead of sending the part asked for, if it returns true. */
let answer: (response: ServerResponse) => boolean;
let requests = 0;

beforeEach(async () => {
  host = await Host.create();
  tag = '"one"';
  answer = () => false;
  requests = 0;
  server = createServer((request, response) => {
    requests++;
    if (answer(response)) return;
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')!;
    const part = content.subarray(Number(first), Number(last) + 1);
    const range = `bytes ${first}-${Number(first) + part.length - 1}/${content.length}`;
    response.writeHead(206, { 'content-range': range, etag: tag }).end(part);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  await host[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
});

const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/image`;

function diskImage(): Uint8Array {
  const image = pattern(SIZE);
  image.set(bootImage(PROGRAM(FAR_SECTOR), 512));
  return image;
}
function cdImage(): Uint8Array {
  const image = new Uint8Array(SIZE);
  image.set(bootImage(PROGRAM(FAR_SECTOR / 4), 2048));
  image.set(pattern(2048), (FAR_SECTOR / 4 - 20) * 2048);
  return bootCd({ media: 0, image, count: 4 });
}
const sumAt = (bytes: Uint8Array, at: number): string => {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let sum = 0;
  for (let index = 0; index < 512; index += 2) sum += view.getUint16(at + index, true);
  return (sum & 0xffff).toString(16).padStart(4, '0');
};

/** `between`: what happens to the server once the guest has started. */
async function boot(drive: 'disk' | 'cdrom', between: () => void = () => {}) {
  content = drive === 'disk' ? diskImage() : cdImage();
  const drives = drive === 'disk' ? { disks: [new URL(url())] } : { cdrom: url() };
  const guest: Guest = await host.createGuest({ ...drives, memory: 4, engine: 'interpreter' });
  const warnings: string[] = [];
  guest.on('warning', (line) => void warnings.push(line));
  let output = '';
  guest.debugConsole.on('data', (bytes) => (output += new TextDecoder().decode(bytes)));
  const end = guest.run({ signal: AbortSignal.timeout(RUN_TIME) });
  while (!output.includes('!')) await new Promise((resolve) => setTimeout(resolve, 5));
  between();
  guest.serial.write('x');
  expect(await end).toEqual({ reason: 'halted' });
  return { shown: output.slice(1).trim(), warnings: warnings.filter((line) => !line.includes('kept in memory')) };
}

describe('an image on a web server', () => {
  it.each(['disk', 'cdrom'] as const)('is booted and read as a %s', async (drive) => {
    const { shown, warnings } = await boot(drive);
    expect(shown).toBe(`0000 ${sumAt(content, FAR_SECTOR * 512)}`);
    expect(warnings).toEqual([]);
    expect(requests).toBeLessThan(8);
  });

  it('of a server that sends no parts is refused', async () => {
    content = diskImage();
    answer = (response) => {
      response.writeHead(200, { 'content-length': content.length }).end(content);
      return true;
    };
    const error = await host.createGuest({ disks: [url()], memory: 4 }).catch((reason) => reason);
    expect(error).toEqual(
      new UserError(`cannot read ${url()}: the server does not send parts of files; download it first`),
    );
    expect(host.guests).toEqual([]);
  });

  it('that is not there is refused', async () => {
    answer = (response) => {
      response.writeHead(404).end();
      return true;
    };
    const error = await host.createGuest({ cdrom: url(), memory: 4 }).catch((reason) => reason);
    expect(error).toEqual(new UserError(`cannot read ${url()}: the server answers 404`));
  });

  it('whose server stumbles is read all the same: cut lines, short answers, overload', async () => {
    let failures = 0;
    const ways = [
      (response: ServerResponse) => void response.destroy(),
      (response: ServerResponse) => {
        response.writeHead(206, { 'content-range': `bytes 0-9/${SIZE}`, 'content-length': 10 });
        response.write('short');
        setTimeout(() => response.destroy(), 20);
      },
      (response: ServerResponse) => void response.writeHead(503).end('busy'),
    ];
    const { shown, warnings } = await boot('disk', () => {
      answer = (response) => {
        const way = ways[failures++];
        way?.(response);
        return way !== undefined;
      };
    });
    expect(shown).toBe(`0000 ${sumAt(content, FAR_SECTOR * 512)}`);
    expect(failures).toBeGreaterThan(ways.length);
    expect(warnings).toEqual([]);
  });

  it.each<[string, (response: ServerResponse) => boolean, RegExp]>([
    ['is gone for good', (response) => Boolean(response.destroy()), /cannot read http:.*: /],
    [
      'answers 403',
      (response) => Boolean(response.writeHead(403).end()),
      /cannot read http:.*: the server answers 403/,
    ],
    [
      'sends the whole file all of a sudden',
      (response) => Boolean(response.writeHead(200).end('all of it')),
      /cannot read http:.*: the server does not send parts/,
    ],
  ])('whose server %s: an error of the drive for the guest, a line for its owner', async (_, fails, line) => {
    const { shown, warnings } = await boot('disk', () => {
      answer = fails;
    });
    // Sector not found.
    expect(shown).toBe('0004 0000');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(line);
  });

  it('that has changed meanwhile is not mixed with what it was', async () => {
    const { shown, warnings } = await boot('disk', () => {
      tag = '"two"';
    });
    expect(shown).toBe('0004 0000');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/has changed on the server since it was opened/);
  });

  it('is no longer asked for when the guest is disposed while it waits', async () => {
    content = diskImage();
    const guest = await host.createGuest({ disks: [url()], memory: 4 });
    answer = () => true; // never
    const end = guest.run();
    await new Promise((resolve) => setTimeout(resolve, 200));
    guest.dispose();
    expect((await end).reason).toBe('stopped');
    expect(host.guests).toEqual([]);
  });
});
