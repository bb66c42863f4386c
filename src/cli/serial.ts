/** Where the guests' first serial ports go: `--serial stdio|pty|file:<path>|none`. */

import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { UserError } from '../base/errors.ts';
import { openPty } from '../host/node/pty.ts';
import type { Guest } from '../index.ts';

/** @returns what closes it all. @throws UserError for an unknown kind or a file that cannot be written. */
export async function connectSerial(guests: readonly Guest[], kind: string): Promise<() => Promise<void>> {
  if (kind === 'none') {
    for (const guest of guests) guest.serial.discard();
    return async () => {};
  }
  if (kind === 'stdio') {
    for (const guest of guests) guest.serial.on('data', guests.length === 1 ? writeRaw : prefixed(guest.name));
    return async () => {};
  }
  if (kind === 'pty') return closeAll(await Promise.all(guests.map(connectPty)));
  if (kind.startsWith('file:') && kind.length > 5) {
    const path = kind.slice(5);
    const names = guests.map((_, index) => (guests.length === 1 ? path : `${path}.${index + 1}`));
    return closeAll(await Promise.all(guests.map((guest, index) => connectFile(guest, names[index]!))));
  }
  throw new UserError(`--serial ${kind}: must be stdio, pty, file:<path> or none`);
}

const closeAll = (closers: readonly (() => Promise<void>)[]) => async () => {
  await Promise.all(closers.map((close) => close()));
};

const writeRaw = (bytes: Uint8Array): void => {
  process.stdout.write(bytes);
};

/** Several guests on one screen: whole lines, each with its guest's name. An unfinished line waits for its end. */
function prefixed(name: string): (bytes: Uint8Array) => void {
  const decoder = new TextDecoder();
  let rest = '';
  return (bytes) => {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop()!;
    for (const line of lines) process.stdout.write(`${name} | ${line}\n`);
  };
}

async function connectFile(guest: Guest, path: string): Promise<() => Promise<void>> {
  const stream: WriteStream = createWriteStream(path);
  try {
    await once(stream, 'open');
  } catch (error) {
    throw new UserError(`cannot write ${path}: ${(error as Error).message}`);
  }
  guest.serial.on('data', (bytes) => stream.write(bytes));
  return async () => {
    stream.end();
    await once(stream, 'close');
  };
}

async function connectPty(guest: Guest): Promise<() => Promise<void>> {
  const pty = await openPty((bytes) => guest.serial.write(bytes));
  guest.serial.on('data', (bytes) => pty.write(bytes));
  process.stderr.write(`vetro: serial port of ${guest.name} is ${pty.path}\n`);
  return async () => pty.close();
}
