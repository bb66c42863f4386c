/**
 * A machine between two runs as plain data, without its memory: what `Pc.save` gives and `Pc.restore` takes. It can be
 * cloned structurally. Which engine ran it, and on what host, is not in it.
 */
import { UserError } from '../base/errors.ts';
import type { Device } from '../bus/device.ts';
import type { ProcessorState } from '../engine/processor-state.ts';

/** Raised whenever the shape or the meaning of `MachineState` changes, but for its parts that have versions of their own. */
export const MACHINE_STATE_VERSION = 1;

export interface MachineState {
  readonly version: number;
  readonly configuration: MachineConfiguration;
  readonly processor: ProcessorState;
  /** Every chip, drive and firmware that keeps something, in the order in which they were attached. */
  readonly devices: readonly SavedDevice[];
}

/** What a machine is made of, as far as it must be the same where a state is taken over. */
export interface MachineConfiguration {
  readonly memoryBytes: number;
  readonly cpu: string;
  readonly boot: 'image' | 'bios' | 'rom';
  /** Pages where ROM answers, by number. */
  readonly romPages: readonly number[];
  readonly balloon: { readonly deflateOnOutOfMemory: boolean } | null;
  /** By drive: its type, and the bytes of the disk in it. */
  readonly floppies: readonly { readonly type: string; readonly medium: number | null }[];
  /** Bytes of each. */
  readonly disks: readonly number[];
  /** Undefined: there is no drive. */
  readonly cdrom: { /** Bytes of the disc in it. */ readonly medium: number | null } | null;
}

export interface SavedDevice {
  readonly name: string;
  /** `Device.stateVersion`. */
  readonly version: number;
  readonly state: unknown;
}

export const saveDevices = (devices: readonly Device[]): SavedDevice[] =>
  devices.map(({ name, stateVersion, state }) => ({ name, version: stateVersion, state: structuredClone(state) }));

/** @throws UserError that says in what a machine differs from the one that was saved */
export function checkConfiguration(saved: MachineConfiguration, own: MachineConfiguration): void {
  for (const key of Object.keys(own) as (keyof MachineConfiguration)[]) {
    const [theirs, ours] = [JSON.stringify(saved[key]), JSON.stringify(own[key])];
    if (theirs !== ours) throw new UserError(`the snapshot is of a machine with ${key} ${theirs}, not ${ours}`);
  }
}

/** @throws UserError unless these are the devices that were saved, in versions that this program knows */
export function checkDevices(saved: readonly SavedDevice[], own: readonly Device[]): void {
  const known = new Map(own.map((device) => [device.name, device]));
  const names = new Set(saved.map(({ name }) => name));
  for (const { name, version } of saved) {
    const device = known.get(name);
    if (device === undefined) throw new UserError(`the snapshot has a device that this machine has not: ${name}`);
    if (device.stateVersion !== version)
      throw new UserError(
        `the snapshot has ${name} in version ${version}: this program knows version ${device.stateVersion}`,
      );
  }
  const missing = own.find(({ name }) => !names.has(name));
  if (missing) throw new UserError(`the snapshot lacks a device: ${missing.name}`);
  if (names.size !== saved.length) throw new UserError('the snapshot has a device twice');
}

/**
 * `checkDevices` has passed. As after a reset, no chip looks at another one while any holds what it held before; `resume`
 * of all has to follow.
 */
export function assignDevices(saved: readonly SavedDevice[], own: readonly Device[]): void {
  const states = new Map(saved.map(({ name, state }) => [name, state]));
  for (const { name, state } of own) Object.assign(state as object, structuredClone(states.get(name)));
}
