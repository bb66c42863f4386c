/** The options of `vetro run`, and those that other commands share with it, as the parser gives them. */
import type { EngineName } from '../engine/processor.ts';
import type { GuestName } from './guests.ts';
import type { MediaArguments } from './media-options.ts';
import type { SnapshotArguments } from './snapshot-at.ts';

/** What is booted, and on what machine. */
export interface BootArguments {
  file?: string;
  kernel?: string;
  initrd?: string;
  append?: string;
  module: string[];
  guest?: GuestName;
  bios?: string;
  demo: boolean;
  memory: number;
  cpu: string;
}

export interface RunArguments extends BootArguments, MediaArguments, SnapshotArguments {
  engine: EngineName;
  clock?: 'virtual' | 'host';
  'instruction-time': number;
  'power-on-time'?: string;
  serial: string;
  count: number;
  weight: number[];
  cap: number[];
  fuel?: number;
  'no-reboot': boolean;
  balloon: boolean;
  paravirtual: boolean;
  pool?: number;
  top: boolean;
  checkpoint?: string;
  profile?: string;
  'profile-interval'?: number;
  symbols: string[];
}
