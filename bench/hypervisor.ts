/**
 * What the hypervisor's own acts cost, by a booted Debian of 512 MiB and by a small guest: `npm run bench -- hypervisor`.
 * Medians, in ms of the wall clock, in one process that does nothing else.
 */
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchSystem } from '../src/cli/fetch/debian.ts';
import { acceptOne, connectTo, type SocketAddress } from '../src/host/node/socket-duplex.ts';
import { type ByteDuplex, type Guest, Host, type Migration } from '../src/index.ts';
import { assemble } from '../src/isa/assemble.ts';
import type { Pc } from '../src/machine/pc.ts';
import { echoTimes } from './echo-times.ts';
import { median } from './statistics.ts';
import { number } from './table.ts';
import { measureThreads, type ThreadRow } from './threads.ts';

const MIB = 2 ** 20;
const CLONES = 100;
const MOVES = 10;
const BUSY = 10;
/** Pages that a small guest writes between two resets. */
const DIRTIED = 20;
/** Writes to so many pages from 1 MiB on, again and again. */
const DIRTIES = `
  bits 16\norg 0x7c00\ncli\nlgdt [table]\nmov eax, cr0\nor al, 1\nmov cr0, eax\njmp 8:flat
  align 8\ngdt: dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff\ntable: dw 23\ndd gdt
  bits 32\nflat: mov ax, 16\nmov ds, ax
  again: mov ecx, ${DIRTIED}\nmov edi, 0x100000
  next: inc dword [edi]\nadd edi, 4096\nloop next\njmp again`;

type Row = ThreadRow;

/** @returns lines to print */
export async function measureHypervisor(): Promise<string[]> {
  const host = await Host.create();
  const { kernel, initrd } = await fetchSystem('debian-686');
  const boot = { kernel: readFileSync(kernel), initrd: readFileSync(initrd) };
  const commandLine = 'console=ttyS0 cryptomgr.notests';
  const created = await timed(() => host.createGuest({ boot: { ...boot, commandLine }, memory: 512 }));
  const guest = created.value;
  void guest.run();
  await guest.serial.waitFor(' # ', { timeout: 600_000 });
  await guest.serial.waitFor('\x1b[6n', { timeout: 60_000 });
  guest.pause();
  guest.serial.discard();
  const rows: Row[] = [{ what: 'create the first guest, 512 MiB', figure: ms(created.took) }];
  rows.push(...(await snapshots(host, guest)), ...(await clones(guest)));
  rows.push(...(await resets(host)), ...(await latency(host)), ...(await migrations(host, guest)));
  host.dispose();
  rows.push(...(await measureThreads()));
  const width = Math.max(...rows.map(({ what }) => what.length));
  return rows.map(({ what, figure, goal }) => `${what.padEnd(width)}  ${figure}${goal ? `   (goal ${goal})` : ''}`);
}

async function snapshots(host: Host, guest: Guest): Promise<Row[]> {
  const path = join(tmpdir(), `vetro-bench-${process.pid}.vetro`);
  const stops: number[] = [];
  const takes: number[] = [];
  const restores: number[] = [];
  const firsts: number[] = [];
  let size = 0;
  for (let round = 0; round < 5; round++) {
    const { value, took } = await timed(() => guest.snapshot({ to: path }));
    stops.push(value.stopped);
    takes.push(took);
    size = value.size;
    const restored = await timed(() => host.restore(path));
    restores.push(restored.took);
    const { instructions } = restored.value;
    firsts.push((await timed(() => restored.value.runTo(instructions + 1_000_000))).took);
    restored.value.dispose();
  }
  rmSync(path, { force: true });
  return [
    { what: 'snapshot: the guest stands still', figure: ms(median(stops)), goal: '20 ms' },
    { what: 'snapshot: until it is in the file', figure: ms(median(takes)) },
    { what: 'snapshot: size', figure: `${number(size / MIB)} MiB`, goal: '38 MiB' },
    { what: 'restore', figure: ms(median(restores)), goal: '100 ms' },
    { what: 'restore: the first 10^6 instructions', figure: ms(median(firsts)) },
    ...(await storedSnapshots(guest)),
  ];
}

/** Into a store: the first, and those that follow, each behind a command. */
async function storedSnapshots(guest: Guest): Promise<Row[]> {
  const store = join(tmpdir(), `vetro-bench-store-${process.pid}`);
  const first = await timed(() => guest.snapshot({ to: `${store}/` }));
  const takes: number[] = [];
  const sizes: number[] = [];
  for (let round = 0; round < 5; round++) {
    guest.serial.write('ls -lR /etc | tail -1\n');
    await guest.runTo(guest.instructions + 20_000_000);
    guest.serial.discard();
    const { value, took } = await timed(() => guest.snapshot({ to: store }));
    takes.push(took);
    sizes.push(value.size);
  }
  rmSync(store, { recursive: true });
  return [
    { what: 'store: the first snapshot, until it is there', figure: ms(first.took) },
    { what: 'store: the next one, behind a command', figure: ms(median(takes)) },
    { what: 'store: what that adds', figure: `${number(median(sizes) / MIB)} MiB` },
  ];
}

async function clones(guest: Guest): Promise<Row[]> {
  const times: number[] = [];
  const made: Guest[] = [];
  const before = process.memoryUsage().rss;
  for (let count = 0; count < CLONES; count++) {
    const { value, took } = await timed(() => guest.clone());
    times.push(took);
    made.push(...value);
  }
  const idle = (process.memoryUsage().rss - before) / MIB / CLONES;
  const own = made.map(({ machine }) => (machine.memoryInUse - machine.memoryShared) / MIB);
  for (const clone of made) {
    clone.serial.discard();
    clone.serial.write('echo $((6 * 7))\n');
    await clone.runTo(clone.instructions + 20_000_000);
  }
  const awake = (process.memoryUsage().rss - before) / MIB / CLONES;
  const written = made.map(({ machine }) => (machine.memoryInUse - machine.memoryShared) / MIB);
  for (const clone of made) clone.dispose();
  return [
    { what: 'clone', figure: ms(median(times)), goal: '10 ms' },
    { what: 'clone: resident memory each, before it runs', figure: `${number(idle)} MiB`, goal: '1 MiB' },
    { what: 'clone: frames of its own, before it runs', figure: `${number(median(own))} MiB` },
    { what: 'clone: resident memory each, after a command', figure: `${number(awake)} MiB` },
    { what: 'clone: frames of its own, after a command', figure: `${number(median(written))} MiB` },
  ];
}

async function resets(host: Host): Promise<Row[]> {
  const guest = await host.createGuest({ boot: { image: assemble(DIRTIES).bytes }, memory: 16 });
  await guest.runTo(10_000);
  const pc = guest.machine as unknown as Pc;
  const checkpoint = pc.checkpoint();
  const rates: number[] = [];
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    for (let count = 0; count < 2000; count++) {
      pc.run({ instructions: 3 * DIRTIED + 10 });
      pc.revert(checkpoint);
    }
    rates.push(2000 / ((performance.now() - start) / 1000));
  }
  checkpoint.memory.dispose();
  guest.dispose();
  const what = `resets to a checkpoint a second: 16 MiB, ${DIRTIED} pages written`;
  return [{ what, figure: Math.round(median(rates)).toLocaleString('en'), goal: '2,000' }];
}

async function latency(host: Host): Promise<Row[]> {
  const waits = await echoTimes(host, BUSY);
  return [
    { what: `a key's echo beside ${BUSY} busy guests: median`, figure: ms(median(waits)) },
    {
      what: `a key's echo beside ${BUSY} busy guests: 99 %`,
      figure: ms(waits[Math.floor(0.99 * waits.length)]!),
      goal: '5 ms',
    },
  ];
}

/** To and fro between two hosts of this process, while it writes memory: both sides' work is in it. */
async function migrations(host: Host, first: Guest): Promise<Row[]> {
  const other = await Host.create();
  let guest = first;
  void guest.run();
  guest.serial.write('while :; do dd if=/dev/urandom of=/tmp/x bs=1M count=4 2>/dev/null; md5sum /tmp/x; done\n');
  const made: Migration[] = [];
  const times: number[] = [];
  for (let move = 0; move < MOVES; move++) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    let destination: Promise<ByteDuplex> | undefined;
    const address = await new Promise<SocketAddress>((resolve) => {
      destination = acceptOne({ host: '127.0.0.1', port: 0 }, { onListening: resolve });
    });
    const source = await connectTo(address);
    const to = move % 2 === 0 ? other : host;
    const from = guest;
    const moved = await timed(async () => Promise.all([to.receive(await destination!), from.migrate(source)]));
    [guest] = moved.value;
    made.push(moved.value[1]);
    times.push(moved.took);
    guest.serial.discard();
    void guest.run();
    from.dispose();
  }
  other.dispose();
  const stops = made.map(({ downtime }) => downtime).sort((one, next) => one - next);
  return [
    { what: 'migrate by loopback TCP, under load: it stands still', figure: ms(median(stops)), goal: '100 ms' },
    { what: 'migrate: the longest of these', figure: ms(stops.at(-1)!) },
    { what: 'migrate: until it is there', figure: ms(median(times)) },
    { what: 'migrate: rounds', figure: number(median(made.map(({ rounds }) => rounds))) },
    { what: 'migrate: sent', figure: `${number(median(made.map(({ bytes }) => bytes)) / MIB)} MiB` },
  ];
}

const ms = (value: number): string => `${number(value)} ms`;

async function timed<Value>(action: () => Promise<Value>): Promise<{ value: Value; took: number }> {
  const start = performance.now();
  const value = await action();
  return { value, took: performance.now() - start };
}
