/** Collapsed stacks, as flame graph tools read them: names joined by semicolons, a space, instructions; a line each. */
import type { AddressNamer } from './address-namer.ts';
import type { GuestProfile } from './guest-profiler.ts';
import { nameStacks } from './named-stacks.ts';

/** Of several guests the outermost frame is the guest's name. */
export function writeCollapsedStacks(profiles: readonly GuestProfile[], namer: AddressNamer): string {
  const lines = new Map<string, number>();
  for (const profile of profiles) {
    for (const names of nameStacks(profile, namer)) {
      const frames = profiles.length > 1 ? [profile.name, ...names] : names;
      const line = frames.map((frame) => frame.replaceAll(';', ':')).join(';');
      lines.set(line, (lines.get(line) ?? 0) + profile.interval);
    }
  }
  return [...lines.entries()]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([line, instructions]) => `${line} ${instructions}\n`)
    .join('');
}
