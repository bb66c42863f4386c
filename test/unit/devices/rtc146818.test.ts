import { describe, expect, it } from 'vitest';
import { resetDevices } from '../../../src/bus/device.ts';
import { calendarAt } from '../../../src/devices/rtc-calendar.ts';
import { createRtc } from '../../support/devices.ts';

const [SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM] = [0, 1, 2, 3, 4, 5];
const [DAY, DATE, MONTH, YEAR, A, B, C, D, CENTURY] = [6, 7, 8, 9, 10, 11, 12, 13, 0x32];
const SECOND = 1_000_000_000;

type Bench = ReturnType<typeof createRtc>;
const time = ({ read }: Bench) => [HOURS, MINUTES, SECONDS].map(read);
const date = ({ read }: Bench) => [CENTURY, YEAR, MONTH, DATE, DAY].map(read);
const at = (...[year, month, day, hours = 0, minutes = 0, seconds = 0]: number[]) =>
  createRtc({ startTime: Date.UTC(year!, month! - 1, day, hours, minutes, seconds) / 1000 });

describe('calendar', () => {
  it('agrees with the Gregorian calendar on every day from 1970 to 2199', () => {
    const wrong: string[] = [];
    for (let days = 0; days < 84_000; days++) {
      const expected = new Date(days * 86_400_000);
      const { year, month, date, dayOfWeek } = calendarAt(days * 86_400 + (days % 86_400));
      const matches =
        year === expected.getUTCFullYear() &&
        month === expected.getUTCMonth() + 1 &&
        date === expected.getUTCDate() &&
        dayOfWeek === expected.getUTCDay() + 1;
      if (!matches) wrong.push(expected.toISOString());
    }
    expect(wrong).toEqual([]);
  });
});

describe('MC146818 time, calendar and alarm locations', () => {
  it('shows the start time in BCD and 24-hour mode', () => {
    const bench = createRtc();
    expect(time(bench)).toEqual([0x12, 0x34, 0x50]);
    expect(date(bench)).toEqual([0x20, 0x26, 0x11, 0x20, 6]);
  });

  it('counts on with the guest’s time', () => {
    const bench = createRtc();
    bench.clock.advance(10 * SECOND - 1);
    expect(time(bench)).toEqual([0x12, 0x34, 0x59]);
    bench.clock.advance(1);
    expect(time(bench)).toEqual([0x12, 0x35, 0x00]);
  });

  it.each([
    [
      [1999, 12, 31],
      [0x20, 0x00, 0x01, 0x01, 7],
    ],
    [
      [2024, 2, 28],
      [0x20, 0x24, 0x02, 0x29, 5],
    ],
    [
      [2023, 2, 28],
      [0x20, 0x23, 0x03, 0x01, 4],
    ],
    [
      [2000, 2, 29],
      [0x20, 0x00, 0x03, 0x01, 4],
    ],
    [
      [2026, 4, 30],
      [0x20, 0x26, 0x05, 0x01, 6],
    ],
  ])('the day after %j is %j', ([year, month, day], expected) => {
    const bench = at(year!, month!, day!, 23, 59, 59);
    bench.clock.advance(SECOND);
    expect(date(bench)).toEqual(expected);
    expect(time(bench)).toEqual([0, 0, 0]);
  });

  it('a long jump counts as many single seconds do', () => {
    const jump = at(2023, 11, 5, 1, 2, 3);
    jump.clock.advance(200 * 86_400 * SECOND);
    const expected = at(2023, 11, 5 + 200, 1, 2, 3);
    expect([date(jump), time(jump)]).toEqual([date(expected), time(expected)]);
  });

  it('DM = 1: binary data mode', () => {
    const bench = createRtc();
    bench.write(B, 0x86);
    bench.write(SECONDS, 58);
    bench.write(MINUTES, 59);
    bench.write(HOURS, 23);
    bench.write(DATE, 31);
    bench.write(MONTH, 12);
    bench.write(YEAR, 99);
    bench.write(CENTURY, 19);
    bench.write(B, 0x06);
    bench.clock.advance(2 * SECOND);
    expect(time(bench)).toEqual([0, 0, 0]);
    expect(date(bench).slice(0, 4)).toEqual([20, 0, 1, 1]);
  });

  it('12-hour mode: the high bit of the hours byte is PM', () => {
    const bench = createRtc();
    const hours = (value: number) => {
      bench.write(B, 0x80);
      bench.write(HOURS, value);
      bench.write(MINUTES, 0x59);
      bench.write(SECONDS, 0x59);
      bench.write(B, 0x00);
      bench.clock.advance(SECOND);
      return bench.read(HOURS);
    };
    expect([0x11, 0x91, 0x12, 0x92, 0x89].map(hours)).toEqual([0x92, 0x12, 0x01, 0x81, 0x90]);
  });

  it('the 114 other bytes are RAM', () => {
    const { read, write } = createRtc();
    for (let register = 0x0e; register < 0x80; register++) write(register, register ^ 0x55);
    for (let register = 0x0e; register < 0x80; register++) expect(read(register)).toBe(register ^ 0x55);
  });

  it('nonsense in the time registers is survived', () => {
    const bench = createRtc();
    for (let register = 0; register < 10; register++) bench.write(register, 0xff);
    bench.clock.advance(100_000 * SECOND);
    expect(bench.read(SECONDS)).toBeLessThan(0x60);
  });
});

describe('MC146818 register A', () => {
  it('UIP is set 244 µs before the update cycle begins, which takes 1984 µs', () => {
    const { read, clock } = createRtc();
    const uip = () => read(A) >> 7;
    clock.advance(SECOND - 2_228_001);
    expect(uip()).toBe(0);
    clock.advance(1);
    expect(uip()).toBe(1);
    clock.advance(2_227_999);
    expect([uip(), read(SECONDS)]).toEqual([1, 0x50]);
    clock.advance(1);
    expect([uip(), read(SECONDS)]).toEqual([0, 0x51]);
  });

  it('UIP is a read-only bit', () => {
    const { read, write } = createRtc();
    write(A, 0xa6);
    expect(read(A)).toBe(0x26);
  });

  it('when the divider reset is removed the first update comes one-half second later', () => {
    const { read, write, clock } = createRtc();
    clock.advance(300_000_000);
    write(A, 0x76);
    clock.advance(10 * SECOND);
    expect(read(SECONDS)).toBe(0x50);
    write(A, 0x26);
    clock.advance(SECOND / 2 - 1);
    expect(read(SECONDS)).toBe(0x50);
    clock.advance(1);
    expect(read(SECONDS)).toBe(0x51);
  });
});

describe('MC146818 register B', () => {
  it('SET = 1 aborts updates and clears UIE and UIP', () => {
    const { read, write, clock } = createRtc();
    write(B, 0x92);
    expect(read(B)).toBe(0x82);
    clock.advance(SECOND - 1000);
    expect(read(A) & 0x80).toBe(0);
    clock.advance(5 * SECOND);
    expect(read(SECONDS)).toBe(0x50);
    write(B, 0x02);
    clock.advance(SECOND);
    expect(read(SECONDS)).toBe(0x51);
  });

  it('RESET clears PIE, AIE, UIE, SQWE and the flags, and affects neither time nor RAM', () => {
    const bench = createRtc();
    bench.write(0x40, 0x77);
    bench.write(B, 0x7a);
    bench.clock.advance(3 * SECOND);
    expect(bench.irq.level).toBe(1);
    resetDevices([bench.rtc]);
    expect([bench.irq.level, bench.read(B), bench.read(C), bench.read(0x40)]).toEqual([0, 0x02, 0, 0x77]);
    expect(time(bench)).toEqual([0x12, 0x34, 0x53]);
  });
});

describe('MC146818 interrupts', () => {
  it.each([
    [3, 8192],
    [6, 1024],
    [15, 2],
    [1, 256],
    [2, 128],
    [8, 256],
  ])('periodic: rate selection %i gives %i interrupts a second', (rate, perSecond) => {
    const { read, write, irq, clock } = createRtc();
    write(A, 0x20 | rate);
    write(B, 0x42);
    let count = 0;
    while (clock.nextAlarm <= SECOND) {
      clock.advanceTo(clock.nextAlarm);
      expect(irq.level).toBe(1);
      expect(read(C)).toBe(count === perSecond - 1 ? 0xd0 : 0xc0);
      count++;
    }
    expect(count).toBe(perSecond);
  });

  it('rate selection 0 gives none', () => {
    const { write, clock } = createRtc();
    write(A, 0x20);
    write(B, 0x42);
    expect(clock.nextAlarm).toBe(Number.POSITIVE_INFINITY);
  });

  it('update ended: UF at the end of every update cycle', () => {
    const { read, write, irq, clock } = createRtc();
    write(B, 0x12);
    read(C);
    clock.advance(SECOND - 1);
    expect(irq.level).toBe(0);
    clock.advance(1);
    expect([irq.level, read(C) & 0xb0]).toEqual([1, 0x90]);
    clock.advance(2 * SECOND);
    expect(irq.rising).toEqual([SECOND, 2 * SECOND]);
  });

  it('alarm: when hours, minutes and seconds match', () => {
    const { read, write, irq, clock } = createRtc();
    write(SECONDS_ALARM, 0x10);
    write(MINUTES_ALARM, 0x35);
    write(HOURS_ALARM, 0x12);
    write(B, 0x22);
    clock.advance(19 * SECOND);
    expect(irq.level).toBe(0);
    clock.advance(SECOND);
    expect([irq.level, read(C) & 0xa0]).toEqual([1, 0xa0]);
    clock.advance(86_399 * SECOND);
    expect(irq.level).toBe(0);
    clock.advance(SECOND);
    expect(irq.level).toBe(1);
  });

  it.each([
    ['each second', [0xff, 0xff, 0xff], 1],
    ['each minute', [0x05, 0xc0, 0xc0], 60],
    ['each hour', [0x05, 0x36, 0xdf], 3600],
  ] as const)('“don’t care” codes C0h–FFh: an alarm %s', (_, [seconds, minutes, hours], interval) => {
    const { read, write, irq, clock } = createRtc();
    write(SECONDS_ALARM, seconds);
    write(MINUTES_ALARM, minutes);
    write(HOURS_ALARM, hours);
    write(B, 0x22);
    for (let count = 0; count < 3; count++) {
      while (!irq.level) clock.advanceTo(clock.nextAlarm);
      read(C);
    }
    const [first, second, third] = irq.rising;
    expect([second! - first!, third! - second!]).toEqual([interval * SECOND, interval * SECOND]);
  });

  it('an alarm in 12-hour mode distinguishes AM and PM', () => {
    const { read, write, clock } = createRtc();
    write(B, 0x80);
    write(HOURS, 0x92);
    write(HOURS_ALARM, 0x01);
    write(MINUTES_ALARM, 0xff);
    write(SECONDS_ALARM, 0xff);
    write(B, 0x00);
    clock.advance(3600 * SECOND);
    expect(read(C) & 0x20).toBe(0);
    clock.advance(12 * 3600 * SECOND);
    expect(read(C) & 0x20).toBe(0x20);
  });

  it('flags are set whether or not their interrupts are enabled; reading C clears them', () => {
    const { read, irq, clock } = createRtc();
    clock.advance(SECOND);
    expect([irq.level, read(C), read(C)]).toEqual([0, 0x50, 0]);
  });

  it('enabling an interrupt whose flag is set asserts IRQ at once', () => {
    const { write, irq, clock } = createRtc();
    clock.advance(SECOND);
    write(B, 0x12);
    expect(irq.level).toBe(1);
  });

  it('C and D are read-only; VRT is set', () => {
    const { read, write } = createRtc();
    write(C, 0xff);
    write(D, 0x00);
    expect([read(C), read(D)]).toEqual([0, 0x80]);
  });
});

describe('a state that no chip was in', () => {
  it.each([
    { seconds: -(2 ** 52) },
    { seconds: Number.NEGATIVE_INFINITY },
    { dividerZero: -Number.MAX_VALUE },
    { dividerZero: 1e300, seconds: -1e291 },
    { dividerZero: Number.NaN, seconds: Number.NaN, periods: Number.NaN },
    { periods: -(2 ** 60) },
  ])('%s: time goes on from there, and each second has an interrupt', (state) => {
    const { rtc, read, write, clock, irq } = createRtc();
    clock.advance(SECOND);
    write(B, 0x72); // all interrupts
    Object.assign(rtc.state, state);
    rtc.resume();
    read(C);
    for (let second = 0; second < 3; second++) {
      clock.advance(SECOND);
      expect([irq.level, read(C) & 0x50]).toEqual([1, 0x50]);
    }
    expect(time({ read } as Bench)[1]).toBe(0x34);
  });
});

describe('CMOS ports', () => {
  it('bit 7 of port 70h masks NMI and is not part of the index', () => {
    const { rtc } = createRtc();
    rtc.writePort(0, 0x80 | CENTURY);
    expect([rtc.nmiMasked, rtc.readPort(1)]).toEqual([true, 0x20]);
    rtc.writePort(0, CENTURY);
    expect(rtc.nmiMasked).toBe(false);
  });

  it('port 70h is write-only', () => {
    expect(createRtc().rtc.readPort(0)).toBe(0xff);
  });
});
