import { describe, expect, it } from 'vitest';
import { createPic, createPicPair } from '../../support/devices.ts';

/** A single 8259A with vectors from 20h on; `icw4` as given. */
function single({ icw1 = 0x13, icw4 = 0x01 } = {}) {
  const bench = createPic();
  const { pic } = bench;
  pic.writePort(0, icw1);
  pic.writePort(1, 0x20);
  if (icw1 & 1) pic.writePort(1, icw4);
  const raise = (...levels: number[]) => {
    for (const level of levels) pic.line(level).set(1);
  };
  const lower = (...levels: number[]) => {
    for (const level of levels) pic.line(level).set(0);
  };
  const eoi = () => pic.writePort(0, 0x20);
  const irr = () => {
    pic.writePort(0, 0x0a);
    return pic.readPort(0);
  };
  const isr = () => {
    pic.writePort(0, 0x0b);
    return pic.readPort(0);
  };
  /** Acknowledges until INT is low, ending each with a non-specific EOI. */
  const drain = () => {
    const levels: number[] = [];
    while (bench.int.level) {
      levels.push(pic.acknowledge());
      eoi();
    }
    return levels;
  };
  return { ...bench, raise, lower, eoi, irr, isr, drain };
}

describe('8259A initialization', () => {
  it('INT stays low until the initialization sequence has ended', () => {
    const { pic, int } = createPic();
    pic.line(0).set(1);
    expect(int.level).toBe(0);
    pic.writePort(0, 0x13);
    pic.writePort(1, 0x20);
    pic.line(0).set(0);
    pic.line(0).set(1);
    expect(int.level).toBe(0);
    pic.writePort(1, 0x01);
    expect(int.level).toBe(1);
  });

  it('ICW1 resets the edge sense circuit: an input must make a low-to-high transition', () => {
    const { pic, raise, lower, irr } = single();
    raise(3);
    expect(irr()).toBe(0x08);
    for (const [port, word] of [
      [0, 0x13],
      [1, 0x20],
      [1, 0x01],
    ] as const) {
      pic.writePort(port, word);
    }
    expect(irr()).toBe(0);
    lower(3);
    raise(3);
    expect(irr()).toBe(0x08);
  });

  it('ICW1 clears the mask, special mask mode and the priority rotation, and selects IRR', () => {
    const { pic, raise, drain } = single();
    pic.writePort(1, 0xff);
    pic.writePort(0, 0xc4); // lowest: 4
    pic.writePort(0, 0x6b); // special mask mode, read ISR
    pic.writePort(0, 0x12); // single, no ICW4
    pic.writePort(1, 0x28);
    expect(pic.readPort(1)).toBe(0);
    raise(4, 5);
    expect(pic.readPort(0)).toBe(0x30);
    expect(drain()).toEqual([4, 5]);
    expect(pic.vector(5)).toBe(0x2d);
  });

  it('IC4 = 0 sets all functions of ICW4 to zero', () => {
    const { pic, raise, isr } = single({ icw4: 0x03 });
    pic.writePort(0, 0x12);
    pic.writePort(1, 0x20);
    raise(1);
    pic.acknowledge();
    expect(isr()).toBe(0x02);
  });

  it('ICW3 is expected in cascade mode only', () => {
    const { pic } = createPic();
    for (const word of [0x20, 0x04, 0x01, 0x5a]) {
      if (word === 0x20) pic.writePort(0, 0x11);
      pic.writePort(1, word);
    }
    expect(pic.slaves).toBe(0x04);
    expect(pic.readPort(1)).toBe(0x5a);
  });
});

describe('8259A priorities', () => {
  it('fully nested mode: IR0 has the highest, IR7 the lowest priority', () => {
    const { raise, drain } = single();
    raise(7, 3, 0, 5);
    expect(drain()).toEqual([0, 3, 5, 7]);
  });

  it('while an IS bit is set interrupts of the same or lower priority are inhibited, higher ones are not', () => {
    const { pic, int, raise, lower } = single();
    raise(3);
    pic.acknowledge();
    lower(3);
    raise(3, 4);
    expect(int.level).toBe(0);
    raise(2);
    expect(int.level).toBe(1);
    expect(pic.acknowledge()).toBe(2);
  });

  it('non-specific EOI resets the highest IS bit, specific EOI the one named', () => {
    const { pic, raise, eoi, isr } = single();
    raise(5);
    pic.acknowledge();
    raise(1);
    pic.acknowledge();
    expect(isr()).toBe(0x22);
    pic.writePort(0, 0x65);
    expect(isr()).toBe(0x02);
    eoi();
    expect(isr()).toBe(0);
  });

  it('rotation on non-specific EOI gives the served level the lowest priority', () => {
    const { pic, raise, drain } = single();
    raise(4);
    pic.acknowledge();
    pic.writePort(0, 0xa0);
    raise(3, 5, 6);
    expect(drain()).toEqual([5, 6, 3]);
  });

  it('rotation on specific EOI resets the named IS bit and gives it the lowest priority', () => {
    const { pic, raise, isr, drain } = single();
    raise(2);
    pic.acknowledge();
    pic.writePort(0, 0xe2);
    expect(isr()).toBe(0);
    raise(1, 7);
    expect(drain()).toEqual([7, 1]);
  });

  it('the set priority command fixes the lowest priority without an EOI', () => {
    const { pic, raise, drain } = single();
    pic.writePort(0, 0xc5);
    raise(0, 5, 6);
    expect(drain()).toEqual([6, 0, 5]);
  });

  it('OCW2 with R, SL, EOI = 010 is no operation', () => {
    const { pic, raise, isr } = single();
    raise(2);
    pic.acknowledge();
    pic.writePort(0, 0x42);
    expect(isr()).toBe(0x04);
  });
});

describe('8259A masks', () => {
  it('OCW1 masks a request, which stays in IRR', () => {
    const { pic, int, raise, irr } = single();
    pic.writePort(1, 0x08);
    raise(3);
    expect([int.level, irr()]).toEqual([0, 0x08]);
    pic.writePort(1, 0);
    expect(int.level).toBe(1);
  });

  it('special mask mode: a masked level in service inhibits itself only', () => {
    const { pic, int, raise, lower } = single();
    raise(2);
    pic.acknowledge();
    raise(6);
    expect(int.level).toBe(0);
    pic.writePort(1, 0x04);
    expect(int.level).toBe(0);
    pic.writePort(0, 0x68);
    expect(int.level).toBe(1);
    expect(pic.acknowledge()).toBe(6);
    lower(2);
    raise(2);
    expect(int.level).toBe(0);
  });

  it('an IS bit masked in special mask mode is not cleared by a non-specific EOI', () => {
    const { pic, raise, eoi, isr } = single();
    raise(2);
    pic.acknowledge();
    pic.writePort(1, 0x04);
    pic.writePort(0, 0x68);
    eoi();
    expect(isr()).toBe(0x04);
    pic.writePort(0, 0x48);
    eoi();
    expect(isr()).toBe(0);
  });

  it('without ESMM the SMM bit is ignored', () => {
    const { pic, int, raise } = single();
    raise(2);
    pic.acknowledge();
    pic.writePort(1, 0x04);
    pic.writePort(0, 0x28);
    raise(6);
    expect(int.level).toBe(0);
  });
});

describe('8259A automatic end of interrupt', () => {
  it('AEOI resets the IS bit at the end of the INTA sequence', () => {
    const { pic, int, raise, isr } = single({ icw4: 0x03 });
    raise(1, 4);
    expect(pic.acknowledge()).toBe(1);
    expect(isr()).toBe(0);
    expect(int.level).toBe(1);
    expect(pic.acknowledge()).toBe(4);
  });

  it('rotate in automatic EOI mode can be set and cleared', () => {
    const { pic, raise, lower } = single({ icw4: 0x03 });
    const serve = () => {
      lower(0, 1);
      raise(0, 1);
      return [pic.acknowledge(), pic.acknowledge()];
    };
    pic.writePort(0, 0x80);
    raise(0);
    pic.acknowledge();
    expect(serve()).toEqual([1, 0]);
    pic.writePort(0, 0x00);
    expect(serve()).toEqual([1, 0]);
    pic.writePort(0, 0xc7);
    expect(serve()).toEqual([0, 1]);
    expect(serve()).toEqual([0, 1]);
  });
});

describe('8259A edge and level triggered inputs', () => {
  it('edge triggered: the input can remain high without generating another interrupt', () => {
    const { raise, lower, drain } = single();
    raise(3);
    expect(drain()).toEqual([3]);
    raise(3);
    expect(drain()).toEqual([]);
    lower(3);
    raise(3);
    expect(drain()).toEqual([3]);
  });

  it('level triggered (LTIM): a request that is high at the EOI interrupts again', () => {
    const { pic, int, raise, lower, eoi } = single({ icw1: 0x1b });
    raise(3);
    for (let round = 0; round < 3; round++) {
      expect(pic.acknowledge()).toBe(3);
      expect(int.level).toBe(0);
      eoi();
      expect(int.level).toBe(1);
    }
    lower(3);
    expect(int.level).toBe(0);
  });

  it('a one in ELCR makes a single input level triggered', () => {
    const { pic, int, raise, eoi } = single();
    pic.writeElcr(0x20);
    raise(4, 5);
    expect(pic.acknowledge()).toBe(4);
    eoi();
    expect(pic.acknowledge()).toBe(5);
    eoi();
    expect(int.level).toBe(1);
  });

  it('if the IR input goes low before INTA a default IR7 occurs, without an IS bit', () => {
    const { pic, int, raise, lower, isr, irr } = single();
    raise(3);
    lower(3);
    expect(int.level).toBe(0);
    expect(irr()).toBe(0);
    expect(pic.acknowledge()).toBe(7);
    expect(isr()).toBe(0);
  });

  it('the state of IRR and ISR is read after OCW3 has selected one, which is remembered', () => {
    const { pic, raise } = single();
    raise(1, 6);
    pic.acknowledge();
    pic.writePort(0, 0x0b);
    expect([pic.readPort(0), pic.readPort(0)]).toEqual([0x02, 0x02]);
    pic.writePort(0, 0x08); // RR = 0: no action
    expect(pic.readPort(0)).toBe(0x02);
    pic.writePort(0, 0x0a);
    expect(pic.readPort(0)).toBe(0x40);
  });
});

describe('8259A poll command', () => {
  it('the next read is an INTA and gives I and the level', () => {
    const { pic, int, raise, isr } = single();
    raise(4);
    pic.writePort(0, 0x0c);
    expect(pic.readPort(0)).toBe(0x84);
    expect(int.level).toBe(0);
    expect(isr()).toBe(0x10);
  });

  it('without a request I is 0, and the read after that is an ordinary one', () => {
    const { pic } = single();
    pic.writePort(1, 0x5a);
    pic.writePort(0, 0x0c);
    expect(pic.readPort(1) & 0x80).toBe(0);
    expect(pic.readPort(1)).toBe(0x5a);
  });
});

describe('8259A pair', () => {
  it('the slave releases the vector for IRQ 8–15, the master for IRQ 0–7', () => {
    const { pair, intr } = createPicPair();
    pair.line(1).set(1);
    expect(intr.level).toBe(1);
    expect(pair.acknowledge()).toBe(0x09);
    pair.primary.writePort(0, 0x20);
    pair.line(12).set(1);
    expect(intr.level).toBe(1);
    expect(pair.acknowledge()).toBe(0x74);
    expect([pair.primary.state.isr, pair.secondary.state.isr]).toEqual([0x04, 0x10]);
  });

  it('IRQ 8–15 come between IRQ 1 and IRQ 3', () => {
    const { pair, intr } = createPicPair();
    for (const irq of [3, 15, 8, 1]) pair.line(irq).set(1);
    const vectors: number[] = [];
    while (intr.level) {
      vectors.push(pair.acknowledge());
      if (vectors.at(-1)! >= 0x70) pair.secondary.writePort(0, 0x20);
      pair.primary.writePort(0, 0x20);
    }
    expect(vectors).toEqual([0x09, 0x70, 0x77, 0x0b]);
  });

  it('in the normal nested mode a slave in service is locked out; a request in it is not lost', () => {
    const { pair, intr } = createPicPair();
    pair.line(10).set(1);
    pair.acknowledge();
    pair.line(8).set(1);
    expect(intr.level).toBe(0);
    pair.primary.writePort(0, 0x20);
    expect(intr.level).toBe(1);
    expect(pair.acknowledge()).toBe(0x70);
  });

  it('special fully nested mode: higher requests within the slave in service are recognized', () => {
    const { pair, intr } = createPicPair();
    for (const [port, word] of [
      [0, 0x11],
      [1, 0x08],
      [1, 0x04],
      [1, 0x11],
    ] as const) {
      pair.primary.writePort(port, word);
    }
    pair.line(10).set(1);
    pair.acknowledge();
    pair.line(11).set(1);
    pair.line(3).set(1);
    expect(intr.level).toBe(0);
    pair.line(8).set(1);
    expect(intr.level).toBe(1);
    expect(pair.acknowledge()).toBe(0x70);
    expect(pair.secondary.state.isr).toBe(0x05);
  });

  it('with AEOI in both chips several requests of the slave arrive one after the other', () => {
    const { pair, intr } = createPicPair();
    for (const [chip, words] of [
      [pair.primary, [0x08, 0x04, 0x03]],
      [pair.secondary, [0x70, 0x02, 0x03]],
    ] as const) {
      chip.writePort(0, 0x11);
      for (const word of words) chip.writePort(1, word);
    }
    for (const irq of [9, 14, 15]) pair.line(irq).set(1);
    const vectors: number[] = [];
    while (intr.level) vectors.push(pair.acknowledge());
    expect(vectors).toEqual([0x71, 0x76, 0x77]);
  });

  it('an acknowledge without a request gives the master’s IR7: spurious IRQ 7', () => {
    const { pair } = createPicPair();
    expect(pair.acknowledge()).toBe(0x0f);
    expect(pair.primary.state.isr).toBe(0);
  });

  it('a request of the slave that is gone at its INTA gives its IR7: spurious IRQ 15, with IR2 in service', () => {
    const { pair } = createPicPair();
    pair.primary.line(2).set(1); // the slave's INT without a request behind it
    expect(pair.acknowledge()).toBe(0x77);
    expect([pair.primary.state.isr, pair.secondary.state.isr]).toEqual([0x04, 0]);
  });

  it('when no slave has the identity on CAS0–2 nothing drives the bus', () => {
    const { pair } = createPicPair();
    for (const [port, word] of [
      [0, 0x11],
      [1, 0x70],
      [1, 0x05],
      [1, 0x01],
    ] as const) {
      pair.secondary.writePort(port, word);
    }
    pair.line(8).set(1);
    expect(pair.acknowledge()).toBe(0xff);
  });

  it('ELCR: IRQ 0, 1, 2, 8 and 13 are edge triggered only', () => {
    const { pair } = createPicPair();
    pair.elcr.writePort(0, 0xff, 1);
    pair.elcr.writePort(1, 0xff, 1);
    expect([pair.elcr.readPort(0, 1), pair.elcr.readPort(1, 1)]).toEqual([0xf8, 0xde]);
  });
});
