/** The balloon, by the sentences of "Virtual I/O Device (VIRTIO) Version 1.2", section 5.5, and by what drivers do. */
import { describe, expect, it } from 'vitest';
import { resetDevices } from '../../../../src/bus/device.ts';
import { BUFFERS, createBalloon, DRIVERS, STATUS } from '../../../support/virtio.ts';

const F = { STATS: 1, DEFLATE_ON_OOM: 2, HINT: 3, POISON: 4, REPORTING: 5 } as const;
const [INFLATE, DEFLATE, STATS, HINT, REPORTING] = [0, 1, 2, 3, 4];
const ALL = [F.STATS, F.DEFLATE_ON_OOM, F.HINT, F.POISON, F.REPORTING];
const PAGES = 2048;
const KINDS = Object.keys(DRIVERS) as (keyof typeof DRIVERS)[];

type Options = Parameters<typeof createBalloon>[0];

/** All pages from 2 MiB on have been written to. */
function create(kind: keyof typeof DRIVERS, options: Options = {}) {
  const bench = createBalloon(options);
  const { create: createDriver, base } = DRIVERS[kind];
  const driver = createDriver(bench);
  const start = (features: readonly number[] = ALL, queues = [0, 1, 2, 3, 4]) =>
    driver.start([...base, ...features], queues);
  bench.memory.write(BUFFERS, 0, 1);
  for (let page = 512; page < PAGES; page++) bench.memory.write(page * 4096, page, 2);
  /** Of these pages, those that have a frame still hold what was written. */
  const held = (...pages: number[]) => pages.filter((page) => bench.memory.read(page * 4096, 2) === page);
  const needsReset = () => (driver.status() & STATUS.NEEDS_RESET) !== 0;
  return { ...bench, driver, start, held, needsReset };
}

const numbers = (...pages: number[]): Uint8Array => new Uint8Array(Uint32Array.from(pages).buffer);

function statistics(...entries: (readonly [tag: number, value: bigint])[]): Uint8Array {
  const bytes = new Uint8Array(10 * entries.length);
  const view = new DataView(bytes.buffer);
  for (const [index, [tag, value]] of entries.entries()) {
    view.setUint16(10 * index, tag, true);
    view.setBigUint64(10 * index + 2, value, true);
  }
  return bytes;
}

describe.each(KINDS)('a balloon with a %s driver', (kind) => {
  it('5.5.3: offers what it can do; DEFLATE_ON_OOM unless asked not to', () => {
    const own = (options?: Options) =>
      create(kind, options)
        .driver.offered()
        .filter((feature) => feature < 24);
    expect(own()).toEqual(ALL);
    expect(own({ deflateOnOutOfMemory: false })).toEqual([1, 3, 4, 5]);
  });

  it('5.5.6: num_pages is what the host wants; the driver hears of a change', () => {
    const { balloon, driver, start, pin } = create(kind);
    start();
    balloon.setTarget(0x1_2345);
    expect([pin.level, driver.isr(), driver.config(0)]).toEqual([1, 2, 0x1_2345]);
    driver.writeConfig(0, 7);
    expect(driver.config(0)).toBe(0x1_2345);
  });

  it('5.5.6: actual is what the driver says, once it has written all of it', () => {
    const { balloon, driver, start } = create(kind);
    start();
    driver.writeConfig(4, 0x1_2345);
    expect([balloon.state.actual, driver.config(4)]).toEqual([0x1_2345, 0x1_2345]);
    driver.writeConfig(4, 0xff, 1);
    expect(balloon.state.actual).toBe(0x1_2345);
    driver.writeConfig(7, 0, 1);
    expect(balloon.state.actual).toBe(0x1_23ff);
  });

  it('5.5.6.1: pages in the inflate queue are given back, and read as zero; the buffer is used', () => {
    const { driver, start, held, memory } = create(kind);
    start();
    const before = memory.framesInUse;
    driver.send(INFLATE, numbers(600, 601, 1000, 602, 2047));
    expect(held(599, 600, 601, 602, 603, 1000, 2047)).toEqual([599, 603]);
    expect(memory.framesInUse).toBe(before - 5);
    expect(driver.used(INFLATE)).toEqual([[0, 0]]);
    expect(memory.read(600 * 4096, 4)).toBe(0);
  });

  it('5.5.6.1: page numbers may be in several parts', () => {
    const { driver, start, held, memory } = create(kind);
    start();
    memory.copyIn(BUFFERS, numbers(700, 701));
    driver.add(INFLATE, [
      { address: BUFFERS, length: 3 },
      { address: BUFFERS + 3, length: 5 },
    ]);
    driver.kick(INFLATE);
    expect(held(700, 701)).toEqual([]);
  });

  it('a page that is used again, told or not, takes writes', () => {
    const { driver, start, memory } = create(kind);
    start();
    driver.send(INFLATE, numbers(600, 601));
    memory.write(600 * 4096, 0x55, 1);
    driver.send(DEFLATE, numbers(600, 601));
    memory.write(601 * 4096, 0x66, 1);
    expect([memory.read(600 * 4096, 4), memory.read(601 * 4096, 4)]).toEqual([0x55, 0x66]);
    expect(driver.used(DEFLATE).length).toBe(1);
  });

  it('page numbers twice, or of what is not RAM, do no harm', () => {
    const { driver, start, memory, needsReset, pin } = create(kind);
    start();
    const before = memory.framesInUse;
    driver.send(INFLATE, numbers(600, 600, 600, 0xe_0000, 0xfff_ffff, 0xffff_ffff, 2048, 600));
    expect([memory.framesInUse, needsReset(), pin.level]).toEqual([before - 1, false, 1]);
  });

  it('the rings themselves may be given back: then the device needs a reset', () => {
    const { driver, start, memory, needsReset } = create(kind);
    start();
    const ring = driver.rings.get(INFLATE)!;
    driver.send(INFLATE, numbers(BUFFERS >> 12, ring.descriptors >> 12, ring.device >> 12));
    driver.kick(INFLATE);
    expect([memory.read(BUFFERS, 4), needsReset()]).toEqual([0, true]);
  });

  it.each([
    ['of a part of a number', 6],
    ['of more than 256 K numbers', 0x10_0004],
  ])('a buffer %s needs a reset', (_, length) => {
    const { driver, start, needsReset } = create(kind);
    start();
    driver.add(INFLATE, [{ address: BUFFERS, length }]);
    driver.kick(INFLATE);
    expect(needsReset()).toBe(true);
  });

  it('5.5.6.3: statistics come when they are asked for: the device holds the buffer until then', () => {
    const { balloon, driver, start } = create(kind);
    start();
    driver.send(STATS, statistics([4, 1n]));
    expect(driver.used(STATS)).toEqual([]);
    expect(balloon.requestStatistics()).toBe(true);
    driver.bench.clock.advance(10_000);
    expect(driver.used(STATS)).toEqual([[0, 0]]);
    driver.send(STATS, statistics([4, 1234n], [5, 0x1_0000_0000n], [0, 7n], [999, 5n], [7, 0xffff_ffff_ffff_ffffn]));
    expect(balloon.state.statistics.values).toEqual({ freeMemory: 1234, totalMemory: 2 ** 32, swapIn: 7 });
    // 5.5.6.3.1: of a legacy driver, the first buffer holds nothing that is worth anything.
    expect(balloon.statistics.updates).toBe(kind === 'legacy' ? 1 : 2);
    driver.bench.clock.advance(10_000_000_000);
    expect(driver.used(STATS)).toEqual([]);
  });

  it('statistics that are asked for before the driver has a buffer there come with the next one', () => {
    const { balloon, driver, start } = create(kind);
    start();
    expect(balloon.requestStatistics()).toBe(true);
    driver.bench.clock.advance(10_000);
    driver.send(STATS, statistics([4, 1n]));
    if (kind === 'legacy') {
      expect(driver.used(STATS).length).toBe(1);
      driver.send(STATS, statistics([4, 2n]));
    }
    expect(balloon.state.statistics.values).toEqual({ freeMemory: kind === 'legacy' ? 2 : 1 });
    expect(driver.used(STATS)).toEqual([]);
  });

  it('nobody can be asked who is not there, or does not know statistics', () => {
    const { balloon, driver, start } = create(kind);
    expect([balloon.requestStatistics(), balloon.startHinting()]).toEqual([false, false]);
    start([F.REPORTING], [0, 1, 2]);
    expect([balloon.requestStatistics(), balloon.startHinting()]).toEqual([false, false]);
    driver.status(0);
    start();
    expect([balloon.requestStatistics(), balloon.startHinting()]).toEqual([true, true]);
  });

  it('5.5.6.5: a run of hints has a number of its own; hints of another, or after its end, are nobody’s', () => {
    const { balloon, driver, start, hints, held, pin } = create(kind);
    start();
    const hint = (page: number, pages: number) => {
      driver.add(HINT, [{ address: page * 4096, length: pages * 4096, write: true }]);
      driver.kick(HINT);
    };
    hint(600, 4);
    balloon.startHinting();
    const first = driver.config(8);
    expect(first).toBeGreaterThanOrEqual(2);
    hint(610, 4);
    expect([hints, pin.level]).toEqual([[], 1]);
    driver.send(HINT, numbers(first));
    hint(620, 4);
    driver.send(HINT, numbers(0));
    hint(630, 4);
    driver.send(HINT, numbers(first));
    balloon.endHinting();
    expect(driver.config(8)).toBe(1);
    hint(640, 4);
    balloon.startHinting();
    expect(driver.config(8)).not.toBe(first);
    hint(650, 4);
    driver.send(HINT, numbers(driver.config(8)));
    hint(660, 4);
    expect(hints).toEqual([
      { first: 620, pages: 4 },
      { first: 660, pages: 4 },
    ]);
    expect(held(620, 660)).toEqual([620, 660]);
    expect(driver.used(HINT).length).toBe(11);
  });

  it('5.5.6.6: pages that are reported free are given back, as far as they lie in a range as a whole', () => {
    const { driver, start, held } = create(kind);
    start();
    driver.add(REPORTING, [
      { address: 600 * 4096, length: 3 * 4096, write: true },
      { address: 700 * 4096 + 1, length: 3 * 4096, write: true },
      { address: 800 * 4096, length: 4095, write: true },
      { address: 0xffff_f000, length: 0x8000_0000, write: true },
    ]);
    driver.kick(REPORTING);
    expect(held(599, 600, 601, 602, 603, 700, 701, 702, 703, 800)).toEqual([599, 603, 700, 703, 800]);
    expect(driver.used(REPORTING)).toEqual([[0, 0]]);
  });

  it.each([
    ['that hold a poison stay as they are', [F.POISON], 0xaaaa_aaaa, true],
    ['that hold zero are given back', [F.POISON], 0, false],
    ['are given back without that feature, whatever is written there', [], 0xaaaa_aaaa, false],
  ])('5.5.6.7: reported pages %s', (_, features, poison, stay) => {
    const { driver, start, held } = create(kind);
    start([F.REPORTING, ...features], [0, 1, 2]);
    driver.writeConfig(12, poison);
    driver.add(2, [{ address: 600 * 4096, length: 4096, write: true }]);
    driver.kick(2);
    expect(held(600)).toEqual(stay ? [600] : []);
    expect(driver.used(2).length).toBe(1);
  });

  it('much at once is done in turns: guest time passes', () => {
    const { driver, start, clock } = create(kind);
    start();
    for (let count = 0; count < 100; count++)
      driver.add(REPORTING, [{ address: 0x40_0000, length: 0xffff_f000, write: true }]);
    driver.notify(REPORTING);
    clock.advance(10_000);
    const first = driver.used(REPORTING).length;
    expect(first).toBe(1);
    clock.advance(100 * 0x10_0000 * 20);
    expect(driver.used(REPORTING).length).toBe(99);
  });

  it('a reset by the driver ends what was agreed upon; what the host wants stays', () => {
    const { balloon, driver, start } = create(kind);
    start();
    balloon.setTarget(100);
    driver.writeConfig(4, 50);
    driver.send(STATS, statistics([4, 1n]));
    driver.status(0);
    expect([driver.config(0), driver.config(4), balloon.state.held]).toEqual([100, 0, undefined]);
    start();
    expect(driver.used(STATS)).toEqual([]);
    balloon.requestStatistics();
    driver.send(STATS, statistics([4, 2n]));
    expect(driver.bench.memory.read(driver.rings.get(STATS)!.device + 2, 2)).toBe(kind === 'legacy' ? 1 : 0);
  });

  it('RESET# does so too', () => {
    const { balloon, driver, start, devices, configure } = create(kind);
    start();
    balloon.setTarget(100);
    balloon.startHinting();
    resetDevices(devices);
    configure();
    expect([driver.status(), driver.config(0), driver.config(8), balloon.state.target]).toEqual([0, 100, 0, 100]);
  });
});

/** Which queue is which, over all sets of features that bring queues: by the specification, and as Linux counts them. */
describe('5.5.2: the numbers of queues', () => {
  const OPTIONAL = [F.STATS, F.HINT, F.REPORTING] as const;
  const SETS = Array.from({ length: 8 }, (_, set) => OPTIONAL.filter((_, index) => (set >>> index) & 1));
  const CASES = KINDS.flatMap((kind) =>
    (['by the specification', 'without gaps'] as const).flatMap((numbering) =>
      SETS.map((features) => [kind, numbering, features] as const),
    ),
  );

  it.each(CASES)('%s, %s, features %j', (kind, numbering, features) => {
    const { balloon, driver, start, held, hints } = create(kind);
    const dense = [undefined, undefined, F.STATS, F.HINT, F.REPORTING].filter(
      (feature, index) => index < 2 || features.some((one) => one === feature),
    );
    const numberOf = (feature: number): number =>
      numbering === 'without gaps'
        ? dense.indexOf(feature as 1)
        : [F.STATS, F.HINT, F.REPORTING].indexOf(feature as 1) + 2;
    start(features, [0, 1, ...features.map(numberOf)]);
    driver.send(INFLATE, numbers(600));
    driver.send(DEFLATE, numbers(601));
    if (features.includes(F.STATS)) {
      driver.send(numberOf(F.STATS), statistics([5, 3n]));
      balloon.requestStatistics();
      driver.kick(numberOf(F.STATS));
      driver.send(numberOf(F.STATS), statistics([5, 4n]));
      expect(balloon.state.statistics.values).toEqual({ totalMemory: 4 });
    }
    if (features.includes(F.HINT)) {
      balloon.startHinting();
      driver.send(numberOf(F.HINT), numbers(driver.config(8)));
      driver.add(numberOf(F.HINT), [{ address: 700 * 4096, length: 4096, write: true }]);
      driver.kick(numberOf(F.HINT));
      expect(hints).toEqual([{ first: 700, pages: 1 }]);
    }
    if (features.includes(F.REPORTING)) {
      driver.add(numberOf(F.REPORTING), [{ address: 800 * 4096, length: 4096, write: true }]);
      driver.kick(numberOf(F.REPORTING));
    }
    expect(held(600, 601, 700, 800)).toEqual([601, 700, ...(features.includes(F.REPORTING) ? [] : [800])]);
  });
});
