import { describe, expect, it } from 'vitest';
import { Ps2Keyboard } from '../../../src/devices/ps2-keyboard.ts';
import { KEYS, set2Code, set3Code, translate } from '../../../src/devices/scan-codes.ts';

function createKeyboard() {
  const keyboard = new Ps2Keyboard();
  const drain = () => {
    const bytes: number[] = [];
    while (keyboard.hasData) bytes.push(keyboard.take());
    return bytes;
  };
  const send = (...bytes: number[]) =>
    bytes.flatMap((byte) => {
      keyboard.receive(byte);
      return drain();
    });
  const stroke = (key: string) => {
    keyboard.press(key);
    keyboard.release(key);
    return drain();
  };
  return { keyboard, drain, send, stroke };
}

describe('PS/2 keyboard commands', () => {
  it('EDh sets the lights', () => {
    const { keyboard, send } = createKeyboard();
    expect(send(0xed, 0x05)).toEqual([0xfa, 0xfa]);
    expect(keyboard.leds).toEqual({ scrollLock: true, numLock: false, capsLock: true });
  });

  it('a command in place of the parameter ends EDh', () => {
    const { keyboard, send } = createKeyboard();
    expect(send(0xed, 0xf4, 0x07)).toEqual([0xfa, 0xfa, 0xfe]);
    expect(keyboard.state.leds).toBe(0);
  });

  it('EEh is echoed', () => {
    expect(createKeyboard().send(0xee)).toEqual([0xee]);
  });

  it('F0h selects and reads the scan code set', () => {
    const { send, stroke } = createKeyboard();
    expect(send(0xf0, 0)).toEqual([0xfa, 0xfa, 2]);
    expect(send(0xf0, 1)).toEqual([0xfa, 0xfa]);
    expect(send(0xf0, 0)).toEqual([0xfa, 0xfa, 1]);
    expect(stroke('KeyA')).toEqual([0x1e, 0x9e]);
    expect(send(0xf0, 4)).toEqual([0xfa, 0xfe]);
  });

  it('F2h reads the identification AB 83', () => {
    expect(createKeyboard().send(0xf2)).toEqual([0xfa, 0xab, 0x83]);
  });

  it('F3h sets the typematic rate and delay', () => {
    const { keyboard, send } = createKeyboard();
    expect(send(0xf3, 0x20)).toEqual([0xfa, 0xfa]);
    expect(keyboard.state.typematic).toBe(0x20);
  });

  it('F5h stops scanning, F4h starts it', () => {
    const { send, stroke } = createKeyboard();
    send(0xf5);
    expect(stroke('KeyA')).toEqual([]);
    send(0xf4);
    expect(stroke('KeyA')).toEqual([0x1c, 0xf0, 0x1c]);
  });

  it('F6h restores the defaults and goes on scanning', () => {
    const { keyboard, send, stroke } = createKeyboard();
    send(0xf3, 0x00, 0xed, 0x07, 0xf6);
    expect([keyboard.state.typematic, keyboard.state.leds]).toEqual([0x2b, 7]);
    expect(stroke('KeyA').length).toBe(3);
  });

  it('FEh repeats the last byte', () => {
    const { send, stroke } = createKeyboard();
    stroke('KeyB');
    expect(send(0xfe, 0xfe)).toEqual([0x32, 0x32]);
  });

  it('FFh resets: acknowledge, then AAh', () => {
    const { keyboard, send } = createKeyboard();
    send(0xf0, 3, 0xed, 7, 0xf5);
    expect(send(0xff)).toEqual([0xfa, 0xaa]);
    expect(keyboard.state).toMatchObject({ set: 2, leds: 0, scanning: true });
  });

  it('an unknown command is answered with FEh', () => {
    expect(createKeyboard().send(0xef, 0x12)).toEqual([0xfe, 0xfe]);
  });

  it('answers go before scan codes', () => {
    const { keyboard, drain } = createKeyboard();
    keyboard.press('KeyA');
    keyboard.receive(0xee);
    expect(drain()).toEqual([0xee, 0x1c]);
  });

  it('commands that are not read do not pile up', () => {
    const { keyboard } = createKeyboard();
    for (let count = 0; count < 10_000; count++) keyboard.receive(0xf2);
    expect(keyboard.state.responses.length).toBeLessThan(4);
  });
});

describe('PS/2 keyboard scan codes', () => {
  it('set 2: a break code is F0h and the make code; extended keys have the prefix E0h', () => {
    const { stroke } = createKeyboard();
    expect(stroke('Enter')).toEqual([0x5a, 0xf0, 0x5a]);
    expect(stroke('NumpadEnter')).toEqual([0xe0, 0x5a, 0xe0, 0xf0, 0x5a]);
    expect(stroke('F7')).toEqual([0x83, 0xf0, 0x83]);
  });

  it('set 1: a break code is the make code with bit 7', () => {
    const { send, stroke } = createKeyboard();
    send(0xf0, 1);
    expect(stroke('Enter')).toEqual([0x1c, 0x9c]);
    expect(stroke('ControlRight')).toEqual([0xe0, 0x1d, 0xe0, 0x9d]);
    expect(stroke('F12')).toEqual([0x58, 0xd8]);
  });

  it('set 3: one byte a key; by default only the modifiers send break codes, after FAh all keys', () => {
    const { send, stroke } = createKeyboard();
    send(0xf0, 3);
    expect([stroke('KeyA'), stroke('ArrowUp'), stroke('ShiftLeft')]).toEqual([[0x1c], [0x63], [0x12, 0xf0, 0x12]]);
    send(0xfa);
    expect(stroke('ArrowUp')).toEqual([0x63, 0xf0, 0x63]);
    send(0xf9);
    expect(stroke('ShiftLeft')).toEqual([0x12]);
  });

  it('PrintScreen: a sequence of its own, SysRq with Alt', () => {
    const { keyboard, drain, stroke } = createKeyboard();
    expect(stroke('PrintScreen')).toEqual([0xe0, 0x12, 0xe0, 0x7c, 0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12]);
    keyboard.press('AltLeft');
    drain();
    expect(stroke('PrintScreen')).toEqual([0x84, 0xf0, 0x84]);
    keyboard.release('AltLeft');
    keyboard.press('ShiftLeft');
    drain();
    expect(stroke('PrintScreen')).toEqual([0xe0, 0x7c, 0xe0, 0xf0, 0x7c]);
  });

  it('Pause sends everything when it goes down; with Ctrl it is Break', () => {
    const { keyboard, drain, stroke, send } = createKeyboard();
    expect(stroke('Pause')).toEqual([0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77]);
    keyboard.press('ControlLeft');
    drain();
    expect(stroke('Pause')).toEqual([0xe0, 0x7e, 0xe0, 0xf0, 0x7e]);
    keyboard.release('ControlLeft');
    drain();
    send(0xf0, 1);
    expect(stroke('Pause')).toEqual([0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5]);
  });

  it('a key pressed again without a release is a typematic repeat', () => {
    const { keyboard, drain } = createKeyboard();
    for (let count = 0; count < 3; count++) keyboard.press('KeyX');
    expect(drain()).toEqual([0x22, 0x22, 0x22]);
  });

  it.each([
    [2, [0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77], [0xe0, 0x7e, 0xe0, 0xf0, 0x7e]],
    [1, [0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5], [0xe0, 0x46, 0xe0, 0xc6]],
    [3, [0x62], [0x62]],
  ] as const)('C7: held down, Pause and Break send nothing more, in set %i', (set, pause, breaks) => {
    const { keyboard, drain, send } = createKeyboard();
    send(0xf0, set);
    drain();
    for (let count = 0; count < 3; count++) expect(keyboard.press('Pause')).toBe(true);
    keyboard.press('ControlLeft');
    keyboard.press('Pause');
    expect(drain().slice(0, pause.length)).toEqual(pause);
    keyboard.release('Pause');
    drain();
    for (let count = 0; count < 3; count++) keyboard.press('Pause');
    expect(drain()).toEqual(breaks);
    keyboard.release('Pause');
    keyboard.release('ControlLeft');
    drain();
    keyboard.press('Pause');
    expect(drain()).toEqual(pause);
    // All others repeat, also the lock keys and the modifiers.
    for (const key of ['CapsLock', 'ScrollLock', 'ControlRight', 'PrintScreen']) {
      keyboard.press(key);
      const once = drain();
      keyboard.press(key);
      expect(drain()).toEqual(once);
      keyboard.release(key);
      drain();
    }
  });

  it('a key that the keyboard does not have is refused', () => {
    const { keyboard } = createKeyboard();
    for (const key of ['Fn', 'toString', '']) {
      expect([keyboard.press(key), keyboard.release(key), keyboard.hasData]).toEqual([false, false, false]);
    }
  });

  it('no two keys share a code, in any set, make or break', () => {
    const one = (code: number) => (code & 0xff00) | translate(code & 0xff, { afterBreak: false });
    for (const codes of [KEYS.map((key) => set2Code(key)!), KEYS.map((key) => one(set2Code(key)!))]) {
      expect(new Set(codes).size).toBe(KEYS.length);
    }
    const set3 = KEYS.map(set3Code).filter((code) => code !== undefined);
    expect(new Set(set3).size).toBe(set3.length);
    expect([KEYS.length, set3.length]).toEqual([130, 109]);
  });

  it.each([
    ['Escape', 0x01],
    ['Digit1', 0x02],
    ['Equal', 0x0d],
    ['Backspace', 0x0e],
    ['Tab', 0x0f],
    ['KeyQ', 0x10],
    ['BracketRight', 0x1b],
    ['ControlLeft', 0x1d],
    ['KeyL', 0x26],
    ['Backquote', 0x29],
    ['ShiftLeft', 0x2a],
    ['Backslash', 0x2b],
    ['KeyM', 0x32],
    ['Slash', 0x35],
    ['ShiftRight', 0x36],
    ['NumpadMultiply', 0x37],
    ['AltLeft', 0x38],
    ['Space', 0x39],
    ['CapsLock', 0x3a],
    ['F1', 0x3b],
    ['F10', 0x44],
    ['NumLock', 0x45],
    ['ScrollLock', 0x46],
    ['Numpad7', 0x47],
    ['NumpadSubtract', 0x4a],
    ['NumpadAdd', 0x4e],
    ['NumpadDecimal', 0x53],
    ['IntlBackslash', 0x56],
    ['F11', 0x57],
  ])('%s is %i in set 1, as on the first PC keyboards', (key, code) => {
    const { send, stroke } = createKeyboard();
    send(0xf0, 1);
    expect(stroke(key)).toEqual([code, code | 0x80]);
  });
});

describe('PS/2 keyboard buffer', () => {
  it('holds 16 bytes; the overrun code follows when a stroke does not fit', () => {
    const { keyboard, drain } = createKeyboard();
    for (let count = 0; count < 20; count++) keyboard.press('KeyA');
    expect(drain()).toEqual([...Array.from({ length: 16 }, () => 0x1c), 0x00]);
    keyboard.press('KeyB');
    expect(drain()).toEqual([0x32]);
  });

  it('the overrun code of set 1 is FFh', () => {
    const { keyboard, drain, send } = createKeyboard();
    send(0xf0, 1);
    for (let count = 0; count < 20; count++) keyboard.press('KeyA');
    expect(drain().at(-1)).toBe(0xff);
  });
});
