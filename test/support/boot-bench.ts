/** A PC that a BIOS, ours or SeaBIOS, starts from a medium, and someone who looks at its screen and types. */
import type { DriveKind } from '../../src/firmware/board.ts';
import type { BiosBoot, RomBoot } from '../../src/machine/boot.ts';
import { Pc } from '../../src/machine/pc.ts';
import { READY_MARKER } from './debian.ts';
import { BytesMedium } from './media.ts';
import { seaBios } from './seabios-machine.ts';
import { sharedCode } from './shared-code.ts';

const MIB = 2 ** 20;
const MILLISECOND = 1_000_000;
const MILLION = 1_000_000;
/** Of the disk that is there, empty, when something else is booted. */
const DISK = 20 * MIB;
/** Between two looks at the screen: instructions, and guest time. */
const LOOK = MILLION;
const EVERY = 10 * MILLISECOND;
/** For a million instructions: five times what they take. */
const MOST_TIME = 20 * MILLISECOND;
/** Guest time that a key is down, and up again, in ms: a few times what the keyboard needs to send it. */
const STROKE = 5;

export interface Firmware {
  readonly name: string;
  /** Undefined if there is none, for `reason`. */
  readonly boot?: ((order: readonly DriveKind[], floppy: BytesMedium | undefined) => BiosBoot | RomBoot) | undefined;
  readonly reason?: string | undefined;
  /** What it writes before it starts something from a drive. */
  readonly booting: Readonly<Record<DriveKind, string>>;
}

/** Both of them. */
export async function firmwares(): Promise<readonly Firmware[]> {
  const { files, reason } = await seaBios();
  return [
    {
      name: 'our BIOS',
      boot: (order, floppy) => ({ bios: { order, floppies: floppy ? [{ medium: floppy }] : [] } }),
      booting: { floppy: 'Floppy: booting', disk: 'Hard disk: booting', cd: 'CD: booting' },
    },
    {
      name: 'SeaBIOS',
      reason,
      boot: files && ((order) => ({ rom: { image: files.bios, videoBios: files.videoBios, order } })),
      booting: {
        floppy: 'Booting from Floppy...',
        disk: 'Booting from Hard Disk...',
        cd: 'Booting from DVD/CD...',
      },
    },
  ];
}

export interface BenchOptions {
  readonly firmware: Firmware;
  /** The drive that `image` is in. Diskettes that are shorter than one of 1.44 MB are filled up. */
  readonly from: DriveKind;
  readonly image: Uint8Array;
  /** In MiB. */
  readonly memory?: number;
}

/** Limits are in millions of instructions, which say the same on every host. */
export function createBootBench({ firmware, from, image, memory = 64 }: BenchOptions) {
  const medium = new BytesMedium(from === 'floppy' ? asDiskette(image) : image, { readOnly: from === 'cd' });
  const floppy = from === 'floppy' ? medium : undefined;
  const pc = new Pc({
    ...{ name: 'test', cpu: 'i686', engine: 'auto', code: sharedCode() },
    powerOnTime: Date.UTC(2026, 10, 20, 12, 34, 50),
    memoryBytes: memory * MIB,
    boot: firmware.boot!([from], floppy),
    disks: [from === 'disk' ? medium : new BytesMedium(new Uint8Array(DISK))],
    cdrom: from === 'cd' ? medium : undefined,
    floppies: floppy ? [{ medium: floppy }] : [],
  });
  let serial = '';
  pc.serial.onOutput = (bytes) => (serial += new TextDecoder('latin1').decode(bytes));
  const screen = () => pc.screen().join('\n');

  /** @returns why it stopped; what the test did not ask for is an error */
  const run = (time: number): 'budget' | 'time' | 'output' | 'power-off' => {
    const exit = pc.run({ instructions: LOOK, time });
    if (exit.reason === 'error') throw exit.error;
    const { reason } = exit;
    if (reason === 'budget' || reason === 'time' || reason === 'output' || reason === 'power-off') return reason;
    throw new Error(`${reason}\n${screen()}\n${serial.slice(-2000)}`);
  };

  /** A guest that sleeps stays short of a time, as long as nothing happens before it. */
  const rest = (milliseconds: number): void => {
    const end = pc.time + milliseconds * MILLISECOND;
    while (pc.time < end && run(end) !== 'time');
  };

  /** Runs until it is so; an error shows what there is instead. */
  const runUntil = (isSo: (reason?: string) => boolean, what: string | RegExp, millions: number): void => {
    const last = pc.instructions + millions * MILLION;
    let due = pc.time;
    // A guest that sleeps executes little: then it is its time that ends.
    const end = pc.time + millions * MOST_TIME;
    for (let reason: string | undefined; !isSo(reason); ) {
      due = Math.max(due + EVERY, pc.time);
      if (reason === 'power-off' || pc.instructions >= last || due >= end)
        throw new Error(`no ${what} after ${pc.instructions} instructions\n${screen()}\n${serial.slice(-2000)}`);
      reason = run(due);
    }
  };

  return {
    pc,
    screen,
    lines: () => pc.screen().map((row) => row.trimEnd()),
    serial: () => serial,
    /** Until the screen shows it. */
    shows: (text: string | RegExp, millions: number) => {
      const expression = typeof text === 'string' ? undefined : text;
      runUntil(() => expression?.test(screen()) ?? screen().includes(text as string), text, millions);
    },
    type: (...keys: readonly string[]) => {
      for (const key of keys)
        for (const action of ['press', 'release'] as const) {
          pc.keyboard[action](key);
          rest(STROKE);
        }
    },
    /** Waits for the shell of Debian's kernel, runs a command, and powers off. @returns what was on the serial port */
    debianToPowerOff: (command: string, millions: number): string => {
      runUntil(() => serial.includes(READY_MARKER), 'shell', millions);
      pc.serial.send(new TextEncoder().encode(`${command}; poweroff -f\n`));
      runUntil((reason) => reason === 'power-off', 'power-off', millions);
      return serial;
    },
  };
}

function asDiskette(image: Uint8Array): Uint8Array {
  const diskette = new Uint8Array(Math.max(image.length, 1440 * 1024));
  diskette.set(image);
  return diskette;
}
