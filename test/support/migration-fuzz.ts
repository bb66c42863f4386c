/**
 * Streams of migrations that somebody has changed: bytes anywhere; what is described in them, with all checksums made good
 * again; messages left out, exchanged, or sent twice. Each is refused with a reason, or gives a guest that runs.
 */
import { assembleDemo } from '../../src/cli/demo.ts';
import { createSnapshotCodec } from '../../src/host/snapshot-codec.ts';
import { packPlain, unpackPlain } from '../../src/hypervisor/migration/plain-message.ts';
import { GREETING_BYTES, MESSAGE, PAGES_HEAD_BYTES, PREFIX_BYTES } from '../../src/hypervisor/migration/protocol.ts';
import { Host, type ReceiveOptions } from '../../src/index.ts';
import { bootImage, FLOPPY_SIZE } from './bios-machine.ts';
import { type ChangedGuestReport, fuzzChangedGuests } from './changed-guest-fuzz.ts';
import { createDuplex } from './duplex.ts';
import { pattern } from './media.ts';
import { changeSomething } from './snapshot-fuzz.ts';

interface Recorded {
  readonly bytes: Uint8Array;
  readonly options: ReceiveOptions;
}

type Random = (below: number) => number;

/** Writes to a diskette, again and again: it is kept in memory. */
const WRITES = `
  sti
  again: mov ax, 0x0301\nxor bx, bx\nmov es, bx\nmov bx, 0x8000\ninc byte [bx]\nmov cx, 5\nmov dx, 0\nint 0x13
  jmp again`;

/** What the sources of two small guests send. */
export async function recordMigrations(): Promise<readonly Recorded[]> {
  const [here, there] = [await Host.create(), await Host.create()];
  const demo = await here.createGuest({ boot: { image: assembleDemo() }, memory: 1, name: 'demo' });
  demo.serial.write('tasks\rticks\r');
  demo.keyboard.type('Hello');
  await demo.runTo(30_000);
  const media = { floppy: bootImage(WRITES, FLOPPY_SIZE), disks: [pattern(2 ** 20)], cdrom: pattern(2 ** 19) };
  const drives = await here.createGuest({ ...media, boot: { order: ['floppy'] }, memory: 1, name: 'drives' });
  await drives.runTo(3_000_000);
  const recorded: Recorded[] = [];
  for (const { guest, options } of [
    { guest: demo, options: {} },
    { guest: drives, options: media },
  ]) {
    const parts: Uint8Array[] = [];
    const { source, destination } = createDuplex({
      forth: {
        pass(bytes) {
          parts.push(bytes);
          return bytes;
        },
      },
    });
    await Promise.all([there.receive(destination, options), guest.migrate(source)]);
    recorded.push({ bytes: new Uint8Array(Buffer.concat(parts)), options });
  }
  await here[Symbol.asyncDispose]();
  await there[Symbol.asyncDispose]();
  return recorded;
}

export async function fuzzMigrations(
  originals: readonly Recorded[],
  { rounds, random }: { readonly rounds: number; readonly random: Random },
): Promise<ChangedGuestReport> {
  const host = await Host.create({ onListenerError: () => {} });
  const report = await fuzzChangedGuests(host, rounds, async (round) => {
    const { bytes: original, options } = originals[round % originals.length]!;
    const { bytes, what } = await changed(original, random);
    return {
      what,
      begin: () => host.receive(streamOf(bytes, random), { ...options, engine: 'interpreter', patience: 5_000 }),
    };
  });
  await host[Symbol.asyncDispose]();
  return report;
}

/** It ends behind its bytes, which come in pieces; nobody reads what is said to it. */
function streamOf(bytes: Uint8Array, random: Random) {
  const size = 1 + random(100_000);
  let at = 0;
  return {
    readable: {
      getReader: () => ({
        async read() {
          if (at >= bytes.length) return { done: true };
          at += size;
          return { done: false, value: bytes.subarray(at - size, at) };
        },
        async cancel() {},
      }),
    },
    writable: { getWriter: () => ({ async write() {}, async close() {}, async abort() {} }) },
  };
}

interface Changed {
  readonly bytes: Uint8Array;
  readonly what: string;
}

function changed(original: Uint8Array, random: Random): Changed | Promise<Changed> {
  const way = random(8);
  if (way < 2) return changeBytes(original, random);
  if (way === 2) return changeOrder(original, random);
  if (way < 5) return changePages(original, random);
  return changePlain(original, random);
}

function changeBytes(original: Uint8Array, random: Random): Changed {
  const bytes = original.slice(0, random(8) === 0 ? random(original.length) : undefined);
  for (let change = random(4); change >= 0 && bytes.length > 0; change--) {
    const at = random(2) === 0 ? random(bytes.length) : random(Math.min(bytes.length, 64));
    bytes[at] = random(256);
  }
  return { bytes, what: 'bytes changed' };
}

function changeOrder(original: Uint8Array, random: Random): Changed {
  const messages = split(original);
  const at = random(messages.length);
  const what = random(3);
  if (what === 0) messages.splice(at, 1);
  else if (what === 1) messages.splice(random(messages.length), 0, messages[at]!);
  else messages.splice(random(messages.length), 0, ...messages.splice(at, 1));
  return { bytes: joined(original, messages), what: `message ${at} of another place` };
}

function changePages(original: Uint8Array, random: Random): Changed {
  const messages = split(original);
  const pages = messages.filter(([kind]) => kind === MESSAGE.PAGES);
  const chosen = pages[random(pages.length)]!;
  // Mostly what describes them, not what is in them.
  const count = new DataView(chosen.buffer, chosen.byteOffset).getUint32(PREFIX_BYTES + 4, true);
  const described = PAGES_HEAD_BYTES + (random(2) === 0 ? 0 : 8 * count);
  for (let change = random(3); change >= 0; change--)
    chosen[PREFIX_BYTES + random(Math.min(described, chosen.length - PREFIX_BYTES))] = random(256);
  return { bytes: joined(original, messages), what: 'pages changed' };
}

async function changePlain(original: Uint8Array, random: Random): Promise<Changed> {
  const codec = createSnapshotCodec();
  const messages = split(original);
  const kinds = [MESSAGE.HEAD, MESSAGE.STATE, MESSAGE.STATE, MESSAGE.COMMIT];
  const kind = kinds[random(kinds.length)]!;
  const at = messages.findIndex(([each]) => each === kind);
  const data = (await unpackPlain(messages[at]!.subarray(PREFIX_BYTES), codec)) as {
    head?: { machine: { devices: { state: object }[] } };
    machine?: { devices: { state: object }[] };
  };
  const machine = data.head?.machine ?? data.machine;
  const roots: object[] = [data, ...(data.head ? [data.head] : []), ...(machine ? [machine, machine.devices] : [])];
  if (machine && random(2) === 0) roots.push(...machine.devices.map(({ state }) => state));
  const changes = Array.from({ length: 1 + random(3) }, () => changeSomething(roots[random(roots.length)]!, random));
  messages[at] = message(kind, await packPlain(data, codec));
  return { bytes: joined(original, messages), what: `${kind}: ${changes.join(', ')}` };
}

/** Copies of the messages, with their prefixes. */
function split(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const messages: Uint8Array[] = [];
  for (let at = GREETING_BYTES; at < bytes.length; ) {
    const end = at + PREFIX_BYTES + view.getUint32(at + 4, true);
    messages.push(bytes.slice(at, end));
    at = end;
  }
  return messages;
}

const joined = (original: Uint8Array, messages: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(Buffer.concat([original.subarray(0, GREETING_BYTES), ...messages]));

function message(kind: number, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(PREFIX_BYTES + content.length);
  bytes[0] = kind;
  new DataView(bytes.buffer).setUint32(4, content.length, true);
  bytes.set(content, PREFIX_BYTES);
  return bytes;
}
