/** What every chip offers besides its registers. */
export interface Device<State = unknown> {
  readonly name: string;
  /** Raised whenever the shape of `state` changes; a snapshot of a later version is refused, of an earlier one upgraded. */
  readonly stateVersion: number;
  /** A state of an earlier version, plain data of its own, as one of this version. Absent: there was none before. */
  upgradeState?(state: unknown, version: number): unknown;
  /** All guest-visible state as plain data: a snapshot is a structured clone of it. Alarm times are in it, alarms are not. */
  readonly state: State;
  /**
   * RESET# asserted: `state` as after power-on, but for what the chip's documentation says outlives a reset. Nothing
   * leaves the chip and nothing is fetched from another one before `resume`: see `resetDevices`.
   */
  reset(): void;
  /**
   * After `state` was replaced, by `reset` or by a restored copy (Object.assign): rebuilds alarms and output levels, and
   * takes what waits at the inputs.
   */
  resume(): void;
}

/**
 * RESET# to chips that are wired to each other, in any order: while one of them still holds what it held before, none
 * of the others looks at it.
 */
export function resetDevices(devices: readonly Device[]): void {
  for (const device of devices) device.reset();
  for (const device of devices) device.resume();
}
