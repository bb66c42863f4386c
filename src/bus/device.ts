/** What every chip offers besides its registers. */
export interface Device<State = unknown> {
  readonly name: string;
  /** Raised whenever the shape of `state` changes; a snapshot of another version is refused. */
  readonly stateVersion: number;
  /** All guest-visible state as plain data: a snapshot is a structured clone of it. Alarm times are in it, alarms are not. */
  readonly state: State;
  /** RESET# asserted: the state after power-on. */
  reset(): void;
  /** After `state` was replaced by a restored copy (Object.assign): rebuilds alarms and output levels. */
  resume(): void;
}
