/** Media that answer when they like: no guest can tell, and nothing piles up. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../../../src/difftest/random.ts';
import { createIde, STATUS } from '../../../support/ide.ts';
import { createHostileIde, type HostileIde, hostileStep, summary } from '../../../support/ide-accesses.ts';
import { BytesMedium, DelayedMedium } from '../../../support/media.ts';

const READY = STATUS.DRDY | STATUS.DSC;

/** Moves time on by `ns`, waiting for answers where it has to. */
async function pass(bench: HostileIde, slow: readonly DelayedMedium[], ns: number): Promise<void> {
  const until = bench.clock.now + ns;
  while (bench.clock.now < until || bench.clock.waitsFor) {
    bench.clock.advanceTo(until);
    if (bench.clock.waitsFor) for (const medium of slow) await medium.answer();
  }
}

it.each([1, 2, 3])(
  'the same states at the same guest times as with media that answer at once (seed %i)',
  async (seed) => {
    const slow: DelayedMedium[] = [];
    const late = createHostileIde({
      wrap(medium) {
        slow.push(new DelayedMedium(medium));
        return slow.at(-1)!;
      },
    });
    const prompt = createHostileIde();
    const randoms = [new Random(seed), new Random(seed)] as const;
    const whims = new Random(seed + 1000);
    let owed = 0;
    for (let step = 0; step < 1500; step++) {
      const expected = hostileStep(prompt, randoms[0]);
      prompt.clock.advance(expected.pause);
      const actual = hostileStep(late, randoms[1]);
      if (whims.oneIn(3)) for (const medium of slow) await medium.answerSome(whims);
      await pass(late, slow, actual.pause);
      expect(actual).toEqual(expected);
      expect(late.clock.now).toBe(prompt.clock.now);
      owed += slow.some(({ outstanding }) => outstanding > 0) ? 1 : 0;
      if (step % 10 === 0 && summary(late) !== summary(prompt)) expect.fail(`step ${step}: states differ`);
    }
    await pass(late, slow, 1e9);
    prompt.clock.advance(1e9);
    expect(summary(late)).toBe(summary(prompt));
    for (const name of ['first', 'second', 'disc'] as const)
      expect(Buffer.compare(late.media[name].bytes, prompt.media[name].bytes)).toBe(0);
    expect(late.lines.map(({ rising }) => rising)).toEqual(prompt.lines.map(({ rising }) => rising));
    expect(Buffer.compare(late.memory.bytes, prompt.memory.bytes)).toBe(0);
    expect(Buffer.compare(late.media.first.bytes, new BytesMedium(late.media.first.size).bytes)).not.toBe(0);
    expect(owed).toBeGreaterThan(50);
  },
);

describe('resets while the medium has not answered', () => {
  it('a flood of commands and resets leaves one request, and one alarm a drive', async () => {
    const slow = new DelayedMedium(new BytesMedium(4096 * 512));
    const bench = createIde({ primary: [{ disk: slow }, undefined] });
    const { primary, clock } = bench;
    for (let round = 0; round < 1000; round++) {
      primary.command(round & 1 ? 0x20 : 0xe7, { count: 0 });
      primary.control = 4;
      primary.control = 0;
      clock.advance(1_000_000);
    }
    expect(slow.mostOutstanding).toBe(1);
    expect(primary.altStatus).toBe(STATUS.BSY);
    expect(clock.waitsFor).toBeDefined();
    await slow.answer();
    clock.advance(1);
    expect(primary.altStatus).toBe(READY);
    expect(clock.nextAlarm).toBe(Number.POSITIVE_INFINITY);
  });

  it('a write that has been issued takes place, and a state saved meanwhile does it again', async () => {
    const [medium, other] = [new BytesMedium(4096 * 512), new BytesMedium(4096 * 512)];
    const slow = new DelayedMedium(medium);
    const bench = createIde({ primary: [{ disk: slow }, undefined] });
    const bytes = new Uint8Array(512).fill(0x5a);
    bench.primary.command(0x30, { count: 1, lba: 9 });
    bench.primary.writeWords(bytes);
    bench.primary.control = 4;
    bench.primary.control = 0;
    const saved = bench.devices.map(({ state }) => structuredClone(state));

    const restored = createIde({ primary: [{ disk: other }, undefined] });
    for (const [index, device] of restored.devices.entries()) Object.assign(device.state as object, saved[index]);
    for (const device of restored.devices) device.resume();
    restored.clock.advance(1_000_000);
    expect(restored.primary.altStatus).toBe(READY);
    expect(other.bytes.slice(9 * 512, 10 * 512)).toEqual(bytes);

    bench.clock.advance(1_000_000);
    expect(bench.primary.altStatus).toBe(STATUS.BSY);
    await slow.answer();
    bench.clock.advance(1);
    expect(bench.primary.altStatus).toBe(READY);
    expect(medium.bytes.slice(9 * 512, 10 * 512)).toEqual(bytes);
  });

  it('a rejected promise is an error of the drive', async () => {
    const medium = new BytesMedium(4096 * 512);
    medium.bad.add(512);
    const slow = new DelayedMedium(medium);
    const { primary, clock, errors } = createIde({ primary: [{ disk: slow }, undefined] });
    primary.command(0x20, { count: 1, lba: 1 });
    await slow.answer();
    clock.advance(1_000_000);
    expect([primary.status, primary.error]).toEqual([READY | STATUS.ERR, 0x40]);
    expect(errors).toEqual(['drive-0-0: I/O error at 512']);
  });
});
