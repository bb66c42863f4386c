/** A fw_cfg device on a bench, and what a hostile guest does to it. */
import { expect } from 'vitest';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import { FwCfg, type FwCfgFile } from '../../src/devices/fw-cfg.ts';
import { Random } from '../../src/difftest/random.ts';
import { BenchMemory } from './floppy.ts';

export const KEY = { SIGNATURE: 0, ID: 1, MENU: 0x0e, DIRECTORY: 0x19, FIRST: 0x20 };
export const CONTROL = { ERROR: 1, READ: 2, SKIP: 4, SELECT: 8, WRITE: 16 };
export const REQUEST = 0x100;
export const BUFFER = 0x1000;
export const LONG_ENOUGH = 1e9;

export const bytesOf = (text: string) => new TextEncoder().encode(text);
export const FILES: readonly FwCfgFile[] = [
  { name: 'bootorder', bytes: bytesOf('/first\0') },
  { name: 'etc/large', bytes: Uint8Array.from({ length: 200_000 }, (_, index) => index % 251) },
];

export function createFwCfg({ files = FILES, memorySize = 0x10_0000 } = {}) {
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

/** Random accesses: none throws, memory is written only where it is, and all ends. */
export function fuzzFwCfg(steps: number): void {
  const size = 0x4_0000;
  const { device, clock, memory, dma } = createFwCfg({ memorySize: size });
  const random = new Random(17);
  let transfers = 0;
  for (let step = 0; step < steps; step++) {
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
    else if (device.readPort(offset, width) >= 2 ** (8 * width)) throw new Error('wider than asked for');
    clock.advance(random.below(20_000));
    if (device.state.transfer) transfers++;
  }
  expect(transfers).toBeGreaterThan(100);
  expect(memory.lost).toBe(0);
  clock.advance(LONG_ENOUGH);
  expect(device.state.transfer).toBeUndefined();
}
