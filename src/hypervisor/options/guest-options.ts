/** What can be asked of a guest. `check-guest-options.ts` sees that nothing else is. */
import type { AbortSignalLike } from '../../base/abort.ts';
import type { EngineName } from '../../machine/machine.ts';
import type { GuestMedia } from '../media/guest-media.ts';
import type { CheckpointOptions } from './checkpoint-options.ts';
import type { MediaOptions } from './media-options.ts';

/**
 * `virtual`: guest time depends on instructions alone; idle time is skipped. Bit-exact.
 * `host`: guest time follows the wall clock: an idle guest waits for it, and of a busy one an instruction takes as much
 * guest time as it takes of the wall clock. What was missed while the host slept is made up for; what a paused
 * guest missed is not.
 */
export type ClockMode = 'virtual' | 'host';

/**
 * `interactive`: a guest that was idle and has something to do, as when a key is pressed, goes before all others. Over any
 * second or so it gets no more of the processor for that.
 */
export type LatencyClass = 'normal' | 'interactive';

/** What a host keeps of a guest's options. */
export interface GuestSettings
  extends Pick<
    GuestOptions,
    'weight' | 'cap' | 'fuel' | 'latency' | 'clock' | 'reservation' | 'onTripleFault' | 'onReset' | 'onNothingToBoot'
  > {
  /** Shown in messages: up to 100 characters on one line. */
  readonly name: string;
  /** What is in its drives. The guest closes it. */
  readonly media?: GuestMedia | undefined;
}

export type BootDrive = 'floppy' | 'disk' | 'cdrom';

/** A file that is loaded together with a Multiboot kernel. */
export interface BootModule {
  readonly image: Uint8Array;
  /** The string that the kernel is given with it. Default: empty. */
  readonly commandLine?: string | undefined;
}

/**
 * What a guest starts from: a Linux kernel, bytes, or a BIOS (all are copied: change yours as you like); or, by our own
 * BIOS, a drive.
 */
export type GuestBoot =
  | {
      /** A bzImage, boot protocol 2.06 or newer; or a kernel for Multiboot, version 1. Its content says which. */
      readonly kernel: Uint8Array;
      /** Of a bzImage. */
      readonly initrd?: Uint8Array | undefined;
      /** Of a Multiboot kernel. */
      readonly modules?: readonly BootModule[] | undefined;
      /** Default: empty. */
      readonly commandLine?: string | undefined;
    }
  | {
      /** Loaded at 0000:7C00 and started there in real-address mode, as a boot sector is; at most up to 9FC00h. */
      readonly image: Uint8Array;
    }
  | {
      /** The ROM of a BIOS that is made for QEMU's PC, as SeaBIOS is: 64, 128, 192 or 256 KiB. It finds the drives itself. */
      readonly bios: Uint8Array;
      /** The ROM of a video BIOS for a plain VGA. Without one, nothing of what the BIOS says is on the screen. */
      readonly videoBios?: Uint8Array | undefined;
      /** SeaBIOS shows its text on the serial port, too, and takes keys from there. Default: false. */
      readonly serialConsole?: boolean | undefined;
      /** Kinds of drives, the first to be tried first. Default: floppy, disk, CD. */
      readonly order?: readonly BootDrive[] | undefined;
    }
  | {
      /** Kinds of drives, of each the first; the first that holds something to boot is booted. */
      readonly order: readonly BootDrive[];
    };

export interface BalloonOptions {
  /**
   * A guest that runs out of memory may take back what it has given. Default true. Otherwise Linux counts what it has
   * given as memory that it does not have.
   */
  readonly deflateOnOutOfMemory?: boolean | undefined;
}

export interface GuestOptions extends MediaOptions {
  /** Default, if there are drives: `{ order: ['floppy', 'disk', 'cdrom'] }`. */
  readonly boot?: GuestBoot | undefined;
  /** Shown in messages: up to 100 characters on one line. Default: "guest 1", "guest 2", … */
  readonly name?: string | undefined;
  /** RAM in MiB, a whole number from 1 to 3072. Default 256. What is not touched costs nothing. */
  readonly memory?: number | undefined;
  /** CPU model. Default `i686`. */
  readonly cpu?: string | undefined;
  /** Default `auto`. */
  readonly engine?: EngineName | undefined;
  /** What its real-time clock shows at power-on, in ms since 1970 (up to 9999). Default: 2000-01-01, so that runs repeat. */
  readonly powerOnTime?: number | undefined;
  /**
   * Guest time that an instruction takes, in ns, from 0.01 to 1000, to a 65,536th of a ns; with the clock `host` only at
   * first. Default 4.
   */
  readonly instructionTime?: number | undefined;
  /** Share of processor time relative to the host's other guests, from 0.001 to 1,000,000. Default 1. */
  readonly weight?: number | undefined;
  /**
   * Most processor time it is given, in per cent of a core, from 0.1 to 100, over any second or so; also where nobody
   * else wants it. Default: as much as there is.
   */
  readonly cap?: number | undefined;
  /**
   * Instructions it may execute, counted from power-on over all resets, from 0 to 2⁵³ − 1: it stops behind the last one,
   * exactly, with reason `out-of-fuel` and a receipt. See also `addFuel`. Default: no end.
   */
  readonly fuel?: number | undefined;
  /** Default `normal`. */
  readonly latency?: LatencyClass | undefined;
  /** Default `virtual`. */
  readonly clock?: ClockMode | undefined;
  /** Default `reset`. */
  readonly onTripleFault?: 'reset' | 'stop' | undefined;
  /** What a reset asked for by the guest itself does. Default `reset`. */
  readonly onReset?: 'reset' | 'stop' | undefined;
  /** What is done when no drive holds anything to boot. `wait`: as a PC does; an event `warning` tells. Default `wait`. */
  readonly onNothingToBoot?: 'wait' | 'stop' | undefined;
  /**
   * The guest is told that it runs on a hypervisor: CPUID has KVM's signature, and Linux takes kvmclock for its clock, which
   * needs no calibration. With the clock `host` it is told what time other guests took (steal time). Default: false.
   */
  readonly paravirtual?: boolean | undefined;
  /**
   * A memory balloon (virtio-balloon, in a PCI slot): a guest with a driver for it gives memory back when asked
   * (`guest.balloon`), and by itself what lies idle. Default: false.
   */
  readonly balloon?: boolean | BalloonOptions | undefined;
  /**
   * Memory that it may hold in any case, in MiB, a whole number from 0 to its own: neither is it asked for that by its
   * balloon, nor is that swapped out for others. Default 0: its share, by weight.
   */
  readonly reservation?: number | undefined;
  /**
   * Name of the pool that its memory is in, 1 to 100 characters. Guests of one pool can share pages that are equal, and
   * have its limit together (`pools` of the host); what one does to another only an error of ours could tell. Default: a
   * pool of its own, and of its clones.
   */
  readonly pool?: string | undefined;
  /**
   * Takes a snapshot into a store again and again while the guest runs, for `Host.recover` to go on from when the host has
   * died, with all disks as they were then. Files that the guest writes into belong to its checkpoints as long as there are
   * any; they are deleted when the guest has ended by itself. Images must be files or on servers. Default: none.
   */
  readonly checkpoint?: CheckpointOptions | undefined;
}

export interface CloneOptions {
  /** Default 1. */
  readonly count?: number | undefined;
}

export interface RunOptions {
  /** Aborting pauses the guest and rejects the promise with the signal's reason. */
  readonly signal?: AbortSignalLike | undefined;
}

export interface WaitOptions {
  /** In ms of wall-clock time; 0 looks at what is there. Default: without end. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignalLike | undefined;
}
