import { describe, expect, it } from 'vitest';
import { createI8042 } from '../../support/devices.ts';

const BYTE_TIME = 660_000;

describe('8042 status and data', () => {
  it('after reset both buffers are empty, the system flag is clear, the keyboard is not inhibited', () => {
    expect(createI8042().status()).toBe(0x10);
  });

  it('bit 3 tells whether the last byte was written to port 64h', () => {
    const { status, command, data } = createI8042();
    command(0xae);
    expect(status() & 0x08).toBe(0x08);
    data(0xf4);
    expect(status() & 0x08).toBe(0);
  });

  it('OBF is set with a byte for the system and reset by reading port 60h, which then keeps it', () => {
    const { i8042, status, command } = createI8042();
    command(0xaa);
    expect(status() & 1).toBe(1);
    expect([i8042.readPort(0), status() & 1, i8042.readPort(0)]).toEqual([0x55, 0, 0x55]);
  });

  it('an answer waits until the output buffer has been read', () => {
    const { keyboard, command, drain } = createI8042();
    keyboard.press('KeyA');
    command(0xaa);
    expect(drain()).toEqual([0x1e, 0x55]);
  });
});

describe('8042 commands', () => {
  it('20h and 60h read and write the command byte, 21h–3Fh and 61h–7Fh the rest of the RAM', () => {
    const { command, data, drain } = createI8042();
    command(0x60);
    data(0x47);
    command(0x7f);
    data(0x99);
    command(0x20);
    expect(drain()).toEqual([0x47]);
    command(0x3f);
    expect(drain()).toEqual([0x99]);
  });

  it('AAh: the self-test answers 55h and sets the system flag', () => {
    const { command, status, drain } = createI8042();
    command(0xaa);
    expect(drain()).toEqual([0x55]);
    expect(status() & 0x04).toBe(0x04);
  });

  it('A9h and ABh: the interfaces are in order', () => {
    const { command, drain } = createI8042();
    command(0xa9);
    expect(drain()).toEqual([0]);
    command(0xab);
    expect(drain()).toEqual([0]);
  });

  it('A4h: no password is installed', () => {
    const { command, drain } = createI8042();
    command(0xa4);
    expect(drain()).toEqual([0xf1]);
  });

  it('A7h/A8h and ADh/AEh set and clear the disable bits of the command byte', () => {
    const { command, drain } = createI8042();
    const byteAfter = (code: number) => {
      command(code);
      command(0x20);
      return drain()[0] & 0x30;
    };
    expect([0xa8, 0xad, 0xa7, 0xae].map(byteAfter)).toEqual([0x00, 0x10, 0x30, 0x20]);
  });

  it('ADh holds the keyboard back, AEh lets its bytes through', () => {
    const { keyboard, command, drain } = createI8042();
    command(0xad);
    keyboard.press('KeyA');
    expect(drain()).toEqual([]);
    command(0xae);
    expect(drain()).toEqual([0x1e]);
  });

  it('a byte for the keyboard enables its interface', () => {
    const { command, data, drain } = createI8042();
    command(0xad);
    data(0xee);
    expect(drain()).toEqual([0xee]);
  });

  it('C0h reads the input port: the keyboard is not locked', () => {
    const { command, drain } = createI8042();
    command(0xc0);
    expect(drain()).toEqual([0x80]);
  });

  it('D0h and D1h read and write the output port; bit 1 is A20', () => {
    const { command, data, drain, a20 } = createI8042();
    expect(a20.level).toBe(1);
    command(0xd1);
    data(0xcd);
    expect(a20.level).toBe(0);
    command(0xd0);
    expect(drain()).toEqual([0xcd]);
    command(0xd1);
    data(0xcf);
    expect(a20.level).toBe(1);
  });

  it('D1h with bit 0 zero resets the processor', () => {
    const { command, data, resets } = createI8042();
    command(0xd1);
    data(0xce);
    expect(resets()).toBe(1);
  });

  it('D2h puts a byte into the output buffer as if the keyboard had sent it', () => {
    const { command, data, drain, keyboardIrq } = createI8042();
    command(0xd2);
    data(0x1c);
    expect(keyboardIrq.level).toBe(1);
    expect(drain()).toEqual([0x1c]);
  });

  it('D3h puts a byte into the output buffer as if the auxiliary device had sent it', () => {
    const { i8042, command, data, status, auxIrq, keyboardIrq } = createI8042();
    command(0x60);
    data(0x43);
    command(0xd3);
    data(0xa5);
    expect([status() & 0x21, auxIrq.level, keyboardIrq.level]).toEqual([0x21, 1, 0]);
    expect(i8042.readPort(0)).toBe(0xa5);
    expect([status() & 0x21, auxIrq.level]).toEqual([0, 0]);
  });

  it('D4h: nothing hangs on the auxiliary port, the transmission times out', () => {
    const { i8042, command, data, status } = createI8042();
    command(0xd4);
    data(0xf2);
    expect(status() & 0x61).toBe(0x61);
    expect(i8042.readPort(0)).toBe(0xfe);
    expect(status() & 0x61).toBe(0);
  });

  it('E0h reads the test inputs', () => {
    const { command, drain } = createI8042();
    command(0xe0);
    expect(drain()).toEqual([0x01]);
  });

  it('F0h–FFh pulse the output port: an even one resets the processor', () => {
    const { command, resets } = createI8042();
    for (const code of [0xff, 0xf1, 0xfd]) command(code);
    expect(resets()).toBe(0);
    for (const code of [0xfe, 0xf0]) command(code);
    expect(resets()).toBe(2);
  });
});

describe('8042 interrupts', () => {
  it('IRQ 1 follows the output buffer while the command byte enables it', () => {
    const { i8042, keyboard, keyboardIrq, command, data } = createI8042();
    keyboard.press('KeyA');
    expect(keyboardIrq.level).toBe(1);
    i8042.readPort(0);
    expect(keyboardIrq.level).toBe(0);
    command(0x60);
    data(0x40);
    keyboard.release('KeyA');
    expect(keyboardIrq.level).toBe(0);
  });

  it('each byte raises IRQ 1 anew, a byte time after the one before was read', () => {
    const { i8042, keyboard, keyboardIrq, clock } = createI8042();
    keyboard.press('KeyA');
    keyboard.press('KeyB');
    clock.advance(BYTE_TIME);
    expect([i8042.readPort(0), i8042.readPort(0)]).toEqual([0x1e, 0x1e]);
    clock.advance(BYTE_TIME - 1);
    expect(keyboardIrq.level).toBe(0);
    clock.advance(1);
    expect([keyboardIrq.level, i8042.readPort(0)]).toEqual([1, 0x30]);
    expect(keyboardIrq.rising.length).toBe(2);
  });
});

describe('8042 translation', () => {
  it('turns scan code set 2 into set 1', () => {
    const { keyboard, drain } = createI8042();
    keyboard.press('KeyA');
    keyboard.release('KeyA');
    keyboard.press('ArrowUp');
    keyboard.release('ArrowUp');
    keyboard.press('F7');
    expect(drain()).toEqual([0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8, 0x41]);
  });

  it('applies to answers too: the keyboard’s identification is AB 41', () => {
    const { data, drain } = createI8042();
    data(0xf2);
    expect(drain()).toEqual([0xfa, 0xab, 0x41]);
  });

  it('is off when bit 6 of the command byte is zero', () => {
    const { keyboard, command, data, drain } = createI8042();
    command(0x60);
    data(0x01);
    keyboard.press('KeyA');
    keyboard.release('KeyA');
    expect(drain()).toEqual([0x1c, 0xf0, 0x1c]);
  });
});
