/**
 * What the hypervisor's own acts cost, by a booted Debian of 512 MiB and by a small guest: `npm run bench -- hypervisor`.
 * Medians, in ms of the wall clock, in one process that does nothing else.
 */
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchSystem } from '../src/cli/fetch/debian.ts';
import { type Guest, Host } from '../src/index.ts';
import { assemble } from '../src/isa/assemble.ts';
import type { Pc } from '../src/machine/pc.ts';
import { median } from './statistics.ts';
import { number } from './table.ts';

const MIB = 2 ** 20;
const CLONES = 100;
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
const SPIN = 'bits 16\norg 0x7c00\nagain: inc eax\njmp again';

interface Row {
  readonly what: string;
  readonly figure: string;
  readonly goal?: string;
}

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
  rows.push(...(await resets(host)), ...(await latency(host)));
  host.dispose();
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

/** From a key stroke to the guest's first slice with it: it echoes what it gets. */
async function latency(host: Host): Promise<Row[]> {
  const busy = await Promise.all(
    Array.from({ length: BUSY }, () => host.createGuest({ boot: { image: assemble(SPIN).bytes }, memory: 1 })),
  );
  const echo = `bits 16\norg 0x7c00\nmov dx, 0x3fb\nmov al, 3\nout dx, al\nmov dx, 0x3f9\nmov al, 1\nout dx, al
    mov al, 0x11\nout 0x20, al\nmov al, 8\nout 0x21, al\nmov al, 4\nout 0x21, al\nmov al, 1\nout 0x21, al\nmov al, 0xef\nout 0x21, al
    mov word [0x30], got\nmov word [0x32], 0\nmov dx, 0x3fc\nmov al, 11\nout dx, al
    wait: sti\nhlt\njmp wait
    got: push ax\npush dx\nmov dx, 0x3f8\nin al, dx\nout dx, al\nmov al, 0x20\nout 0x20, al\npop dx\npop ax\niret`;
  const typed = await host.createGuest({
    boot: { image: assemble(echo).bytes },
    memory: 1,
    clock: 'host',
    latency: 'interactive',
  });
  for (const guest of [...busy, typed]) void guest.run();
  const waits: number[] = [];
  for (let count = 0; count < 500; count++) {
    await new Promise((resolve) => setTimeout(resolve, 5 + (count % 7)));
    const start = performance.now();
    typed.serial.write('x');
    await typed.serial.waitFor('x', { timeout: 5_000 });
    waits.push(performance.now() - start);
  }
  for (const guest of [...busy, typed]) guest.dispose();
  const sorted = waits.sort((one, other) => one - other);
  return [
    { what: `a key's echo beside ${BUSY} busy guests: median`, figure: ms(median(sorted)) },
    {
      what: `a key's echo beside ${BUSY} busy guests: 99 %`,
      figure: ms(sorted[Math.floor(0.99 * sorted.length)]!),
      goal: '5 ms',
    },
  ];
}

const ms = (value: number): string => `${number(value)} ms`;

async function timed<Value>(action: () => Promise<Value>): Promise<{ value: Value; took: number }> {
  const start = performance.now();
  const value = await action();
  return { value, took: performance.now() - start };
}
