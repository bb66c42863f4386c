import { describe, expect, it } from 'vitest';
import { resetDevices } from '../../../src/bus/device.ts';
import { cascade, createDma, program } from '../../support/floppy.ts';

const counting = (length: number, first = 1) => Uint8Array.from({ length }, (_, index) => first + index);

function create() {
  const bench = createDma();
  cascade(bench.pair);
  return bench;
}
const readWord = (chip: { readPort(offset: number): number }, offset: number) =>
  chip.readPort(offset) | (chip.readPort(offset) << 8);

describe('8237A registers', () => {
  it('the flip-flop tells low byte from high; base and current are written together; clear makes it low', () => {
    const { lower } = createDma().pair;
    lower.writePort(4, 0x34);
    lower.writePort(0x0c, 0xff);
    lower.writePort(4, 0x78);
    lower.writePort(4, 0x56);
    expect(readWord(lower, 4)).toBe(0x5678);
    expect(lower.state.channels[2]).toMatchObject({ baseAddress: 0x5678, address: 0x5678, count: 0 });
  });

  it('master clear masks all channels and clears command, status, request, temporary register and flip-flop', () => {
    const { pair } = create();
    program(pair, 1, { address: 0, bytes: 1, mode: 0x44 });
    pair.channel(1).deliver(Uint8Array.of(1));
    pair.lower.writePort(8, 0x04);
    pair.lower.writePort(9, 0x06);
    pair.lower.writePort(2, 0x11);
    pair.lower.writePort(0x0d, 0);
    expect(pair.lower.state).toMatchObject({ mask: 15, command: 0, software: 0, terminalCounts: 0, flipFlop: 0 });
    expect(pair.lower.readPort(8)).toBe(0);
  });

  it('masks: a single bit, all of them, none; the mask can be read back', () => {
    const { lower } = createDma().pair;
    expect(lower.readPort(0x0f)).toBe(15);
    lower.writePort(0x0a, 2);
    expect(lower.readPort(0x0f)).toBe(0b1011);
    lower.writePort(0x0a, 6);
    lower.writePort(0x0f, 0xf5);
    expect(lower.readPort(0x0f)).toBe(5);
    lower.writePort(0x0e, 0);
    expect(lower.readPort(0x0f)).toBe(0);
  });

  it('status: TC bits until read, requests as long as they last', () => {
    const { pair } = create();
    program(pair, 3, { address: 0x100, bytes: 4, mode: 0x44 });
    pair.channel(3).request(1);
    pair.channel(3).deliver(counting(4));
    expect(pair.lower.readPort(8)).toBe(0x88);
    expect(pair.lower.readPort(8)).toBe(0x80);
    pair.channel(3).request(0);
    expect(pair.lower.readPort(8)).toBe(0);
  });

  it('RESET leaves the request lines to the devices', () => {
    const { pair } = create();
    pair.channel(2).request(1);
    resetDevices([pair.lower, pair.upper, pair.pages]);
    expect(pair.lower.state).toMatchObject({ mask: 15, dreq: 4 });
  });

  it('upper chip: each register takes two ports; page registers stand where a PC has them', () => {
    const { pair } = createDma();
    pair.upperPorts.writePort(0x1e, 0x05, 1);
    expect([pair.upperPorts.readPort(0x1e, 1), pair.upperPorts.readPort(0x1f, 1)]).toEqual([5, 5]);
    for (let offset = 0; offset < 16; offset++) pair.pages.writePort(offset, 0xa0 + offset);
    expect([0, 1, 2, 3, 5, 6, 7].map((channel) => pair.pages.page(channel) & 15)).toEqual([7, 3, 1, 2, 0xb, 9, 0xa]);
  });
});

describe('8237A transfers', () => {
  it('write: device to memory, as many as the count has; then TC, and the channel is masked', () => {
    const { pair, memory } = create();
    program(pair, 2, { address: 0x3_1234, bytes: 6, mode: 0x44 });
    const channel = pair.channel(2);
    expect(channel.deliver(counting(4))).toEqual({ moved: 4, terminalCount: false });
    expect(channel.deliver(counting(4, 5))).toEqual({ moved: 2, terminalCount: true });
    expect([...memory.bytes.subarray(0x3_1233, 0x3_123b)]).toEqual([0, 1, 2, 3, 4, 5, 6, 0]);
    expect([readWord(pair.lower, 4), readWord(pair.lower, 5)]).toEqual([0x123a, 0xffff]);
    expect(channel.granted).toBe(false);
    expect(channel.deliver(counting(1))).toEqual({ moved: 0, terminalCount: false });
  });

  it('read: memory to device', () => {
    const { pair, memory } = create();
    memory.bytes.set(counting(8), 0x500);
    program(pair, 1, { address: 0x500, bytes: 8, mode: 0x48 });
    const bytes = new Uint8Array(5);
    expect(pair.channel(1).fetch(bytes)).toEqual({ moved: 5, terminalCount: false });
    expect([...bytes]).toEqual([1, 2, 3, 4, 5]);
  });

  it('verify, and the illegal transfer type: address and count run, memory stays', () => {
    for (const mode of [0x40, 0x4c]) {
      const { pair, memory } = create();
      program(pair, 2, { address: 0x500, bytes: 3, mode });
      expect(pair.channel(2).deliver(counting(3))).toEqual({ moved: 3, terminalCount: true });
      expect(memory.bytes.every((byte) => byte === 0)).toBe(true);
    }
  });

  it('the wrong direction: the device gets ones, memory stays', () => {
    const { pair, memory } = create();
    memory.bytes.set([1, 2, 3], 0x500);
    program(pair, 2, { address: 0x500, bytes: 3, mode: 0x44 });
    const bytes = new Uint8Array(3);
    pair.channel(2).fetch(bytes);
    expect([...bytes]).toEqual([255, 255, 255]);
    program(pair, 2, { address: 0x500, bytes: 3, mode: 0x48 });
    pair.channel(2).deliver(Uint8Array.of(9, 9, 9));
    expect([...memory.bytes.subarray(0x500, 0x503)]).toEqual([1, 2, 3]);
  });

  it('autoinitialize: after TC the base values are back and the channel stays unmasked', () => {
    const { pair, memory } = create();
    program(pair, 1, { address: 0x600, bytes: 4, mode: 0x54 });
    const channel = pair.channel(1);
    expect(channel.deliver(counting(7))).toEqual({ moved: 4, terminalCount: true });
    expect(channel.deliver(counting(3, 5))).toEqual({ moved: 3, terminalCount: false });
    expect([...memory.bytes.subarray(0x600, 0x605)]).toEqual([5, 6, 7, 4, 0]);
  });

  it('the address wraps within its page, upwards and downwards', () => {
    const up = create();
    program(up.pair, 2, { address: 0x1_fffe, bytes: 4, mode: 0x44 });
    up.pair.channel(2).deliver(counting(4));
    expect([...up.memory.bytes.subarray(0x1_fffe, 0x2_0002), ...up.memory.bytes.subarray(0x1_0000, 0x1_0002)]).toEqual([
      1, 2, 0, 0, 3, 4,
    ]);
    const down = create();
    program(down.pair, 2, { address: 0x1_0001, bytes: 4, mode: 0x64 });
    down.pair.channel(2).deliver(counting(4));
    expect([
      ...down.memory.bytes.subarray(0x1_0000, 0x1_0002),
      ...down.memory.bytes.subarray(0x1_fffe, 0x2_0000),
    ]).toEqual([2, 1, 4, 3]);
    down.memory.bytes.set([10, 11, 12], 0x700);
    program(down.pair, 2, { address: 0x702, bytes: 3, mode: 0x68 });
    const bytes = new Uint8Array(3);
    down.pair.channel(2).fetch(bytes);
    expect([...bytes]).toEqual([12, 11, 10]);
  });

  it('channels 5–7 move words at even addresses within 128 KiB; an odd byte stays behind', () => {
    const { pair, memory } = create();
    const { upper, pages } = pair;
    for (const [offset, value] of [
      [0x0c, 0],
      [2, 0xff],
      [2, 0xff],
      [3, 1],
      [3, 0],
      [0x0b, 0x45],
      [0x0a, 1],
    ])
      upper.writePort(offset, value);
    pages.writePort(0xb, 0x05); // bit 0 is not wired
    expect(pair.channel(5).deliver(counting(5))).toEqual({ moved: 4, terminalCount: true });
    expect([...memory.bytes.subarray(0x5_fffe, 0x6_0000), ...memory.bytes.subarray(0x4_0000, 0x4_0002)]).toEqual([
      1, 2, 3, 4,
    ]);
    // Downwards the bytes of a word keep their order.
    upper.writePort(0x0b, 0x65);
    upper.writePort(0x0a, 1);
    for (const value of [0x10, 0x00]) upper.writePort(2, value);
    for (const value of [1, 0]) upper.writePort(3, value);
    pair.channel(5).deliver(Uint8Array.of(1, 2, 3, 4));
    expect([...memory.bytes.subarray(0x4_001e, 0x4_0022)]).toEqual([3, 4, 1, 2]);
  });

  it('outside memory reads give ones and writes are lost', () => {
    const { pair, memory } = create();
    program(pair, 2, { address: 0xff_fff0, bytes: 32, mode: 0x44 });
    pair.channel(2).deliver(counting(32));
    expect(memory.lost).toBe(32);
    program(pair, 2, { address: 0x10_0000, bytes: 2, mode: 0x48 });
    const bytes = new Uint8Array(2);
    pair.channel(2).fetch(bytes);
    expect([...bytes]).toEqual([255, 255]);
  });

  it('the lower chip gets the bus through channel 4: in cascade mode and unmasked, neither chip disabled', () => {
    const { pair } = createDma();
    program(pair, 2, { address: 0, bytes: 8, mode: 0x44 });
    const channel = pair.channel(2);
    expect(channel.granted).toBe(false);
    cascade(pair);
    expect(channel.granted).toBe(true);
    for (const [chip, off, on] of [
      [pair.upper, [0x0a, 4], [0x0a, 0]],
      [pair.upper, [0x0b, 0x40], [0x0b, 0xc0]],
      [pair.upper, [8, 4], [8, 0]],
      [pair.lower, [8, 4], [8, 0]],
      [pair.lower, [0x0b, 0xc2], [0x0b, 0x46]],
    ] as const) {
      chip.writePort(off[0], off[1]);
      expect(channel.granted).toBe(false);
      expect(channel.deliver(counting(1)).moved).toBe(0);
      chip.writePort(on[0], on[1]);
      expect(channel.granted).toBe(true);
    }
  });
});

describe('8237A requests by software', () => {
  it('are served in block mode, masked or not, and end at TC: nobody drives the data bus', () => {
    const { pair, memory } = create();
    program(pair, 3, { address: 0x800, bytes: 4, mode: 0x84 });
    pair.lower.writePort(0x0a, 7);
    pair.lower.writePort(9, 7);
    expect([...memory.bytes.subarray(0x7ff, 0x805)]).toEqual([0, 255, 255, 255, 255, 0]);
    expect(pair.lower.readPort(8)).toBe(0x08);
  });

  it('stay pending in other modes, and show in the status', () => {
    const { pair } = create();
    program(pair, 3, { address: 0x800, bytes: 4, mode: 0x44 });
    pair.lower.writePort(9, 7);
    expect(pair.lower.readPort(8)).toBe(0x80);
    pair.lower.writePort(9, 3);
    expect(pair.lower.readPort(8)).toBe(0);
  });

  it('memory to memory: from channel 0 to channel 1, through the temporary register', () => {
    const { pair, memory } = create();
    memory.bytes.set(counting(5), 0x900);
    program(pair, 0, { address: 0x900, bytes: 5, mode: 0x88 });
    program(pair, 1, { address: 0xa00, bytes: 5, mode: 0x84 });
    pair.lower.writePort(8, 1);
    pair.lower.writePort(9, 4);
    expect([...memory.bytes.subarray(0xa00, 0xa06)]).toEqual([1, 2, 3, 4, 5, 0]);
    expect(pair.lower.readPort(0x0d)).toBe(5);
    expect(pair.lower.readPort(8)).toBe(0x02);
    // With the address held, memory is filled.
    program(pair, 0, { address: 0x901, bytes: 1, mode: 0x88 });
    program(pair, 1, { address: 0xa00, bytes: 3, mode: 0x84 });
    pair.lower.writePort(8, 3);
    pair.lower.writePort(9, 4);
    expect([...memory.bytes.subarray(0xa00, 0xa04)]).toEqual([2, 2, 2, 4]);
  });
});
