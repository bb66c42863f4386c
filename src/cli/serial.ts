/** Where the guests' first serial ports go: `--serial stdio|pty|file:<path>|none`. */
import { closeSync, createWriteStream, fstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { UserError } from '../base/errors.ts';
import { openPty } from '../host/node/pty.ts';
import type { PcGuest as Guest } from '../hypervisor/create-guest.ts';
import { isSameFile, openOutput, unwritable } from './files.ts';
import { Outlet } from './outlet.ts';
import { Screen } from './screen.ts';

export type SerialKind = { readonly kind: 'stdio' | 'pty' | 'none' } | { readonly kind: 'file'; readonly path: string };

/** @throws UserError for what is none of the kinds */
export function parseSerial(text: string): SerialKind {
  if (text === 'stdio' || text === 'pty' || text === 'none') return { kind: text };
  if (text.startsWith('file:') && text.length > 5) return { kind: 'file', path: text.slice(5) };
  throw new UserError(`--serial ${text}: must be stdio, pty, file:<path> or none`);
}

export interface SerialOptions {
  readonly guests: readonly Guest[];
  readonly serial: SerialKind;
  /** Files that must not be written over. */
  readonly inputs: readonly string[];
  /** Called when the output can take no more, ever. */
  readonly onFailure: (error: UserError) => void;
}

export interface SerialConnection {
  /** With several guests on a terminal: who is in front. */
  readonly screen?: Screen;
  /** Resolves when all that the guests have said has arrived. */
  drained(): Promise<void>;
  close(): Promise<void>;
}

/** @throws UserError for a file that cannot be written */
export async function connectSerial(options: SerialOptions): Promise<SerialConnection> {
  const { guests, serial } = options;
  switch (serial.kind) {
    case 'none':
      for (const guest of guests) guest.serial.discard();
      return { drained: async () => {}, close: async () => {} };
    case 'stdio':
      return connectStandardOutput(guests);
    case 'pty':
      return joined(await Promise.all(guests.map(connectPty)));
    case 'file': {
      const paths = guests.map((_, index) => (guests.length === 1 ? serial.path : `${serial.path}.${index + 1}`));
      for (const path of paths) refuseInputs(path, options.inputs);
      return joined(guests.map((guest, index) => connectFile(guest, paths[index], options.onFailure)));
    }
  }
}

function refuseInputs(path: string, inputs: readonly string[]): void {
  if (inputs.some((input) => isSameFile(input, path)))
    throw new UserError(`--serial file:${path} would write over what is booted: give another file`);
}

const joined = (all: readonly SerialConnection[]): SerialConnection => ({
  drained: async () => void (await Promise.all(all.map((connection) => connection.drained()))),
  close: async () => void (await Promise.all(all.map((connection) => connection.close()))),
});

/** One guest has it for itself. Several share it: a terminal by turns, a pipe or file line by line. */
function connectStandardOutput(guests: readonly Guest[]): SerialConnection {
  const outlet = new Outlet(process.stdout);
  const connection = { drained: () => outlet.emptied(), close: async () => outlet.close() };
  if (guests.length > 1 && process.stdout.isTTY && process.stdin.isTTY)
    return { ...connection, screen: new Screen(guests, outlet) };
  for (const guest of guests) {
    if (guests.length === 1) guest.serial.on('data', (bytes) => outlet.write(guest, bytes));
    else connectLines(guest, outlet);
  }
  return connection;
}

/** Longer ones are cut: somebody may never end his line. */
const LONGEST_LINE = 4096;

/** Whole lines, each with its guest's name. An unfinished line waits for its end, or the guest's. */
function connectLines(guest: Guest, outlet: Outlet): void {
  const decoder = new TextDecoder();
  let rest = '';
  const show = (line: string): void => outlet.write(guest, `${guest.name} | ${line}\n`);
  guest.serial.on('data', (bytes) => {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop()!;
    for (const line of lines) show(line);
    for (; rest.length > LONGEST_LINE; rest = rest.slice(LONGEST_LINE)) show(rest.slice(0, LONGEST_LINE));
    if (guest.state === 'stopped') finish();
  });
  const finish = (): void => {
    if (rest !== '') show(rest);
    rest = '';
  };
  guest.on('exit', finish);
}

function connectFile(guest: Guest, path: string, onFailure: (error: UserError) => void): SerialConnection {
  const stream = openStream(path);
  const outlet = new Outlet(stream);
  const closed = new Promise<void>((resolve) => stream.once('close', () => resolve()));
  stream.on('error', (error) => onFailure(unwritable(path, error)));
  guest.serial.on('data', (bytes) => outlet.write(guest, bytes));
  return {
    drained: () => outlet.emptied(),
    close: () => {
      stream.end();
      return closed;
    },
  };
}

function openStream(path: string): Writable {
  const file = openOutput(path);
  const stats = fstatSync(file);
  if (stats.isFIFO()) return new Socket({ fd: file, readable: false, writable: true });
  if (stats.isFile()) return createWriteStream(path, { fd: file });
  // A device: the stream does not know what to do when one that does not block is not ready.
  closeSync(file);
  return createWriteStream(path, { fd: openSync(path, 'w') });
}

async function connectPty(guest: Guest): Promise<SerialConnection> {
  const pty = await openPty((bytes) => guest.serial.write(bytes));
  guest.serial.on('data', (bytes) => pty.write(bytes));
  process.stderr.write(`vetro: serial port of ${guest.name} is ${pty.path}\n`);
  return { drained: async () => {}, close: async () => pty.close() };
}
