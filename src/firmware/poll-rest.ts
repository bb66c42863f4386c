/**
 * Programs that wait by asking again and again: is there a key, how late is it? After a while each question is answered a
 * little later, so that guest time passes at the cost of few instructions. An interrupt ends the rest at once; who does
 * something between two questions gets none.
 */
import type { BiosState } from './bios-state.ts';
import type { CallFrame } from './call-frame.ts';
import { type Next, SERVICE } from './service.ts';

/** What is asked by AH, by service. */
const QUESTIONS: ReadonlyMap<number, readonly number[]> = new Map<number, readonly number[]>([
  [SERVICE.KEYBOARD, [0x01, 0x02, 0x11, 0x12]],
  [SERVICE.CLOCK, [0x00]],
]);
/** Interrupts come whatever the program does. */
const INTERRUPTS: readonly number[] = [SERVICE.TIMER_INTERRUPT, SERVICE.KEYBOARD_INTERRUPT, SERVICE.CLOCK_INTERRUPT];
/** Guest time between two questions within which little can be done, in ns: 10,000 instructions or so. */
const MOST_BETWEEN = 40_000;
/** Questions that are answered at once; the rests after them, which grow, in ns, and as multiples of the time since the last. */
const FREE = 32;
const REST_STEP = 10_000;
const LEAST_REST = 100_000;
const LONGEST_REST = 1_000_000;
const MOST_COUNTED = FREE + LONGEST_REST / REST_STEP;
const LARGEST_SHARE = 10;

export const isPoll = ({ service, ah }: CallFrame): boolean => QUESTIONS.get(service)?.includes(ah) ?? false;

/** Counts a call. @returns the rest before its answer */
export function restBefore(frame: CallFrame, polls: BiosState['polls'], now: number): Next {
  if (INTERRUPTS.includes(frame.service)) return undefined;
  const between = now - polls.answeredAt;
  const again = isPoll(frame) && between <= MOST_BETWEEN;
  polls.count = again ? Math.min(polls.count + 1, MOST_COUNTED) : 0;
  if (polls.count <= FREE) return undefined;
  // Who does do something is slowed down by so much and no more.
  const fair = Math.max(between * LARGEST_SHARE, LEAST_REST);
  return { sleepUntil: now + Math.min((polls.count - FREE) * REST_STEP, LONGEST_REST, fair) };
}
