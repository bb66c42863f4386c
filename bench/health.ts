/**
 * Long-run health: one guest works for a long time, round after round of the bench's programs, each from a fresh copy in
 * new pages of memory. What must stay flat: instructions per second of processor time, regions at work, and resident
 * memory but for what the guest has touched of its own.
 *
 *   npm run health -- [minutes, 60 if it is not said]
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fetchSystem } from '../src/cli/fetch/debian.ts';
import { Host } from '../src/index.ts';
import type { Pc } from '../src/machine/pc.ts';
import { buildGuestImage } from './guest-image.ts';
import { MarkerReader } from './marker-reader.ts';
import { PROGRAMS, scaled } from './programs.ts';
import { median } from './statistics.ts';

const MIB = 2 ** 20;
/** Of the work that the bench measures. */
const SCALE = 0.25;
/** What may differ between the first third of the rounds and the last, the first round left out. */
const ALLOWED = { slower: 1.15, mebibytes: 64, regions: 1.5 } as const;

interface Round {
  /** Million instructions per second of processor time, compile threads included. */
  readonly speed: number;
  /** MiB of RAM that the guest has touched, and of the process besides. */
  readonly guest: number;
  readonly host: number;
  readonly regions: number;
}

const minutes = Number(process.argv[2] ?? 60);
if (!(minutes > 0)) {
  console.error('npm run health -- [minutes]: minutes must be a number above 0');
  process.exit(2);
}

const { kernel } = await fetchSystem('debian-686');
const folder = mkdtempSync(join(tmpdir(), 'vetro-health-'));
const image = join(folder, 'initrd.cpio');
buildGuestImage(readFileSync(join(dirname(kernel), 'busybox')), image, folder);
const boot = { kernel: readFileSync(kernel), initrd: readFileSync(image), commandLine: 'console=ttyS0 quiet' };
rmSync(folder, { recursive: true });

const host = await Host.create();
const guest = await host.createGuest({ boot, memory: 512, clock: 'virtual' });
const pc = guest.machine as unknown as Pc;
const { processor } = pc;
processor.startProfile();

const reader = new MarkerReader();
let onEnd: (status: number) => void = () => {};
guest.serial.on('data', (bytes) => {
  for (const marker of reader.put(Buffer.from(bytes).toString('latin1'))) {
    if (marker.kind === 'ready') onEnd(0);
    if (marker.kind === 'end') onEnd(marker.status);
  }
});
const marker = () =>
  new Promise<number>((resolve) => {
    onEnd = resolve;
  });
const ready = marker();
const ended = guest.run().then((exit): never => {
  throw new Error(`the guest ended: ${exit.reason}`);
});
await Promise.race([ready, ended]);

/** @throws if the command fails */
async function run(name: string, command: string): Promise<void> {
  const end = marker();
  guest.serial.write(`run ${name} '${command.replaceAll("'", `'\\''`)}'\n`);
  const status = await Promise.race([end, ended]);
  if (status !== 0) throw new Error(`${name} ended with status ${status}: ${reader.recent}`);
}

const processorTime = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

async function round(): Promise<Round> {
  const [time, instructions] = [processorTime(), guest.instructions];
  await run('copy', 'rm -rf /tmp/bin; cp -r /bench /tmp/bin');
  for (const program of PROGRAMS) {
    if (program.needs) continue;
    const size = scaled(program, SCALE);
    if (program.before) await run('before', program.before(size));
    await run(program.name, program.command(size).replaceAll('/bench/', '/tmp/bin/'));
  }
  const { translation } = processor.profile!.engine!;
  return {
    speed: (guest.instructions - instructions) / 1e6 / (processorTime() - time),
    guest: pc.memoryInUse / MIB,
    host: (process.memoryUsage.rss() - pc.memoryInUse) / MIB,
    regions: translation!.live,
  };
}

const start = performance.now();
const rounds: Round[] = [];
console.log('minute  round  M instructions/s  guest MiB  host MiB  regions');
while (performance.now() - start < minutes * 60_000) {
  const done = await round();
  const { speed, guest: touched, host: besides, regions } = done;
  rounds.push(done);
  const minute = ((performance.now() - start) / 60_000).toFixed(1);
  const cells = [minute.padStart(6), `${rounds.length}`.padStart(5), speed.toFixed(0).padStart(16)];
  const memory = [touched.toFixed(0).padStart(9), besides.toFixed(0).padStart(8)];
  console.log([...cells, ...memory, `${regions}`.padStart(7)].join('  '));
}

const third = Math.floor((rounds.length - 1) / 3);
if (third < 1) {
  console.error('too few rounds to compare: give it more minutes');
  process.exit(2);
}
const middle = (some: readonly Round[], what: keyof Round) => median(some.map((one) => one[what]));
const [first, last] = [rounds.slice(1, 1 + third), rounds.slice(-third)];
const slower = middle(first, 'speed') / middle(last, 'speed');
const grown = middle(last, 'host') - middle(first, 'host');
const regions = middle(last, 'regions') / middle(first, 'regions');
console.log(
  `${rounds.length} rounds; last third against the first: time ${slower.toFixed(3)}×, host memory ${grown.toFixed(0)} MiB more, regions ${regions.toFixed(2)}×`,
);
const flat = slower <= ALLOWED.slower && grown <= ALLOWED.mebibytes && regions <= ALLOWED.regions;
console.log(flat ? 'flat' : 'not flat');
process.exit(flat ? 0 : 1);
