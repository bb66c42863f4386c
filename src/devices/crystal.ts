/**
 * A quartz crystal: converts guest time (ns) to periods of a clock input and back, in exact integer arithmetic,
 * so that a counter derived from it never drifts however long the guest runs.
 *
 * Frequencies up to 9 MHz: the product of one second's nanoseconds and the frequency must stay a safe integer.
 */
const NS_PER_SECOND = 1_000_000_000;

/** Number of whole periods of a clock of `hz` that have passed at `ns`. */
export function ticksAt(ns: number, hz: number): number {
  const seconds = Math.floor(ns / NS_PER_SECOND);
  const rest = ns - seconds * NS_PER_SECOND;
  return seconds * hz + Math.floor((rest * hz) / NS_PER_SECOND);
}

/** The first nanosecond at which `ticksAt` gives `tick`. */
export function timeOfTick(tick: number, hz: number): number {
  const seconds = Math.floor(tick / hz);
  const rest = tick - seconds * hz;
  return seconds * NS_PER_SECOND + Math.ceil((rest * NS_PER_SECOND) / hz);
}
