/** CDs and disks whose boot records, catalogues and partition tables are damaged, booted by our BIOS through the library. */
import { Random } from '../../src/difftest/random.ts';
import { type Guest, type GuestOptions, Host, UserError } from '../../src/index.ts';
import { BytesStore } from '../../src/storage/bytes-store.ts';
import { type ImageIdentity, sniffImage } from '../../src/storage/sniff-image.ts';
import { bootImage, FLOPPY_SIZE } from './bios-machine.ts';
import { bootCd } from './boot-cd.ts';
import { pattern } from './media.ts';
import { processorTime } from './processor-time.ts';

const BLOCK = 2048;
const MIB = 2 ** 20;
const CATALOG = 19 * BLOCK;
/** Instructions: the BIOS needs a few hundred for what it tries. */
const RUN = 60_000;
const MOST_MEMORY = 64 * MIB;
const MOST_TIME = 5000;
/** One in so many gets a machine of its own, and so is opened as a guest's first medium. */
const FRESH = 30;

export interface BootSample {
  readonly title: string;
  readonly bytes: Uint8Array;
  /** Where numbers are that decide something, each [first, end). */
  readonly metadata: readonly (readonly [first: number, end: number])[];
  readonly drive: 'cdrom' | 'disk';
  /** Sound again, so that the change gets any further. */
  readonly reseal?: (bytes: Uint8Array) => void;
}

/** Reads on from the drive it came from, by CHS and by packet, and says that it is there. */
const PROGRAM = `
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov [drive], dl
  mov al, 'b'
  out 0xe9, al
  mov ax, 0x0205
  mov bx, 0x9000
  mov cx, 2
  mov dh, 0
  int 0x13
  mov ah, 0x48
  mov dl, [drive]
  mov si, 0x8000
  mov word [si], 30
  int 0x13
  mov ax, 0x4b01
  mov dl, [drive]
  mov si, 0x8000
  int 0x13
  mov ah, 8
  mov dl, [drive]
  int 0x13
  mov ah, 0x42
  mov dl, [drive]
  mov si, packet
  int 0x13
  cli
  hlt
  drive: db 0
  packet: dw 16, 4, 0x9000, 0, 20, 0, 0, 0`;

const cdSample = (title: string, media: number, image: Uint8Array): BootSample => ({
  title,
  bytes: describeVolume(bootCd({ media, image, count: 4 })),
  metadata: [
    [16 * BLOCK, 16 * BLOCK + 200],
    [17 * BLOCK, 17 * BLOCK + 0x50],
    [17 * BLOCK + 0x47, 17 * BLOCK + 0x4b],
    [CATALOG, CATALOG + 64],
    [CATALOG + 32, CATALOG + 46],
    [CATALOG + 32, CATALOG + 46],
    // A hard disk's partition table, where geometry is taken from.
    [20 * BLOCK + 446, 20 * BLOCK + 512],
  ],
  drive: 'cdrom',
  reseal: resealCatalog,
});

/** The primary descriptor says how large the volume is. ECMA-119, 8.4. */
function describeVolume(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer);
  const blocks = bytes.length / BLOCK;
  view.setUint32(16 * BLOCK + 80, blocks, true);
  view.setUint32(16 * BLOCK + 84, blocks);
  view.setUint16(16 * BLOCK + 128, BLOCK, true);
  view.setUint16(16 * BLOCK + 130, BLOCK);
  return bytes;
}

/** The words of the validation entry add up to 0. */
function resealCatalog(bytes: Uint8Array): void {
  if (bytes.length < CATALOG + BLOCK) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let sum = 0;
  for (let at = 0; at < 32; at += 2) if (at !== 28) sum += view.getUint16(CATALOG + at, true);
  view.setUint16(CATALOG + 28, -sum, true);
}

function partitioned(): Uint8Array {
  const bytes = pattern(MIB);
  bytes.set(bootImage(PROGRAM, 512).subarray(0, 440));
  bytes.set([0x80, 1, 1, 0, 0x83, 15, 63, 1, 63, 0, 0, 0, 0xc0, 7, 0, 0], 446);
  bytes.fill(0, 462, 510);
  bytes.set([0x55, 0xaa], 510);
  return bytes;
}

export function bootSamples(): BootSample[] {
  const floppy = bootImage(PROGRAM, FLOPPY_SIZE);
  return [
    cdSample('ISO 9660 and El Torito, no emulation', 0, bootImage(PROGRAM, 4 * BLOCK)),
    cdSample('El Torito, a diskette', 2, floppy),
    cdSample('El Torito, a hard disk', 4, partitioned()),
    {
      title: 'MBR',
      bytes: partitioned(),
      metadata: [
        [440, 512],
        [446, 462],
      ],
      drive: 'disk',
    },
  ];
}

const EDGES = [0, 1, 2, 0x7f, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff, 0x9fff, 0x07c0] as const;

export function damage({ bytes: sound, metadata, reseal }: BootSample, random: Random): Uint8Array {
  let bytes = sound.slice();
  const view = new DataView(bytes.buffer);
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const [first, end] = random.pick(metadata);
    const at = Math.min(first + random.below(end - first), bytes.length - 4);
    switch (random.below(5)) {
      case 0:
        bytes[at] ^= 1 << random.below(8);
        break;
      case 1:
        bytes[at] = random.below(256);
        break;
      case 2:
        view.setUint32(at, random.pick(EDGES), random.oneIn(2));
        break;
      case 3:
        view.setUint16(at, random.below(0x1_0000), true);
        break;
      default:
        bytes.copyWithin(at, first, end);
    }
  }
  if (random.oneIn(2)) reseal?.(bytes);
  if (random.oneIn(12)) bytes = bytes.slice(0, random.below(bytes.length));
  return bytes;
}

export interface BootFuzzReport {
  readonly kinds: Map<ImageIdentity['kind'], number>;
  booted: number;
  /** With a line that says why. */
  refused: number;
  nothingToBoot: number;
  mostMemory: number;
  slowest: number;
}

/** @throws if anything but a result or one clear line comes out, it takes too long, or too much memory */
export async function fuzzBootMedia(
  sample: BootSample,
  { rounds, seed, engine = 'interpreter' }: { rounds: number; seed: number; engine?: GuestOptions['engine'] },
): Promise<BootFuzzReport> {
  const random = new Random(seed);
  const report: BootFuzzReport = {
    ...{ kinds: new Map(), booted: 0, refused: 0, nothingToBoot: 0, mostMemory: 0, slowest: 0 },
  };
  const host = await Host.create();
  const disk = sample.bytes.slice();
  const guest = await host.createGuest({
    ...drivesOf(sample, disk),
    ...{ memory: 2, engine, onNothingToBoot: 'stop' as const },
  });
  const lasting: Lasting = { guest, disk };
  try {
    for (let round = 0; round < rounds; round++) {
      const bytes = damage(sample, random);
      const [before, start] = [process.memoryUsage().arrayBuffers, processorTime()];
      const { kind } = await sniffImage(new BytesStore(bytes));
      report.kinds.set(kind, (report.kinds.get(kind) ?? 0) + 1);
      // A machine is dear to make: mostly another medium comes into the one that there is, which is reset.
      if (random.oneIn(FRESH) || bytes.length !== sample.bytes.length) {
        const guest = await create(host, { ...drivesOf(sample, bytes), memory: 2, engine, onNothingToBoot: 'stop' });
        if (guest === undefined) report.refused++;
        else await boot(guest, report);
        guest?.dispose();
      } else if (await exchange(lasting, sample, bytes)) {
        lasting.guest.reset();
        await boot(lasting.guest, report);
      } else report.refused++;
      report.slowest = Math.max(report.slowest, processorTime() - start);
      report.mostMemory = Math.max(report.mostMemory, process.memoryUsage().arrayBuffers - before);
      if (report.slowest > MOST_TIME) throw new Error(`mutation ${round} took ${report.slowest} ms`);
      if (report.mostMemory > MOST_MEMORY) throw new Error(`mutation ${round} took ${report.mostMemory} bytes`);
    }
  } finally {
    host.dispose();
  }
  return report;
}

interface Lasting {
  readonly guest: Guest;
  /** What its disk is. */
  readonly disk: Uint8Array;
}

const drivesOf = ({ drive }: BootSample, image: Uint8Array): GuestOptions =>
  drive === 'cdrom' ? { cdrom: image } : { disks: [{ image, write: 'through' }] };

/** @returns whether the drive takes it */
async function exchange({ guest, disk }: Lasting, { drive }: BootSample, bytes: Uint8Array): Promise<boolean> {
  if (drive === 'disk') disk.set(bytes);
  else {
    try {
      await guest.cdrom!.insert(bytes);
    } catch (error) {
      if (!(error instanceof UserError) || error.message.includes('\n')) throw error;
      return false;
    }
  }
  return true;
}

async function create(host: Host, options: GuestOptions): Promise<Guest | undefined> {
  try {
    return await host.createGuest(options);
  } catch (error) {
    if (error instanceof UserError && !error.message.includes('\n')) return undefined;
    throw error;
  }
}

async function boot(guest: Guest, report: BootFuzzReport): Promise<void> {
  let output = '';
  const off = guest.debugConsole.on('data', (bytes) => {
    output += new TextDecoder('latin1').decode(bytes);
  });
  const result = await guest.runTo(guest.instructions + RUN);
  off();
  const { exitReason } = guest;
  if (exitReason?.reason === 'error') throw new Error('an internal error', { cause: exitReason });
  if (exitReason?.reason === 'nothing-to-boot') report.nothingToBoot++;
  else if (output.startsWith('b')) report.booted++;
  else if (!['stopped', 'reached', 'idle'].includes(result)) throw new Error(`it ended as ${result}`);
}
