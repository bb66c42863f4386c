/** What a guest starts from: bytes in memory and the state of the processor, as a boot loader would leave them; or a BIOS. */
import type { Drive, DriveKind, Drives } from '../firmware/board.ts';

export interface BootImage {
  /** What is written to memory, in order. */
  readonly pieces: readonly { readonly address: number; readonly bytes: Uint8Array }[];
  /** Memory that is zero besides. */
  readonly zeros?: readonly { readonly address: number; readonly length: number }[] | undefined;
  readonly entry: EntryState;
}

/** Started by our BIOS, from what is in its drives. */
export interface BiosBoot {
  readonly bios: {
    /** Diskette drives. Default: none. */
    readonly floppies?: readonly Drive[] | undefined;
    /** All drives as the BIOS sees them. Default: the diskette drives, and what is on the IDE cables. */
    readonly drives?: Drives | undefined;
    /** Default: floppy, disk, CD. */
    readonly order?: readonly DriveKind[] | undefined;
    /** Guest time, in ms, in which F12 is waited for that brings up a menu. Default 0: it must have been struck before. */
    readonly menuWait?: number | undefined;
    /** Nothing could be booted: a line for each drive that was tried. */
    readonly onNothingToBoot?: ((tried: readonly string[]) => void) | undefined;
  };
}

/** Started by a BIOS that is made for QEMU's PC, as SeaBIOS is, and finds the drives by itself. */
export interface RomBoot {
  readonly rom: {
    /** Its ROM: 64, 128, 192 or 256 KiB, which end at 4 GiB; at most the last 128 KiB are also below 1 MiB. */
    readonly image: Uint8Array;
    /** The ROM of a video BIOS for the text adapter. Without one, nothing of what the BIOS says is on the screen. */
    readonly videoBios?: Uint8Array | undefined;
    /** Default: floppy, disk, CD. */
    readonly order?: readonly DriveKind[] | undefined;
    /** The BIOS shows its text on COM1, too, and takes keys from there. */
    readonly serialConsole?: boolean | undefined;
  };
}

export type EntryState =
  /** Real-address mode at CS:IP = 0000:`ip`, all other segments 0, interrupts off, SP = `ip`. */
  | { readonly mode: 'real'; readonly ip: number }
  /**
   * 32-bit protected mode, paging off, interrupts off, at `eip`: flat 4-GiB segments with the selectors given, whose
   * descriptors are in the GDT at `gdt`. Registers that are not named are 0.
   */
  | {
      readonly mode: 'protected';
      readonly eip: number;
      readonly registers?: Readonly<Partial<Record<'eax' | 'ebx' | 'esi', number>>> | undefined;
      readonly codeSelector: number;
      readonly dataSelector: number;
      readonly gdt: { readonly address: number; readonly limit: number };
    };
