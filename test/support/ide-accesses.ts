/** What a hostile guest, or a confused driver, does to an IDE function with drives of both kinds. */
import { createHash } from 'node:crypto';
import type { Medium } from '../../src/bus/medium.ts';
import { AtapiCdrom } from '../../src/devices/ide/atapi-cdrom.ts';
import type { Random } from '../../src/difftest/random.ts';
import { createIde, type IdeBench, type Software, STATUS, TestMemory } from './ide.ts';
import { BytesMedium, pattern } from './media.ts';

const SECTORS = 3000;
const BLOCKS = 300;
const MEMORY = 0x8_0000;
const TABLES = [0x1000, 0x2ff8, 0x7_fff8, 0xffff_f000];

/** Commands that begin something, more likely than the others. */
const DISK_COMMANDS = [
  ...[0x20, 0x24, 0x25, 0x29, 0x30, 0x34, 0x35, 0x39, 0x3d, 0x40, 0x42, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0xce],
  ...[0x00, 0x08, 0x10, 0x27, 0x70, 0x90, 0x91, 0xa1, 0xb0, 0xe0, 0xe5, 0xe7, 0xea, 0xec, 0xef, 0xf8, 0xf1],
];
const PACKETS = [
  ...[0x00, 0x03, 0x12, 0x1a, 0x1b, 0x1e, 0x23, 0x25, 0x28, 0x2b, 0x42, 0x43, 0x46, 0x4a, 0x51, 0x5a, 0xa8, 0xbb],
  ...[0xbd, 0xbe, 0xff],
];

export type Wrap = (medium: Medium) => Medium;

/** Disk and CD on the first cable, a disk alone on the second. `wrap`: how the media answer. */
export function createHostileIde({
  wrap = (medium) => medium,
  configured = true,
}: {
  wrap?: Wrap;
  configured?: boolean;
} = {}) {
  const media = {
    first: new BytesMedium(SECTORS * 512),
    second: new BytesMedium(SECTORS * 512),
    disc: new BytesMedium(pattern(BLOCKS * 2048), { readOnly: true }),
  };
  media.first.bad.add(1234 * 512);
  media.second.bad.add(77 * 512);
  media.disc.bad.add(150 * 2048);
  const memory = new TestMemory(MEMORY);
  const bench = createIde({
    primary: [{ disk: wrap(media.first) }, { cd: wrap(media.disc) }],
    secondary: [{ disk: wrap(media.second) }, undefined],
    memory,
    modes: 'switchable',
    configured,
  });
  const disc = wrap(media.disc);
  return { ...bench, media, disc };
}
export type HostileIde = ReturnType<typeof createHostileIde>;

/** A byte, word or doubleword that a driver might write, or not. */
const anyValue = (random: Random, size: 1 | 2 | 4): number => Number(random.bits(8 * size));

/**
 * One thing of many. @returns what was read, so that two benches can be compared. Time is not moved: `pause` says for how
 * long the guest does something else.
 */
export function hostileStep(bench: HostileIde, random: Random): { seen: number[]; pause: number } {
  const seen: number[] = [];
  const software = random.oneIn(3) ? bench.secondary : bench.primary;
  const kinds = [
    ...[command, command, ready, ready, transfer, byDma, byDma, byPacket, master],
    ...[anywhere, control, control, change],
  ];
  random.pick(kinds)({ bench, software, random, seen });
  // Mostly microseconds, so that much happens in the midst of something else.
  const pause = random.oneIn(3) ? 0 : random.below(random.oneIn(20) ? 3_000_000 : 60_000);
  return { seen, pause };
}

interface Step {
  readonly bench: HostileIde;
  readonly software: Software;
  readonly random: Random;
  readonly seen: number[];
}

function command({ software, random }: Step): void {
  const packet = random.oneIn(3);
  const extended = random.oneIn(3);
  software.command(packet ? 0xa0 : random.oneIn(10) ? random.below(256) : random.pick(DISK_COMMANDS), {
    device: random.pick([0xe0, 0xe0, 0xf0, 0xa0, 0xb0, random.below(256)]),
    features: packet ? random.below(4) : random.pick([0x02, 0x03, 0x55, 0x66, 0x82, 0xaa, 0xcc, random.below(256)]),
    count: random.pick([0, 1, 2, 8, 17, 300, random.below(0x1_0000)]),
    lba: packet
      ? random.pick([0, 0xfffe00, 0x0800_00, random.below(2 ** 24)])
      : random.below(random.oneIn(5) ? 2 ** 28 : SECTORS),
    extended,
  });
}

/** As a driver that asks for status, and sends a packet where one is wanted. */
function ready({ software, random, seen }: Step): void {
  const { altStatus } = software;
  seen.push(altStatus, software.in(2), ...(random.oneIn(2) ? [software.status] : []));
  if ((altStatus & STATUS.DRQ) === 0) return;
  const packet = Uint8Array.from({ length: 12 }, () => (random.oneIn(2) ? 0 : random.below(256)));
  packet[0] = random.pick(PACKETS);
  if (packet[0] === 0x28 || packet[0] === 0xa8 || packet[0] === 0xbe) packet.fill(0, 2, 4);
  software.writeWords(packet);
}

function transfer({ bench, software, random, seen }: Step): void {
  const size = random.pick([1, 2, 2, 2, 4] as const);
  const base = software === bench.primary ? 0x1f0 : 0x170;
  const count = random.oneIn(50) ? 4096 : random.pick([1, 6, 255, 256]);
  for (let index = 0; index < count; index++) {
    if (random.oneIn(2)) seen[seen.length % 64] = bench.ports.read(base, size);
    else bench.ports.write(base, anyValue(random, size), size);
  }
}

function master({ bench, software, random, seen }: Step): void {
  const table = random.pick(TABLES);
  if (random.oneIn(2) && table + 64 <= MEMORY) {
    const view = new DataView(bench.memory.bytes.buffer);
    for (let at = table; at < table + 64; at += 4) {
      const address = random.oneIn(4) ? anyValue(random, 4) : random.below(MEMORY);
      const isCount = (at & 4) !== 0;
      view.setUint32(
        at,
        isCount ? random.pick([0, 1, 2, 512, 0x8000_0200, 0x8000_0000, anyValue(random, 4)]) : address,
        true,
      );
    }
  }
  if (random.oneIn(2)) {
    const base = software === bench.primary ? 0xc000 : 0xc008;
    bench.ports.write(base + 4, table, 4);
  }
  software.masterStatus = random.below(256);
  software.masterCommand = random.pick([0, 1, 8, 9, 9, 1, random.below(256)]);
  seen.push(software.masterStatus);
}

/** A transfer as it should be, or nearly so. */
function byDma({ bench, software, random, seen }: Step): void {
  const toMemory = random.oneIn(2);
  const extended = random.oneIn(2);
  const count = random.pick([1, 3, 60, 256, 300]);
  const regions = Array.from({ length: random.below(4) + 1 }, () => {
    return [random.below(MEMORY - 0x1_0000) & ~1, random.oneIn(3) ? 0 : random.below(count * 512) & ~1] as const;
  });
  bench.memory.putTable(0x1000, regions);
  const opcode = toMemory ? (extended ? 0x25 : 0xc8) : extended ? 0x35 : 0xca;
  const registers = { count, lba: random.below(SECTORS - 200), extended, device: random.oneIn(9) ? 0xf0 : 0xe0 };
  software.startDma(0x1000, toMemory ? 'to-memory' : 'from-memory', () => software.command(opcode, registers));
  seen.push(software.altStatus, software.masterStatus);
}

/** A read from the disc as it should be, and the beginning of its data. */
function byPacket({ software, random, seen }: Step): void {
  const byDma = random.oneIn(3);
  software.command(0xa0, { device: 0xb0, features: byDma ? 1 : 0, lba: random.pick([0xfffe, 2048, 4095]) * 0x100 });
  if ((software.altStatus & STATUS.DRQ) === 0) return;
  const count = random.pick([1, 3, 64, 90]);
  const lba = random.below(BLOCKS - count);
  software.writeWords(Uint8Array.of(0x28, 0, 0, 0, lba >>> 8, lba, 0, 0, count, 0, 0, 0));
  seen.push(software.altStatus);
}

/** Any port or register, with any value. */
function anywhere({ bench, random, seen }: Step): void {
  const size = random.pick([1, 2, 4] as const);
  const port = random.pick([0x1f0, 0x170, 0xc000, 0xc008]) + random.below(8);
  if (random.oneIn(2)) seen.push(bench.ports.read(port, size));
  else bench.ports.write(port, anyValue(random, size), size);
  if (!random.oneIn(10)) return;
  const register = random.pick([0x04, 0x09, 0x10, 0x14, 0x20, 0x40, 0x42]);
  bench.config.write(register, random.oneIn(2) ? anyValue(random, 2) : 0x8005, 2);
  if (random.oneIn(3)) return;
  bench.config.write(0x09, 0x80);
  bench.configure();
}

function control({ software, random, seen }: Step): void {
  software.control = random.pick([0, 0, 0, 2, 4, 0x80, random.below(256)]);
  seen.push(software.altStatus);
}

/** What the user does. */
function change({ bench, random }: Step): void {
  const drive = bench.drives[0][1];
  if (!(drive instanceof AtapiCdrom) || !random.oneIn(4)) return;
  if (random.oneIn(2)) drive.insert(bench.disc);
  else drive.eject({ force: random.oneIn(2) });
}

/** Bytes that the drives hold. */
export const heldBytes = (bench: IdeBench): number =>
  bench.drives.flat().reduce((sum, drive) => sum + (drive?.state.buffer.length ?? 0), 0);

/** All that can be told, in little: buffers as their hashes. */
export const summary = ({ devices }: IdeBench): string =>
  JSON.stringify(
    devices.map(({ state }) => state),
    (_, value) => (value instanceof Uint8Array ? createHash('sha1').update(value).digest('hex') : value),
  );
