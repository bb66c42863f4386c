import { describe, expect, it } from 'vitest';
import { resetDevices } from '../../../src/bus/device.ts';
import { createUart } from '../../support/devices.ts';

const [RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7];
const [THR, FCR] = [RBR, IIR];
const codes = (text: string) => [...text].map((character) => character.charCodeAt(0));
/** One character at 115200 baud, 8N1. */
const CHARACTER = 86_806;

/** With FIFOs on and the trigger level 1, 4, 8 or 14. */
function withFifos(trigger: 1 | 4 | 8 | 14, ier = 0) {
  const bench = createUart();
  bench.uart.writePort(FCR, ([1, 4, 8, 14].indexOf(trigger) << 6) | 1);
  bench.uart.writePort(IER, ier);
  return bench;
}

describe('16550 registers', () => {
  it('DLAB switches ports 0 and 1 to the divisor latch', () => {
    const { uart } = createUart();
    uart.writePort(IER, 0x05);
    uart.writePort(LCR, 0x83);
    uart.writePort(0, 0x34);
    uart.writePort(1, 0x12);
    expect([uart.readPort(0), uart.readPort(1)]).toEqual([0x34, 0x12]);
    uart.writePort(LCR, 0x03);
    expect(uart.readPort(IER)).toBe(0x05);
  });

  it('bits 4–7 of IER are always zero', () => {
    const { uart } = createUart();
    uart.writePort(IER, 0xff);
    expect(uart.readPort(IER)).toBe(0x0f);
  });

  it('bits 5–7 of MCR are permanently zero', () => {
    const { uart } = createUart();
    uart.writePort(MCR, 0xef);
    expect(uart.readPort(MCR)).toBe(0x0f);
  });

  it('the scratch register holds data and controls nothing', () => {
    const { uart } = createUart();
    uart.writePort(SCR, 0xa5);
    expect(uart.readPort(SCR)).toBe(0xa5);
  });

  it('bits 6 and 7 of IIR are set while the FIFOs are enabled', () => {
    const { uart } = createUart();
    expect(uart.readPort(IIR)).toBe(0x01);
    uart.writePort(FCR, 0x01);
    expect(uart.readPort(IIR)).toBe(0xc1);
  });

  it.each([0x02, 0x04, 0x06, 0xce])(
    'C6: FCR ← %i: "bit 0 must be a 1 when other FCR bits are written to or they will not be programmed"',
    (value) => {
      const { uart, sent, irq, text } = createUart({ transmitPacing: 'line' });
      uart.writePort(IER, 0x02);
      uart.readPort(IIR); // takes the request that enabling makes
      text('r');
      uart.writePort(THR, 0x31); // in the shift register
      uart.writePort(THR, 0x32); // in THR
      const requests = irq.rising.length;
      uart.writePort(FCR, value);
      expect([uart.readPort(IIR), irq.level, irq.rising.length]).toEqual([0x01, 0, requests]);
      expect([uart.readPort(LSR), uart.readPort(RBR)]).toEqual([0x01, 0x72]);
      expect(sent).toEqual([]);
      expect(uart.state).toMatchObject({ fcr: 0, transmitter: [0x32], shifting: 0x31 });
    },
  );

  it('C9: a console that polls THRE, as earlyprintk does at 9600 baud, waits for no character', () => {
    const { uart, clock, sent } = createUart();
    for (const [offset, value] of [
      [LCR, 0x83],
      [0, 12],
      [1, 0],
      [LCR, 0x03],
      [IER, 0x00],
      [FCR, 0x00],
    ] as const)
      uart.writePort(offset, value);
    const text = [...'Linux version 6.1.0-50-686\r\n'.repeat(100)].map((character) => character.charCodeAt(0));
    for (const byte of text) {
      expect(uart.readPort(LSR)).toBe(0x60);
      uart.writePort(THR, byte);
    }
    expect([clock.now, sent]).toEqual([0, text]);
  });

  it('C6: FCR bit 0 falling clears both FIFOs, whatever the other bits say', () => {
    for (const value of [0x00, 0x06, 0xc8]) {
      const { uart, text } = createUart({ transmitPacing: 'line' });
      uart.writePort(FCR, 0x01);
      text('r');
      for (const byte of [0x31, 0x32, 0x33]) uart.writePort(THR, byte);
      uart.writePort(FCR, value);
      expect(uart.state).toMatchObject({ fcr: 0, receiver: [], transmitter: [], shifting: 0x31 });
    }
  });

  it('C6: FCR with bit 0 set keeps trigger level and DMA mode; the reset bits clear themselves', () => {
    const { uart, text } = createUart();
    uart.writePort(FCR, 0x01);
    text('r');
    uart.writePort(FCR, 0xcf);
    expect(uart.state).toMatchObject({ fcr: 0xc9, receiver: [] });
  });

  it('after reset THRE and TEMT are set and no interrupt is pending', () => {
    const { uart, irq } = createUart();
    uart.writePort(IER, 0x0f);
    expect(irq.level).toBe(1);
    resetDevices([uart]);
    expect([
      uart.readPort(IER),
      uart.readPort(IIR),
      uart.readPort(LCR),
      uart.readPort(MCR),
      uart.readPort(LSR),
    ]).toEqual([0, 1, 0, 0, 0x60]);
    expect(irq.level).toBe(0);
  });

  it.each([
    [0x03, 1, 86_806], // 8N1 at 115200
    [0x03, 12, 1_041_667], // at 9600
    [0x1b, 1, 95_486], // 8E1
    [0x07, 1, 95_486], // 8N2
    [0x04, 1, 65_104], // 5N1.5
    [0x00, 1, 60_764], // 5N1
  ])('LCR = %i with divisor %i: a character takes %i ns', (lcr, divisor, ns) => {
    const { uart } = createUart();
    uart.writePort(LCR, 0x80 | lcr);
    uart.writePort(0, divisor);
    uart.writePort(LCR, lcr);
    expect(uart.characterTime).toBe(ns);
  });
});

describe('16550 receiver', () => {
  it('DR is set when a character has come in and reset by reading RBR', () => {
    const { uart, text } = createUart();
    text('A');
    expect(uart.readPort(LSR) & 0x01).toBe(1);
    expect(uart.readPort(RBR)).toBe(0x41);
    expect(uart.readPort(LSR) & 0x01).toBe(0);
  });

  it('characters come in one character time apart', () => {
    const { uart, clock, text } = withFifos(14);
    text('abc');
    const arrived = () => uart.state.receiver.length;
    expect(arrived()).toBe(1);
    clock.advance(CHARACTER - 1);
    expect(arrived()).toBe(1);
    clock.advance(1);
    expect(arrived()).toBe(2);
    clock.advance(CHARACTER);
    expect(arrived()).toBe(3);
  });

  it('the FIFO is filled only as far as there is room: nothing is lost when the guest is slow', () => {
    const { uart, clock, text, drained } = withFifos(14);
    const message = Array.from({ length: 100 }, (_, index) => String.fromCharCode(33 + (index % 90))).join('');
    text(message);
    clock.advance(1_000 * CHARACTER);
    expect([uart.state.receiver.length, uart.pendingInput]).toEqual([16, 84]);
    const received: number[] = [];
    while (uart.readPort(LSR) & 1) {
      received.push(uart.readPort(RBR));
      clock.advance(3 * CHARACTER);
    }
    expect(received).toEqual(codes(message));
    expect([uart.pendingInput, drained(), uart.readPort(LSR) & 0x02]).toEqual([0, 1, 0]);
  });

  it('without FIFOs a character waits until RBR has been read', () => {
    const { uart, clock, text } = createUart();
    text('xy');
    clock.advance(10 * CHARACTER);
    expect(uart.pendingInput).toBe(1);
    expect([uart.readPort(RBR), uart.readPort(RBR), uart.readPort(LSR) & 1]).toEqual([0x78, 0x79, 0]);
  });

  it('the word length masks the character', () => {
    const { uart } = createUart();
    uart.writePort(LCR, 0x02);
    uart.receive(Uint8Array.of(0xc1));
    expect(uart.readPort(RBR)).toBe(0x41);
  });

  it('the receiver FIFO reset clears the FIFO', () => {
    const { uart, clock, text } = withFifos(1);
    text('ab');
    clock.advance(CHARACTER);
    uart.writePort(FCR, 0x03);
    expect(uart.readPort(LSR) & 1).toBe(0);
  });

  it('changing FIFO enable clears both FIFOs', () => {
    const { uart, text } = withFifos(1);
    text('a');
    uart.writePort(FCR, 0x00);
    expect(uart.readPort(LSR) & 1).toBe(0);
  });
});

describe('16550 receiver interrupts', () => {
  it('received data available: at the trigger level, reset when the FIFO drops below it', () => {
    const { uart, clock, irq, text } = withFifos(4, 0x01);
    text('abcd');
    clock.advance(3 * CHARACTER - 100);
    expect(irq.level).toBe(0);
    clock.advance(200);
    expect(irq.level).toBe(1);
    expect(uart.readPort(IIR)).toBe(0xc4);
    uart.readPort(RBR);
    expect([irq.level, uart.readPort(IIR)]).toEqual([0, 0xc1]);
  });

  it.each([1, 4, 8, 14] as const)('the trigger level may be %i characters', (trigger) => {
    const { uart, clock, text } = withFifos(trigger, 0x01);
    text('x'.repeat(16));
    let arrived = 1;
    while (uart.readPort(IIR) !== 0xc4) {
      clock.advance(CHARACTER);
      arrived++;
    }
    expect(arrived).toBe(trigger);
  });

  it('character timeout: a character waits and none came in or was read for four character times', () => {
    const { uart, clock, irq, text } = withFifos(8, 0x01);
    text('a');
    clock.advance(4 * CHARACTER - 1);
    expect(irq.level).toBe(0);
    clock.advance(1);
    expect(irq.level).toBe(1);
    expect(uart.readPort(IIR)).toBe(0xcc);
    expect(uart.readPort(IIR)).toBe(0xcc);
    uart.readPort(RBR);
    expect([irq.level, uart.readPort(IIR)]).toEqual([0, 0xc1]);
  });

  it('the timeout timer is reset by a new character and by a read', () => {
    const { uart, clock, irq, text } = withFifos(8, 0x01);
    text('a');
    clock.advance(3 * CHARACTER);
    text('b');
    clock.advance(3 * CHARACTER);
    uart.readPort(RBR);
    clock.advance(3 * CHARACTER);
    expect(irq.level).toBe(0);
    clock.advance(CHARACTER);
    expect(irq.level).toBe(1);
  });

  it('there is no timeout without FIFOs', () => {
    const { uart, clock, text } = createUart();
    text('a');
    uart.writePort(IER, 0x01);
    clock.advance(10 * CHARACTER);
    expect(uart.readPort(IIR)).toBe(0x04);
  });

  it('a driver that reads one character an interrupt gets an edge for each', () => {
    const { uart, clock, irq, text } = createUart();
    uart.writePort(IER, 0x01);
    text('abc');
    const received: number[] = [];
    for (let round = 0; round < 3; round++) {
      clock.advance(5 * CHARACTER);
      expect(irq.rising.length).toBe(round + 1);
      received.push(uart.readPort(RBR));
    }
    expect(received).toEqual(codes('abc'));
  });
});

describe('16550 line status', () => {
  it('break: BI with a zero character, receiver line status interrupt, reset by reading LSR', () => {
    const { uart, irq } = createUart();
    uart.writePort(IER, 0x05);
    uart.receiveBreak();
    expect([irq.level, uart.readPort(IIR)]).toEqual([1, 0x06]);
    expect(uart.readPort(LSR)).toBe(0x71);
    expect(uart.readPort(LSR)).toBe(0x61);
    expect(uart.readPort(IIR)).toBe(0x04);
    expect(uart.readPort(RBR)).toBe(0);
  });

  it('PE and FE are revealed when their character is at the top of the FIFO; bit 7 tells that one is below', () => {
    const { uart, clock, text } = withFifos(14);
    text('a');
    uart.receiveFaulty(0x62, 'parity');
    uart.receiveFaulty(0x63, 'framing');
    clock.advance(3 * CHARACTER);
    expect(uart.readPort(LSR)).toBe(0xe1);
    expect(uart.readPort(RBR)).toBe(0x61);
    expect(uart.readPort(LSR)).toBe(0xe5);
    expect(uart.readPort(LSR)).toBe(0xe1);
    expect(uart.readPort(RBR)).toBe(0x62);
    expect(uart.readPort(LSR)).toBe(0xe9);
    expect(uart.readPort(LSR)).toBe(0x61);
  });

  it('overrun: a full FIFO keeps its characters, the one in the shift register is lost (loopback)', () => {
    const { uart } = withFifos(14);
    uart.writePort(MCR, 0x10);
    for (let value = 0; value < 17; value++) uart.writePort(THR, value);
    expect(uart.readPort(LSR) & 0x02).toBe(0x02);
    expect(uart.readPort(LSR) & 0x02).toBe(0);
    expect(Array.from({ length: 16 }, () => uart.readPort(RBR))).toEqual(
      Array.from({ length: 16 }, (_, value) => value),
    );
  });

  it('overrun without FIFOs: the character in RBR is destroyed (loopback)', () => {
    const { uart } = createUart();
    uart.writePort(MCR, 0x10);
    uart.writePort(THR, 1);
    uart.writePort(THR, 2);
    expect(uart.readPort(LSR) & 0x02).toBe(0x02);
    expect(uart.readPort(RBR)).toBe(2);
  });

  it('LSR and MSR are not changed by writes', () => {
    const { uart } = createUart();
    uart.writePort(LSR, 0);
    uart.writePort(MSR, 0);
    expect([uart.readPort(LSR), uart.readPort(MSR)]).toEqual([0x60, 0xb0]);
  });
});

describe('16550 transmitter', () => {
  it('a character leaves at once: THRE and TEMT stay set for a polling driver', () => {
    const { uart, sent } = createUart();
    for (const code of codes('hello')) {
      expect(uart.readPort(LSR) & 0x60).toBe(0x60);
      uart.writePort(THR, code);
    }
    expect(sent).toEqual(codes('hello'));
  });

  it('THR empty interrupt: reset by reading IIR while it is the source, or by writing THR', () => {
    const { uart, irq } = createUart({ transmitPacing: 'line' });
    uart.writePort(IER, 0x02);
    expect(irq.level).toBe(1);
    expect(uart.readPort(IIR)).toBe(0x02);
    expect([irq.level, uart.readPort(IIR)]).toEqual([0, 0x01]);
    uart.writePort(IER, 0x00);
    uart.writePort(IER, 0x02);
    expect(irq.level).toBe(1);
    uart.writePort(THR, 1); // goes on to the shift register
    uart.writePort(THR, 2);
    expect(irq.level).toBe(0);
  });

  it('a driver that writes THR without reading IIR gets an edge for each character', () => {
    const { uart, irq, sent } = createUart();
    uart.writePort(IER, 0x02);
    for (let count = 1; count <= 5; count++) {
      expect(irq.rising.length).toBe(count);
      uart.writePort(THR, count);
    }
    expect(sent).toEqual([1, 2, 3, 4, 5]);
  });

  it('paced: THRE is set when THR empties into the shift register, TEMT when both are empty', () => {
    const { uart, clock, sent } = createUart({ transmitPacing: 'line' });
    uart.writePort(THR, 0x61);
    expect(uart.readPort(LSR)).toBe(0x20);
    uart.writePort(THR, 0x62);
    expect(uart.readPort(LSR)).toBe(0x00);
    clock.advance(CHARACTER);
    expect([uart.readPort(LSR), sent]).toEqual([0x20, [0x61]]);
    clock.advance(CHARACTER);
    expect([uart.readPort(LSR), sent]).toEqual([0x60, [0x61, 0x62]]);
  });

  it('paced: the transmitter FIFO takes 16 characters, its interrupt comes when it is empty', () => {
    const { uart, clock, irq, sent } = createUart({ transmitPacing: 'line' });
    uart.writePort(FCR, 0x01);
    uart.writePort(THR, 0);
    for (let value = 1; value <= 16; value++) uart.writePort(THR, value);
    uart.writePort(IER, 0x02);
    clock.advance(16 * CHARACTER - 1);
    expect([irq.level, sent.length]).toEqual([0, 15]);
    clock.advance(1);
    expect([irq.level, sent.length]).toEqual([1, 16]);
    clock.advance(CHARACTER);
    expect(sent).toEqual(Array.from({ length: 17 }, (_, value) => value));
  });

  it('the transmitter FIFO reset clears the FIFO, not the shift register', () => {
    const { uart, clock, sent } = createUart({ transmitPacing: 'line' });
    uart.writePort(FCR, 0x01);
    for (const value of [1, 2, 3]) uart.writePort(THR, value);
    uart.writePort(FCR, 0x05);
    clock.advance(10 * CHARACTER);
    expect(sent).toEqual([1]);
  });

  it('set break forces the output to the spacing state', () => {
    const { uart, breaks, sent } = createUart();
    uart.writePort(LCR, 0x43);
    uart.writePort(THR, 0x55);
    uart.writePort(LCR, 0x03);
    expect([breaks, sent]).toEqual([[1, 0], []]);
  });
});

describe('16550 interrupt priority', () => {
  it('line status, received data, THR empty, modem status', () => {
    const { uart } = createUart();
    uart.setModem({ cts: false });
    uart.receiveBreak();
    uart.writePort(IER, 0x0f);
    expect(uart.readPort(IIR)).toBe(0x06);
    uart.readPort(LSR);
    expect(uart.readPort(IIR)).toBe(0x04);
    uart.readPort(RBR);
    expect(uart.readPort(IIR)).toBe(0x02);
    expect(uart.readPort(IIR)).toBe(0x00);
    uart.readPort(MSR);
    expect(uart.readPort(IIR)).toBe(0x01);
  });

  it('OUT2 gates the interrupt line of a PC', () => {
    const { uart, irq } = createUart();
    uart.writePort(MCR, 0x03);
    uart.writePort(IER, 0x02);
    expect(irq.level).toBe(0);
    uart.writePort(MCR, 0x0b);
    expect(irq.level).toBe(1);
  });
});

describe('16550 modem', () => {
  it('MSR shows the modem lines and whether they have changed since it was read', () => {
    const { uart } = createUart();
    expect(uart.readPort(MSR)).toBe(0xb0);
    uart.setModem({ cts: false, dsr: false, dcd: false });
    expect(uart.readPort(MSR)).toBe(0x0b);
    expect(uart.readPort(MSR)).toBe(0x00);
  });

  it('TERI indicates the trailing edge of RI only', () => {
    const { uart } = createUart();
    uart.setModem({ ri: true });
    expect(uart.readPort(MSR)).toBe(0xf0);
    uart.setModem({ ri: false });
    expect(uart.readPort(MSR)).toBe(0xb4);
  });

  it('a change raises the modem status interrupt', () => {
    const { uart, irq } = createUart();
    uart.writePort(IER, 0x08);
    uart.setModem({ dcd: false });
    expect(irq.level).toBe(1);
    uart.readPort(MSR);
    expect(irq.level).toBe(0);
  });
});

describe('16550 loopback', () => {
  it('transmitted data is received immediately and does not reach the line', () => {
    const { uart, sent } = createUart();
    uart.writePort(MCR, 0x10);
    uart.writePort(THR, 0x5a);
    expect([uart.readPort(RBR), sent]).toEqual([0x5a, []]);
  });

  it('the modem control outputs are connected to the modem inputs', () => {
    const { uart } = createUart();
    for (const [mcr, pins] of [
      [0x11, 0x20],
      [0x12, 0x10],
      [0x14, 0x40],
      [0x18, 0x80],
      [0x1a, 0x90],
    ] as const) {
      uart.writePort(MCR, mcr);
      expect(uart.readPort(MSR) & 0xf0).toBe(pins);
    }
  });

  it('the receiver is disconnected from the line: input waits', () => {
    const { uart, text } = createUart();
    uart.writePort(MCR, 0x1b);
    text('z');
    expect(uart.readPort(LSR) & 1).toBe(0);
    uart.writePort(MCR, 0x0b);
    expect(uart.readPort(RBR)).toBe(0x7a);
  });
});
