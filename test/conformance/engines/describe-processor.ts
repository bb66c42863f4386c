/** The state of a processor as text, for messages of tests that compare engines. */
import { readEflags } from '../../../src/cpu/flags.ts';
import { VISIBLE_FIELDS } from '../../../src/cpu/state-hash.ts';
import type { Processor } from '../../../src/engine/processor.ts';

/** What a programmer sees of it, a thing a line. */
export function describeProcessor({ state, retired }: Processor): string {
  const lines = [`retired ${retired}, eflags ${readEflags(state).toString(16)}`];
  lines.push(Array.from({ length: 8 }, (_, index) => state.reg32(index).toString(16)).join(' '));
  for (const { selector, base, limit, access } of state.segments)
    lines.push([selector, base, limit, access].map((value) => value.toString(16)).join(' '));
  for (const name of VISIBLE_FIELDS) lines.push(`${name} ${state[name].toString(16)}`);
  return lines.join('\n');
}
