/**
 * A machine between two runs as plain data, without its memory: what `Pc.save` gives and `Pc.restore` takes. It can be
 * cloned structurally. Which engine ran it, and on what host, is not in it.
 */
import { copyPlain } from '../base/copy-plain.ts';
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
  /** It has KVM's clock; undefined in what was saved before there was one. */
  readonly paravirtual?: boolean | undefined;
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
  devices.map(({ name, stateVersion, state }) => ({ name, version: stateVersion, state: copyPlain(state) }));

/** What machines were before it was said of them. */
const NOT_SAVED: Partial<MachineConfiguration> = { paravirtual: false };

/** @throws UserError that says in what a machine differs from the one that was saved */
export function checkConfiguration(saved: MachineConfiguration, own: MachineConfiguration): void {
  for (const key of Object.keys(own) as (keyof MachineConfiguration)[]) {
    const was = saved[key] === undefined ? NOT_SAVED[key] : saved[key];
    const [theirs, ours] = [JSON.stringify(was), JSON.stringify(own[key])];
    if (theirs !== ours) throw new UserError(`the snapshot is of a machine with ${key} ${theirs}, not ${ours}`);
  }
}

/**
 * Devices that were not always there, with the first version of the machine's state that has them. To one that a snapshot
 * of an earlier version lacks, restoring is a reset.
 */
const ADDED: Readonly<Record<string, number>> = {};

/**
 * @returns the states in the versions of these devices
 * @throws UserError unless these are the devices that were saved, in versions that this program knows
 */
export function upgradeDevices(
  { version: machineVersion, devices: saved }: Pick<MachineState, 'version' | 'devices'>,
  own: readonly Device[],
): SavedDevice[] {
  const known = new Map(own.map((device) => [device.name, device]));
  const names = new Set(saved.map(({ name }) => name));
  if (names.size !== saved.length) throw new UserError('the snapshot has a device twice');
  const missing = own.find(({ name }) => !names.has(name) && !((ADDED[name] ?? 0) > machineVersion));
  if (missing) throw new UserError(`the snapshot lacks a device: ${missing.name}`);
  return saved.map(({ name, version, state }) => {
    const device = known.get(name);
    if (device === undefined) throw new UserError(`the snapshot has a device that this machine has not: ${name}`);
    if (device.stateVersion === version) return { name, version, state };
    if (version > device.stateVersion || device.upgradeState === undefined)
      throw new UserError(
        `the snapshot has ${name} in version ${version}: this program knows version ${device.stateVersion}`,
      );
    return { name, version: device.stateVersion, state: device.upgradeState(copyPlain(state), version) };
  });
}

/**
 * As `upgradeDevices` gave them. As after a reset, no chip looks at another one while any holds what it held before;
 * `resume` of all has to follow.
 */
export function assignDevices(saved: readonly SavedDevice[], own: readonly Device[]): void {
  const states = new Map(saved.map(({ name, state }) => [name, state]));
  for (const device of own) {
    const state = states.get(device.name);
    if (state === undefined) device.reset();
    else Object.assign(device.state as object, copyPlain(state));
  }
}
