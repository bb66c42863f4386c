/** Feeds recorded corrections of guest time back, at the counts at which they were made. */
import type { TimeCorrection } from '../base/guest-time.ts';
import type { Machine, MachineExit } from './machine.ts';

/**
 * Runs `machine` up to `instructions`, correcting its time on the way.
 * @param corrections in the order in which `onTimeCorrection` gave them; those of counts past already are left out
 * @returns how the last run ended: early, if not by `budget` or `output`
 */
export function replayTime(
  machine: Machine,
  corrections: readonly TimeCorrection[],
  instructions: number,
): MachineExit {
  for (const correction of corrections) {
    if (correction.instructions < machine.instructions) continue;
    if (correction.instructions > instructions) break;
    const exit = runTo(machine, correction.instructions);
    if (machine.instructions !== correction.instructions) return exit;
    machine.correctTime(correction);
  }
  return runTo(machine, instructions);
}

function runTo(machine: Machine, instructions: number): MachineExit {
  let exit: MachineExit;
  do exit = machine.run({ instructions: instructions - machine.instructions });
  while (machine.instructions < instructions && (exit.reason === 'output' || exit.reason === 'budget'));
  return exit;
}
