import { describe, expect, it } from 'vitest';
import { resetDevices } from '../../../src/bus/device.ts';
import { PortBus } from '../../../src/bus/port-bus.ts';
import { bochsConsole, DebugExit, PostCode, seabiosConsole } from '../../../src/devices/debug-ports.ts';
import { Port92 } from '../../../src/devices/port92.ts';
import { createPort61, RecordingLine } from '../../support/devices.ts';

describe('port 61h (system control port B)', () => {
  it('bits 0–3 are read as written, the others are status', () => {
    const { port61 } = createPort61();
    port61.writePort(0, 0xff);
    expect(port61.readPort() & 0x0f).toBe(0x0f);
    expect(port61.readPort() & 0xc0).toBe(0);
  });

  it('bit 0 is the gate of counter 2', () => {
    const { port61, pit, at } = createPort61();
    pit.writePort(3, 0xb0);
    pit.writePort(2, 100);
    pit.writePort(2, 0);
    at(50);
    expect(pit.state.counters[2].gate).toBe(0);
    expect(port61.readPort() & 0x20).toBe(0);
    port61.writePort(0, 1);
    at(149);
    expect(port61.readPort() & 0x20).toBe(0);
    at(150);
    expect(port61.readPort() & 0x20).toBe(0x20);
  });

  it('bit 4 toggles with each refresh request, every 18 CLK pulses of the timer', () => {
    const { port61, at } = createPort61();
    const levels = [0, 17, 18, 35, 36, 54].map((tick) => {
      at(tick);
      return (port61.readPort() >> 4) & 1;
    });
    expect(levels).toEqual([0, 0, 1, 1, 0, 1]);
  });

  it('bit 1 lets OUT2 through to the speaker', () => {
    const { port61, pit, at } = createPort61();
    pit.writePort(3, 0x96);
    pit.writePort(2, 4);
    port61.writePort(0, 0x01);
    at(2);
    expect([pit.out(2), port61.speaker]).toEqual([1, 0]);
    port61.writePort(0, 0x03);
    expect(port61.speaker).toBe(1);
    at(3);
    expect(port61.speaker).toBe(0);
  });

  it('reset closes the gate', () => {
    const { port61, pit } = createPort61();
    port61.writePort(0, 0x03);
    resetDevices([port61]);
    expect([port61.readPort() & 0x0f, pit.state.counters[2].gate]).toEqual([0, 0]);
  });
});

describe('port 92h (system control port A)', () => {
  function createPort92() {
    const a20 = new RecordingLine();
    let inits = 0;
    return { port92: new Port92({ a20, init: () => void inits++ }), a20, inits: () => inits };
  }

  it('bit 1 is A20', () => {
    const { port92, a20 } = createPort92();
    port92.writePort(0, 0x02);
    expect([a20.level, port92.readPort()]).toEqual([1, 0x02]);
    port92.writePort(0, 0x00);
    expect(a20.level).toBe(0);
  });

  it('a zero-to-one transition of bit 0 resets the processor', () => {
    const { port92, inits } = createPort92();
    port92.writePort(0, 0x01);
    port92.writePort(0, 0x01);
    expect(inits()).toBe(1);
    port92.writePort(0, 0x00);
    port92.writePort(0, 0x01);
    expect(inits()).toBe(2);
  });
});

describe('debug ports', () => {
  it('E9h and 402h pass bytes on and read as E9h', () => {
    const ports = new PortBus();
    const text: number[] = [];
    const log: number[] = [];
    ports.attach(
      [0xe9, 1],
      bochsConsole((byte) => text.push(byte)),
    );
    ports.attach(
      [0x402, 1],
      seabiosConsole((byte) => log.push(byte)),
    );
    ports.write(0xe9, 0x41, 1);
    ports.write(0x402, 0x42, 1);
    expect([text, log, ports.read(0xe9, 1), ports.read(0x402, 1)]).toEqual([[0x41], [0x42], 0xe9, 0xe9]);
  });

  it('isa-debug-exit: the status is the value times two plus one, at any width', () => {
    const ports = new PortBus();
    const statuses: number[] = [];
    ports.attach([0xf4, 4], new DebugExit({ exit: (status) => statuses.push(status) }));
    ports.write(0xf4, 0, 1);
    ports.write(0xf4, 0x10, 1);
    ports.write(0xf4, 0x1234, 2);
    ports.write(0xf4, 0xffff_ffff, 4);
    expect(statuses).toEqual([1, 0x21, 0x2469, 0xffff_ffff]);
  });

  it('POST code: the last value is kept', () => {
    const post = new PostCode();
    post.writePort(0, 0x12);
    post.writePort(0, 0x34);
    expect([post.readPort(), post.state.code]).toEqual([0x34, 0x34]);
  });
});
