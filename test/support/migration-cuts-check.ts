/** Cuts the stream of a small guest's migration in many places, and looks who has the guest afterwards. */
import { expect } from 'vitest';
import { assembleDemo } from '../../src/cli/demo.ts';
import { MESSAGE } from '../../src/hypervisor/migration/protocol.ts';
import { type Cut, CutBench, messageBorders, type Outcome } from './migration-cuts.ts';

/** Of a message: its kind and its length. */
const HEADER_BYTES = 8;
/** Bytes that the destination sends before it has the guest: greeting and READY. */
const READY_ENDS = 24;

/** `forth` and `back`: how many cuts. @returns how often each outcome was met */
export async function checkCuts({ forth, back }: { forth: number; back: number }): Promise<Map<Outcome, number>> {
  const bench = await CutBench.create(async (host) => {
    const guest = await host.createGuest({ boot: { image: assembleDemo() }, memory: 1, engine: 'interpreter' });
    await guest.runTo(30_000);
    return guest;
  });
  const passed = await bench.record();
  const outcomes = new Map<Outcome, number>();
  const wrong: string[] = [];
  for (const cut of [...cutsOf('forth', passed.forth, forth), ...cutsOf('back', passed.back, back)]) {
    const { outcome, passed: before } = await bench.cut(cut, passed.hash);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (!allowed(cut, before).includes(outcome)) wrong.push(`${JSON.stringify(cut)}: ${outcome}`);
  }
  bench.dispose();
  expect(wrong).toEqual([]);
  return outcomes;
}

/** `passed`: before it was cut; what is packed, and so how long the stream is, depends on how long packing takes. */
function allowed({ way, at, both }: Cut, passed: Uint8Array): readonly Outcome[] {
  if (passed.length < at) return ['there'];
  // As long as COMMIT has not been written, the guest stays. Whoever then hears nothing at all cannot know.
  if (way === 'forth') return both && mayHoldCommit(passed) ? ['held, nowhere else', 'here'] : ['here'];
  if (at < READY_ENDS) return ['here'];
  return both && at === READY_ENDS ? ['held, there', 'held, nowhere else'] : ['held, there'];
}

/** Whether COMMIT has begun, or what comes next may be it. */
function mayHoldCommit(passed: Uint8Array): boolean {
  const last = messageBorders(passed).at(-2)!;
  if (passed.length < last + HEADER_BYTES) return passed.length === last;
  const view = new DataView(passed.buffer, passed.byteOffset);
  const end = last + HEADER_BYTES + view.getUint32(last + 4, true);
  return passed[passed.length < end ? last : end] === MESSAGE.COMMIT || passed.length === end;
}

/** At the borders of messages, one byte before and behind them, and between them as far as there are cuts. */
function cutsOf(way: Cut['way'], bytes: Uint8Array, count: number): Cut[] {
  const borders = messageBorders(bytes).reverse();
  const near = borders.flatMap((at) => [at - 1, at, at + 1]).filter((at) => at >= 0 && at < bytes.length);
  const places = new Set(near);
  for (let step = 0; places.size < Math.min(count, bytes.length); step++)
    places.add(Math.floor(((step * 0.618_033_988) % 1) * bytes.length));
  const sorted = [...places].slice(0, count);
  return Array.from({ length: count }, (_, index) => ({
    way,
    at: sorted[index % sorted.length]!,
    by: index % 2 === 0 ? 'end' : 'error',
    both: (Math.floor(index / sorted.length) + (index >> 1)) % 2 === 1,
  }));
}
