/** Debian under load, moved to and fro between two hosts while it runs: as if it had never been moved. */
import { createServer } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { acceptOne, connectTo, type SocketAddress } from '../../src/host/node/socket-duplex.ts';
import { type ByteDuplex, type Guest, Host, type Migration } from '../../src/index.ts';
import { COMMAND_LINE, debianBoot, PROMPT, Typist } from '../support/debian.ts';
import { createDuplex, type Ends } from '../support/duplex.ts';

const { boot, reason } = await debianBoot('debian-686');
const MOVES = 4;
/** Writes memory and says so, again and again. */
const LOAD =
  'i=0; while [ $i -lt 100000 ]; do dd if=/dev/urandom of=/tmp/x bs=256k count=4 2>/dev/null; i=$((i+1)); echo "line $i $(md5sum </tmp/x)"; done\n';

describe.skipIf(!boot)(`Debian that is moved${reason ? ` (${reason})` : ''}`, () => {
  it(`${MOVES} times under load: state and output are those of one that was not`, async () => {
    const [one, other] = [await Host.create(), await Host.create()];
    const { kernel, initrd } = boot as { kernel: Uint8Array; initrd: Uint8Array };
    const first = await one.createGuest({
      boot: { kernel, initrd, commandLine: COMMAND_LINE },
      memory: 96,
      name: 'debian',
    });
    const typist = new Typist(first);
    void first.run();
    await typist.waitFor(PROMPT);
    first.pause();
    const [twin] = await first.clone();
    let [transcript, expected] = ['', ''];
    const listen = (guest: Guest, hear: (text: string) => void): void => {
      guest.serial.on('data', (bytes) => hear(Buffer.from(bytes).toString('latin1')));
    };
    const hear = (text: string): void => {
      transcript += text;
    };
    listen(first, hear);
    listen(twin!, (text) => {
      expected += text;
    });
    for (const each of [first, twin!]) each.serial.write(LOAD);
    void first.run();
    let guest = first;
    const migrations: Migration[] = [];
    for (let move = 0; move < MOVES; move++) {
      await guest.serial.waitFor(/line \d{1,6} /);
      const { source, destination } = await WAYS[move % WAYS.length]!();
      const from = guest;
      const [moved, migration] = await Promise.all([
        (move % 2 === 0 ? other : one).receive(destination),
        from.migrate(source),
      ]);
      migrations.push(migration);
      listen(moved, hear);
      guest = moved;
      void guest.run();
      from.dispose();
    }
    guest.pause();
    const end = guest.instructions + 20_000_000;
    await guest.runTo(end);
    await twin!.runTo(end);
    expect(guest.machine.stateHash()).toBe(twin!.machine.stateHash());
    expect(transcript).toBe(expected);
    expect(transcript).toMatch(/line [4-9]\d* /);
    expect(migrations.every(({ rounds }) => rounds >= 1)).toBe(true);
    one.dispose();
    other.dispose();
  });
});

const WAYS: readonly (() => Promise<Pick<Ends, 'source' | 'destination'>>)[] = [
  async () => createDuplex(),
  bySockets,
  byWebStreams,
];

async function bySockets(): Promise<Pick<Ends, 'source' | 'destination'>> {
  let destination: Promise<ByteDuplex> | undefined;
  const address = await new Promise<SocketAddress>((resolve) => {
    destination = acceptOne({ host: '127.0.0.1', port: 0 }, { onListening: resolve });
  });
  return { source: await connectTo(address), destination: await destination! };
}

/** As the README has it. */
async function byWebStreams(): Promise<Pick<Ends, 'source' | 'destination'>> {
  const { connect } = await import('node:net');
  const server = createServer();
  const accepted = new Promise<ByteDuplex>((resolve) => {
    server.once('connection', (socket) => resolve(Duplex.toWeb(socket)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const source = Duplex.toWeb(connect(port, '127.0.0.1'));
  const destination = await accepted;
  server.close();
  return { source, destination };
}
