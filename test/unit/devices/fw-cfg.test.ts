import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/base/virtual-clock.ts';
import { FwCfg, type FwCfgFile } from '../../../src/devices/fw-cfg.ts';
import { Random } from '../../../src/difftest/random.ts';
import { BenchMemory } from '../../support/floppy.ts';

const KEY = { SIGNATURE: 0, ID: 1, MENU: 0x0e, DIRECTORY: 0x19, FIRST: 0x20 };
const CONTROL = { ERROR: 1, READ: 2, SKIP: 4, SELECT: 8, WRITE: 16 };
const REQUEST = 0x100;
const BUFFER = 0x1000;
const LONG_ENOUGH = 1e9;

const bytesOf = (text: string) => new TextEncoder().encode(text);
const FILES: readonly FwCfgFile[] = [
  { name: 'bootorder', bytes: bytesOf('/first\0') },
  { name: 'etc/large', bytes: Uint8Array.from({ length: 200_000 }, (_, index) => index % 251) },
];

function create({ files = FILES, memorySize = 0x10_0000 } = {}) {
  const clock = new VirtualClock();
  const memory = new BenchMemory(memorySize);
  const items = new Map([[KEY.MENU, Uint8Array.of(7, 9)]]);
  const device = new FwCfg({ clock, memory, items, files });
  const select = (key: number) => device.writePort(0, key, 2);
  const read = (count: number) => Uint8Array.from({ length: count }, () => device.readPort(1, 1));
  const view = new DataView(memory.bytes.buffer);
  const dma = (control: number, { length = 0, address = BUFFER, high = 0, at = REQUEST } = {}) => {
    view.setUint32(at, control);
    view.setUint32(at + 4, length);
    view.setUint32(at + 8, high);
    view.setUint32(at + 12, address);
    ask(at);
  };
  const big = new DataView(new ArrayBuffer(4));
  /** What a little-endian processor stores so that the device sees `address`. */
  const ask = (address: number) => {
    big.setUint32(0, address);
    device.writePort(8, big.getUint32(0, true), 4);
  };
  const control = () => view.getUint32(REQUEST);
  return { device, clock, memory, view, select, read, dma, ask, control };
}

describe('selector and data port', () => {
  it('item 0 is the signature, item 1 the features: traditional interface and DMA', () => {
    const { select, read } = create();
    expect(new TextDecoder().decode(read(4))).toBe('QEMU');
    select(KEY.ID);
    expect([...read(4)]).toEqual([3, 0, 0, 0]);
  });

  it('each read takes the next byte, behind the end and of absent items zero; selecting starts anew', () => {
    const { select, read } = create();
    select(KEY.MENU);
    expect([...read(4)]).toEqual([7, 9, 0, 0]);
    select(KEY.MENU);
    expect([...read(1)]).toEqual([7]);
    select(0x777);
    expect([...read(2)]).toEqual([0, 0]);
  });

  it('bit 14 of the selector asks to write, which nothing can be', () => {
    const { device, select, read } = create();
    select(0x4000 | KEY.MENU);
    device.writePort(1, 0x55, 1);
    expect([...read(2)]).toEqual([7, 9]);
  });

  it('only a word selects, and only bytes are data', () => {
    const { device, read } = create();
    device.writePort(0, KEY.MENU, 1);
    expect([device.readPort(0, 2), device.readPort(0, 4), device.readPort(2, 1)]).toEqual([0, 0, 0]);
    expect(new TextDecoder().decode(read(4))).toBe('QEMU');
  });

  it('the directory lists size, number and name of each file, big-endian', () => {
    const { select, read } = create();
    select(KEY.DIRECTORY);
    const bytes = read(4 + 2 * 64);
    const view = new DataView(bytes.buffer);
    expect(view.getUint32(0)).toBe(2);
    const entries = FILES.map((_, index) => {
      const at = 4 + 64 * index;
      const name = new TextDecoder().decode(bytes.subarray(at + 8, at + 64)).replace(/\0+$/, '');
      return [view.getUint32(at), view.getUint16(at + 4), view.getUint16(at + 6), name];
    });
    expect(entries).toEqual([
      [7, KEY.FIRST, 0, 'bootorder'],
      [200_000, KEY.FIRST + 1, 0, 'etc/large'],
    ]);
  });

  it('a name of 56 characters, or with other than ASCII in it, is refused', () => {
    const named = (name: string) => () => create({ files: [{ name, bytes: new Uint8Array() }] });
    expect(named('x'.repeat(55))).not.toThrow();
    expect(named('x'.repeat(56))).toThrow(RangeError);
    expect(named('ä')).toThrow(RangeError);
  });
});

describe('DMA interface', () => {
  it('its registers read "QEMU CFG"', () => {
    const { device } = create();
    const bytes = Array.from({ length: 8 }, (_, index) => device.readPort(4 + index, 1));
    expect(String.fromCharCode(...bytes)).toBe('QEMU CFG');
    expect(device.readPort(4, 4)).toBe(0x554d4551);
  });

  it('selects and reads; the control word becomes 0 when that is done, and not before', () => {
    const { clock, memory, dma, control } = create();
    const asked = (KEY.FIRST << 16) | CONTROL.SELECT | CONTROL.READ;
    dma(asked, { length: 9 });
    expect(control()).toBe(asked);
    clock.advance(LONG_ENOUGH);
    expect(control()).toBe(0);
    expect([...memory.bytes.subarray(BUFFER, BUFFER + 9)]).toEqual([...FILES[0].bytes, 0, 0]);
  });

  it('goes on where the data port stopped, and the other way round; skipping moves nothing', () => {
    const { clock, memory, select, read, dma } = create();
    select(KEY.FIRST);
    expect([...read(1)]).toEqual([...bytesOf('/')]);
    dma(CONTROL.READ, { length: 2 });
    clock.advance(LONG_ENOUGH);
    expect(new TextDecoder().decode(memory.bytes.subarray(BUFFER, BUFFER + 3))).toBe('fi\0');
    dma(CONTROL.SKIP, { length: 2, address: 0xffff_0000 });
    clock.advance(LONG_ENOUGH);
    expect(new TextDecoder().decode(read(2))).toBe('t\0');
  });

  it('writing is an error, and so are addresses where nothing answers', () => {
    const { clock, memory, dma, control } = create();
    for (const [bits, place] of [
      [CONTROL.WRITE, {}],
      [CONTROL.READ, { address: 0x0fff_ff00 }],
      [CONTROL.READ, { high: 1 }],
      [CONTROL.READ, { address: 0x10_0000 - 4 }],
    ] as const) {
      dma(bits, { length: 8, ...place });
      clock.advance(LONG_ENOUGH);
      expect(control()).toBe(CONTROL.ERROR);
    }
    expect(memory.lost).toBe(0);
  });

  it('a request that cannot be read itself does nothing', () => {
    const { clock, device, memory, ask, dma, control } = create();
    ask(0x10_0000 - 8);
    clock.advance(LONG_ENOUGH);
    device.writePort(4, 1, 4);
    dma(CONTROL.READ, { length: 4 });
    clock.advance(LONG_ENOUGH);
    expect(control()).toBe(CONTROL.READ);
    expect(memory.lost).toBe(0);
    dma(CONTROL.READ, { length: 4 });
    clock.advance(LONG_ENOUGH);
    expect(control()).toBe(0); // the upper half counts once
  });

  it('a long transfer takes guest time, piece by piece; meanwhile other requests are lost', () => {
    const { clock, memory, dma, ask, control, view } = create();
    dma(((KEY.FIRST + 1) << 16) | CONTROL.SELECT | CONTROL.READ, { length: 300_000 });
    clock.advance(1000);
    expect(memory.bytes[BUFFER + 1]).toBe(1);
    expect(memory.bytes[BUFFER + 0x1_0000]).toBe(0);
    view.setUint32(0x200, CONTROL.WRITE);
    ask(0x200);
    clock.advance(LONG_ENOUGH);
    expect(control()).toBe(0);
    expect(view.getUint32(0x200)).toBe(CONTROL.WRITE);
    expect(Buffer.compare(memory.bytes.subarray(BUFFER, BUFFER + 200_000), FILES[1].bytes)).toBe(0);
    expect(memory.bytes.subarray(BUFFER + 200_000, BUFFER + 300_000).every((byte) => byte === 0)).toBe(true);
  });

  it('a reset ends it: nothing is written any more, and the signature is selected', () => {
    const { device, clock, memory, dma, read } = create();
    dma(((KEY.FIRST + 1) << 16) | CONTROL.SELECT | CONTROL.READ, { length: 200_000 });
    clock.advance(1000);
    device.reset();
    device.resume();
    clock.advance(LONG_ENOUGH);
    expect(memory.bytes[BUFFER + 0x1_0000]).toBe(0);
    expect(new TextDecoder().decode(read(4))).toBe('QEMU');
  });
});

it('random accesses never throw, write only where memory is, and end', () => {
  const size = 0x4_0000;
  const { device, clock, memory, dma } = create({ memorySize: size });
  const random = new Random(17);
  let transfers = 0;
  for (let step = 0; step < 30_000; step++) {
    if (random.oneIn(4)) {
      const key = random.oneIn(2) ? KEY.FIRST + random.below(3) : random.below(0x1_0000);
      const length = random.oneIn(8) ? 0xffff_ffff : random.below(0x2_0000);
      const high = random.oneIn(16) ? random.below(4) : 0;
      dma((key << 16) | random.below(32), {
        length,
        address: random.below(size + 0x2000),
        high,
        at: 16 * random.below(64),
      });
    }
    const width = ([1, 2, 4] as const)[random.below(3)];
    const offset = random.below(12 / width) * width;
    if (random.oneIn(2)) device.writePort(offset, random.below(0x1_0000) * random.below(0x1_0000), width);
    else if (device.readPort(offset, width) >= 2 ** (8 * width)) expect.fail('wider than asked for');
    clock.advance(random.below(20_000));
    if (device.state.transfer) transfers++;
  }
  expect(transfers).toBeGreaterThan(100);
  expect(memory.lost).toBe(0);
  clock.advance(LONG_ENOUGH);
  expect(device.state.transfer).toBeUndefined();
});
