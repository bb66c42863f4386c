/**
 * The moment of a marker is when this process reads it. That it reads it at once also on a busy machine, it goes before
 * others where the system allows it (to root); what it measures does not.
 */
import { getPriority, setPriority } from 'node:os';

const USUAL = getPriority();
const AHEAD = -10;

/** Starts a child, which has the priority that this process had, and goes before it from then on. */
export function startBehind<Child>(start: () => Child): Child {
  trySetPriority(USUAL);
  try {
    return start();
  } finally {
    trySetPriority(AHEAD);
  }
}

function trySetPriority(priority: number): void {
  try {
    setPriority(priority);
  } catch {
    // Not allowed: then it remains what it is.
  }
}
