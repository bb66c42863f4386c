/** A profile's samples with names for addresses: what flame graphs are made of. */
import { type AddressNamer, privilege } from './address-namer.ts';
import type { GuestProfile } from './guest-profiler.ts';
import type { Stack } from './stack-walk.ts';

/** By sample: names, the outermost first, below `kernel` or `user`. */
export function nameStacks({ samples }: GuestProfile, namer: AddressNamer): readonly (readonly string[])[] {
  const named = new Map<Stack, readonly string[]>();
  return samples.map((stack) => {
    let names = named.get(stack);
    if (!names) {
      const frames = stack.addresses.map((address) => namer.frame(address, stack));
      names = [privilege(stack), ...frames.reverse()];
      named.set(stack, names);
    }
    return names;
  });
}
