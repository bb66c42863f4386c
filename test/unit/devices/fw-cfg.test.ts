import { describe, expect, it } from 'vitest';
import {
  BUFFER,
  bytesOf,
  CONTROL,
  createFwCfg as create,
  FILES,
  fuzzFwCfg,
  KEY,
  LONG_ENOUGH,
} from '../../support/fw-cfg.ts';

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

it('random accesses never throw, write only where memory is, and end', () => fuzzFwCfg(30_000));
