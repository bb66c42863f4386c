import { describe, expect, it } from 'vitest';
import { ticksAt, timeOfTick } from '../../../src/devices/crystal.ts';
import { PIT_HZ } from '../../../src/devices/pit8254.ts';
import { createPit } from '../../support/devices.ts';

/** A timer whose counter was programmed with `control` and a two-byte `count` at CLK pulse 0. */
function programmed(mode: number, count: number, { counter = 0, bcd = 0 } = {}) {
  const bench = createPit();
  const { pit } = bench;
  const write = (value: number) => {
    pit.writePort(counter, value & 0xff);
    pit.writePort(counter, value >> 8);
  };
  pit.writePort(3, (counter << 6) | 0x30 | (mode << 1) | bcd);
  write(count);
  const latched = () => {
    pit.writePort(3, counter << 6);
    return pit.readPort(counter) | (pit.readPort(counter) << 8);
  };
  const status = () => {
    pit.writePort(3, 0xe0 | (2 << counter));
    return pit.readPort(counter);
  };
  /** The level of OUT at each CLK pulse in [first, last], as a string of 0s and 1s. */
  const wave = (first: number, last: number) => {
    let levels = '';
    for (let tick = first; tick <= last; tick++) {
      bench.at(tick);
      levels += pit.out(counter as 0 | 1 | 2);
    }
    return levels;
  };
  const counts = (first: number, last: number) => {
    const values: number[] = [];
    for (let tick = first; tick <= last; tick++) {
      bench.at(tick);
      values.push(latched());
    }
    return values;
  };
  const ticks = (times: readonly number[]) => times.map((ns) => ticksAt(ns, PIT_HZ));
  return { ...bench, write, latched, status, wave, counts, ticks };
}

describe('crystal', () => {
  it('converts both ways without drift, a hundred days on', () => {
    for (const hz of [PIT_HZ, 32_768, 1_843_200]) {
      for (const tick of [0, 1, 2, hz - 1, hz, hz + 1, 86_400 * 100 * hz + 12_345]) {
        const at = timeOfTick(tick, hz);
        expect(ticksAt(at, hz)).toBe(tick);
        if (at > 0) expect(ticksAt(at - 1, hz)).toBe(tick - 1);
      }
    }
  });
});

describe('82C54 mode 0 (interrupt on terminal count)', () => {
  it('OUT goes high N + 1 CLK pulses after the initial count is written', () => {
    const { out0, at, ticks } = programmed(0, 4);
    at(100);
    expect(ticks(out0.rising)).toEqual([5]);
  });

  it('OUT is initially low and remains low until the counter reaches zero', () => {
    expect(programmed(0, 4).wave(0, 8)).toBe('000001111');
  });

  it('the counter wraps around to FFFFh after the terminal count and goes on', () => {
    expect(programmed(0, 2).counts(1, 5)).toEqual([2, 1, 0, 0xffff, 0xfffe]);
  });

  it('writing a new count sets OUT low and loads it on the next CLK pulse', () => {
    const bench = programmed(0, 2);
    bench.at(10);
    expect(bench.pit.out(0)).toBe(1);
    bench.write(3);
    expect(bench.wave(10, 15)).toBe('000011');
  });

  it('writing the first byte disables counting and sets OUT low immediately', () => {
    const bench = programmed(0, 0x100);
    bench.at(5);
    bench.pit.writePort(0, 9);
    expect(bench.counts(5, 7)).toEqual([0xfc, 0xfc, 0xfc]);
    bench.pit.writePort(0, 0);
    expect(bench.counts(8, 9)).toEqual([9, 8]);
  });

  it('writing the first byte after the terminal count sets OUT low', () => {
    const bench = programmed(0, 1);
    bench.at(5);
    expect(bench.pit.out(0)).toBe(1);
    bench.pit.writePort(0, 1);
    expect(bench.pit.out(0)).toBe(0);
  });

  it('GATE = 0 disables counting and has no effect on OUT', () => {
    const bench = programmed(0, 4);
    bench.at(3);
    bench.pit.setGate(0, 0);
    expect(bench.counts(3, 6)).toEqual([2, 2, 2, 2]);
    bench.pit.setGate(0, 1);
    expect(bench.counts(7, 8)).toEqual([1, 0]);
    expect(bench.pit.out(0)).toBe(1);
    bench.pit.setGate(0, 0);
    expect(bench.pit.out(0)).toBe(1);
  });

  it('a count written while GATE = 0 is loaded on the next CLK pulse and counts when GATE rises', () => {
    const bench = createPit();
    bench.pit.setGate(0, 0);
    bench.pit.writePort(3, 0x10);
    bench.pit.writePort(0, 4);
    bench.at(10);
    expect(bench.pit.readPort(0)).toBe(4);
    bench.pit.setGate(0, 1);
    bench.at(13);
    expect([bench.pit.readPort(0), bench.pit.out(0)]).toEqual([1, 0]);
    bench.at(14);
    expect(bench.pit.out(0)).toBe(1);
  });
});

describe('82C54 mode 1 (hardware retriggerable one-shot)', () => {
  /** Pulls GATE low and high again. */
  const trigger = ({ pit }: { pit: { setGate(index: 0, level: 0 | 1): void } }) => {
    pit.setGate(0, 0);
    pit.setGate(0, 1);
  };

  it('OUT is initially high and waits for a trigger', () => {
    expect(programmed(1, 3).wave(0, 8)).toBe('111111111');
  });

  it('OUT goes low on the CLK pulse following a trigger and remains low until the counter reaches zero', () => {
    const bench = programmed(1, 3);
    bench.at(4);
    trigger(bench);
    expect(bench.wave(4, 10)).toBe('1000111');
  });

  it('the one-shot is retriggerable', () => {
    const bench = programmed(1, 3);
    trigger(bench);
    bench.at(2);
    trigger(bench);
    expect(bench.wave(2, 8)).toBe('0000111');
  });

  it('a new count does not affect the current pulse unless the counter is retriggered', () => {
    const bench = programmed(1, 3);
    trigger(bench);
    bench.at(2);
    bench.write(5);
    expect(bench.status() & 0x40).toBe(0x40);
    expect(bench.wave(2, 6)).toBe('00111');
    trigger(bench);
    expect(bench.wave(6, 13)).toBe('10000011');
    expect(bench.status() & 0x40).toBe(0);
  });

  it('GATE = 0 after the trigger does not stop the pulse', () => {
    const bench = programmed(1, 3);
    trigger(bench);
    bench.at(1);
    bench.pit.setGate(0, 0);
    expect(bench.wave(1, 5)).toBe('00011');
  });
});

describe('82C54 mode 2 (rate generator)', () => {
  it('OUT goes low for one CLK pulse every N', () => {
    expect(programmed(2, 4).wave(0, 13)).toBe('11110111011101');
  });

  it('counts N, N-1 … 1', () => {
    expect(programmed(2, 3).counts(1, 7)).toEqual([3, 2, 1, 3, 2, 1, 3]);
  });

  it('raises OUT0 every N CLK pulses', () => {
    const { out0, at, ticks } = programmed(2, 0x1000);
    out0.rising.length = 0; // OUT goes high with the control word
    at(0x3001);
    expect(ticks(out0.rising)).toEqual([0x1001, 0x2001, 0x3001]);
  });

  it('a count of 0 is equivalent to 2^16', () => {
    const { out0, at, ticks } = programmed(2, 0);
    out0.rising.length = 0;
    at(200_000);
    expect(ticks(out0.rising)).toEqual([65_537, 131_073, 196_609]);
  });

  it('GATE = 0 disables counting and sets OUT high immediately', () => {
    const bench = programmed(2, 3);
    bench.at(3);
    expect(bench.pit.out(0)).toBe(0);
    bench.pit.setGate(0, 0);
    expect(bench.wave(3, 8)).toBe('111111');
  });

  it('a trigger reloads the counter on the next CLK pulse', () => {
    const bench = programmed(2, 5);
    bench.at(3);
    bench.pit.setGate(0, 0);
    bench.at(7);
    bench.pit.setGate(0, 1);
    expect(bench.counts(8, 13)).toEqual([5, 4, 3, 2, 1, 5]);
  });

  it('a new count takes effect at the end of the current counting cycle', () => {
    const bench = programmed(2, 4);
    bench.at(2);
    bench.write(3);
    expect(bench.status() & 0x40).toBe(0x40);
    expect(bench.wave(2, 11)).toBe('1101101101');
    expect(bench.status() & 0x40).toBe(0);
  });

  it('a new count is taken at once when a trigger comes before the end of the cycle', () => {
    const bench = programmed(2, 100);
    bench.at(2);
    bench.write(3);
    bench.pit.setGate(0, 0);
    bench.pit.setGate(0, 1);
    expect(bench.counts(3, 6)).toEqual([3, 2, 1, 3]);
  });
});

describe('82C54 mode 3 (square wave)', () => {
  it('an even N is high for N/2 and low for N/2 counts', () => {
    const bench = programmed(3, 4);
    expect(bench.wave(0, 12)).toBe('1110011001100');
  });

  it('an odd N is high for (N+1)/2 and low for (N-1)/2 counts', () => {
    expect(programmed(3, 5).wave(1, 11)).toBe('11100111001');
  });

  it('an even count is decremented by two', () => {
    expect(programmed(3, 4).counts(1, 6)).toEqual([4, 2, 4, 2, 4, 2]);
  });

  it('an odd count is loaded less one and decremented by two', () => {
    expect(programmed(3, 5).counts(1, 10)).toEqual([4, 2, 0, 4, 2, 4, 2, 0, 4, 2]);
  });

  it('a new count is loaded at the end of the current half-cycle', () => {
    const bench = programmed(3, 8);
    bench.at(2);
    bench.write(4); // high half 1–4 of the old count, then halves of 2
    expect(bench.wave(1 + 1, 12)).toBe('11100110011');
  });

  it('GATE = 0 sets OUT high immediately, a trigger begins a new square wave', () => {
    const bench = programmed(3, 4);
    bench.at(3);
    expect(bench.pit.out(0)).toBe(0);
    bench.pit.setGate(0, 0);
    expect(bench.wave(3, 6)).toBe('1111');
    bench.pit.setGate(0, 1);
    expect(bench.wave(6, 11)).toBe('111001');
  });

  it('mode bits 7 and 6 mean 3 and 2, and the status gives them back as written', () => {
    const bench = programmed(7, 4);
    expect(bench.wave(0, 5)).toBe('111001');
    expect(bench.status() & 0x3f).toBe(0x3e);
  });
});

describe('82C54 mode 4 (software triggered strobe)', () => {
  it('OUT goes low for one CLK pulse when the count expires, N + 1 pulses after it was written', () => {
    const bench = programmed(4, 3);
    expect(bench.wave(0, 8)).toBe('111101111');
  });

  it('the strobe comes once', () => {
    const { out0, at, ticks } = programmed(4, 3);
    out0.rising.length = 0;
    at(300_000);
    expect(ticks(out0.rising)).toEqual([5]);
  });

  it('a new count is loaded on the next CLK pulse and counting continues from it', () => {
    const bench = programmed(4, 10);
    bench.at(3);
    bench.write(2);
    expect(bench.counts(4, 6)).toEqual([2, 1, 0]);
    expect(bench.pit.out(0)).toBe(0);
  });

  it('writing the first byte has no effect on counting', () => {
    const bench = programmed(4, 10);
    bench.at(3);
    bench.pit.writePort(0, 2);
    expect(bench.counts(4, 5)).toEqual([7, 6]);
  });

  it('GATE = 0 stops the count, not a strobe that has begun', () => {
    const bench = programmed(4, 3);
    bench.at(2);
    bench.pit.setGate(0, 0);
    bench.at(10);
    bench.pit.setGate(0, 1);
    expect(bench.wave(10, 14)).toBe('11011');

    const begun = programmed(4, 3);
    begun.at(4);
    begun.pit.setGate(0, 0);
    expect(begun.wave(4, 6)).toBe('011');
    begun.pit.setGate(0, 1);
    expect(begun.wave(6, 9)).toBe('1111');
  });
});

describe('82C54 mode 5 (hardware triggered strobe)', () => {
  it('strobes N + 1 CLK pulses after the trigger', () => {
    const bench = programmed(5, 3);
    bench.at(5);
    bench.pit.setGate(0, 0);
    bench.pit.setGate(0, 1);
    expect(bench.wave(5, 11)).toBe('1111011');
  });

  it('is retriggerable', () => {
    const bench = programmed(5, 3);
    for (const tick of [0, 2]) {
      bench.at(tick);
      bench.pit.setGate(0, 0);
      bench.pit.setGate(0, 1);
    }
    expect(bench.wave(2, 8)).toBe('1111011');
  });
});

describe('82C54 BCD', () => {
  it('counts in four decades', () => {
    expect(programmed(2, 0x0101, { bcd: 1 }).counts(1, 4)).toEqual([0x101, 0x100, 0x99, 0x98]);
  });

  it('a count of 0 is equivalent to 10^4', () => {
    const { counts, out0, at, ticks } = programmed(2, 0, { bcd: 1 });
    expect(counts(1, 2)).toEqual([0, 0x9999]);
    out0.rising.length = 0;
    at(20_001);
    expect(ticks(out0.rising)).toEqual([10_001, 20_001]);
  });

  it('wraps around to 9999', () => {
    expect(programmed(0, 1, { bcd: 1 }).counts(1, 4)).toEqual([1, 0, 0x9999, 0x9998]);
  });
});

describe('82C54 read and write operations', () => {
  it('a read without a latch finds a count that has just been written: the bus is slower than CLK', () => {
    const { pit, at } = createPit();
    pit.writePort(3, 0xb0);
    pit.writePort(2, 0xfe);
    pit.writePort(2, 0xff);
    const count = () => pit.readPort(2) | (pit.readPort(2) << 8);
    expect(count()).toBe(0xfffe);
    at(1);
    expect(count()).toBe(0xfffe);
    at(2);
    expect(count()).toBe(0xfffd);
  });

  it('LSB only and MSB only set the other byte to zero', () => {
    const { pit, at } = createPit();
    pit.writePort(3, 0x10);
    pit.writePort(0, 0x34);
    at(1);
    pit.writePort(3, 0x00);
    expect(pit.readPort(0)).toBe(0x34);
    pit.writePort(3, 0x64);
    pit.writePort(1, 0x12);
    at(2);
    expect(pit.readPort(1)).toBe(0x12);
    at(3);
    expect(pit.readPort(1)).toBe(0x11);
  });

  it('a latched count is held until it is read, later latch commands are ignored', () => {
    const bench = programmed(0, 0x1234);
    bench.at(1);
    bench.pit.writePort(3, 0);
    bench.at(0x100);
    bench.pit.writePort(3, 0);
    expect(bench.pit.readPort(0)).toBe(0x34);
    expect(bench.pit.readPort(0)).toBe(0x12);
    expect(bench.latched()).toBe(0x1234 - 0xff);
  });

  it('a latched count is released when the counter is reprogrammed', () => {
    const bench = programmed(0, 0x1234);
    bench.at(1);
    bench.pit.writePort(3, 0);
    bench.pit.writePort(3, 0x30);
    bench.write(0x5678);
    bench.at(2);
    expect(bench.latched()).toBe(0x5678);
  });

  it('reads and writes of the same counter may be interleaved', () => {
    const { pit, latched, at } = programmed(4, 0x1010);
    at(1);
    expect(pit.readPort(0)).toBe(0x10);
    pit.writePort(0, 0x78);
    expect(pit.readPort(0)).toBe(0x10);
    pit.writePort(0, 0x56);
    at(2);
    expect(latched()).toBe(0x5678);
  });

  it('read-back latches several counters at once', () => {
    const { pit, at } = createPit();
    for (const [control, port, count] of [
      [0x10, 0, 50],
      [0x50, 1, 60],
      [0x90, 2, 70],
    ] as const) {
      pit.writePort(3, control);
      pit.writePort(port, count);
    }
    at(11);
    pit.writePort(3, 0b1101_1110);
    at(20);
    expect([0, 1, 2].map((port) => pit.readPort(port))).toEqual([40, 50, 60]);
    expect([0, 1, 2].map((port) => pit.readPort(port))).toEqual([31, 41, 51]);
  });

  it('when count and status are latched the first read gives the status', () => {
    const bench = programmed(3, 0x20);
    bench.at(1);
    bench.pit.writePort(3, 0b1100_0010);
    expect([0, 0, 0].map(() => bench.pit.readPort(0))).toEqual([0xb6, 0x20, 0x00]);
  });

  it('NULL COUNT is set from the write of the count until it is loaded', () => {
    const bench = createPit();
    const nullCount = () => {
      bench.pit.writePort(3, 0b1110_0010);
      return (bench.pit.readPort(0) >> 6) & 1;
    };
    bench.pit.writePort(3, 0x30);
    expect(nullCount()).toBe(1);
    bench.pit.writePort(0, 9);
    bench.pit.writePort(0, 0);
    expect(nullCount()).toBe(1);
    bench.at(1);
    expect(nullCount()).toBe(0);
    bench.pit.writePort(0, 7);
    expect(nullCount()).toBe(0);
    bench.pit.writePort(0, 0);
    expect(nullCount()).toBe(1);
  });

  it('the control word register cannot be read: the bus floats', () => {
    expect(createPit().pit.readPort(3)).toBe(0xff);
  });
});

describe('82C54 in guest time', () => {
  it('does not drift: five minutes at 1 kHz give the crystal’s number of interrupts', () => {
    const { out0, clock } = programmed(2, 1193);
    out0.rising.length = 0;
    clock.advanceTo(300_000_000_000);
    expect(out0.rising.length).toBe(Math.floor((300 * PIT_HZ - 1) / 1193));
  });

  it('when time jumps by an hour the alarm does not replay every pulse, and one edge arrives', () => {
    const { pit, clock, out0 } = createPit();
    let now = 0;
    clock.setSource(() => now);
    pit.writePort(3, 0x14);
    pit.writePort(0, 2);
    out0.rising.length = 0;
    now = 3_600_000_000_000;
    clock.fireDue();
    expect(out0.rising.length).toBeGreaterThan(0);
    expect(out0.rising.length).toBeLessThan(4);
  });

  it('an access that is late for the alarm drives the edges it has passed', () => {
    const { pit, clock, out0 } = createPit();
    let now = 0;
    clock.setSource(() => now);
    pit.writePort(3, 0x14);
    pit.writePort(0, 10);
    out0.rising.length = 0;
    now = timeOfTick(15, PIT_HZ);
    expect(pit.readPort(0)).toBe(6);
    expect(out0.rising.length).toBe(1);
  });
});
