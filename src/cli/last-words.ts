/** What is said of a guest that has ended: why, and, if it never said a word, what it shows. */
import type { PcGuest as Guest } from '../hypervisor/create-guest.ts';
import type { GuestExit } from '../hypervisor/guest-events.ts';

/** @param silent it has sent nothing to its serial port @returns a line for each thing to say */
export function lastWords(guest: Guest, exit: GuestExit, silent: boolean): string[] {
  return [...reasonOf(guest, exit), ...(silent && SELF_ENDED.includes(exit.reason) ? screenOf(guest) : [])];
}

const SELF_ENDED: readonly GuestExit['reason'][] = ['halted', 'power-off', 'triple-fault', 'debug-exit'];

function reasonOf({ name }: Guest, exit: GuestExit): string[] {
  switch (exit.reason) {
    case 'triple-fault':
      return [`${name}: triple fault (${exit.cause})`];
    case 'debug-exit':
      return [`${name}: it wrote ${(exit.status - 1) / 2} to its debug-exit port`];
    case 'nothing-to-boot':
      return [`${name}: there is nothing to boot from: ${exit.tried.join('; ')}`];
    case 'out-of-fuel':
      return [
        `${name}: its ${exit.receipt.instructions} instructions are used up; state hash ${exit.receipt.stateHash}`,
      ];
    case 'migrated':
      return [`${name} runs at another host now`];
    case 'error':
      return [`${name}: error: ${exit.error.message}`];
    default:
      return [];
  }
}

/** The VGA text screen: where a kernel complains that cannot even find its serial port. */
function screenOf({ name, machine }: Guest): string[] {
  const lines = machine.vga.text().map((line) => line.trimEnd());
  while (lines.at(-1) === '') lines.pop();
  const shown = lines.length === 0 ? 'its screen is empty, too' : 'this is on its screen:';
  return [`${name} has ended and said nothing on its serial port; ${shown}`, ...lines.map((line) => `| ${line}`)];
}
