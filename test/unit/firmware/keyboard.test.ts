/** From the keys of the keyboard to INT 16h. */
import { describe, expect, it } from 'vitest';
import { BDA } from '../../../src/firmware/bios-data.ts';
import { bootImage, createBiosMachine } from '../../support/bios-machine.ts';

const MILLISECOND = 1_000_000;

/** A program that shows each key as INT 16h, AH=`read` gives it; keys are typed while it waits. */
function createTypist(read = 0x10, { setUp = '', engine = 'interpreter' as 'interpreter' | 'jit' | 'reference' } = {}) {
  const machine = createBiosMachine({
    engine,
    floppy: bootImage(`${setUp}
      again: mov ah, ${read}
      int 0x16
      call show
      jmp again`),
  });
  const { pc } = machine;
  const wait = (ms = 20) => {
    const end = pc.time + ms * MILLISECOND;
    while (pc.time < end) {
      const { reason } = pc.run({ instructions: 200_000, time: end });
      if (!['time', 'budget'].includes(reason)) return reason;
      if (reason === 'time') return 'time';
    }
    return 'time';
  };
  wait();
  const press = (...keys: string[]) => {
    for (const key of keys) {
      pc.keyboard.press(key);
      wait(5);
    }
  };
  const release = (...keys: string[]) => {
    for (const key of keys) {
      pc.keyboard.release(key);
      wait(5);
    }
  };
  const strike = (...keys: string[]) => {
    press(...keys);
    release(...keys.toReversed());
  };
  const flags = (offset: number) => pc.memory.read(0x400 + offset, 1);
  return { ...machine, press, release, strike, wait, flags };
}

describe.each(['interpreter', 'jit', 'reference'] as const)('INT 16h, AH=10h on the %s', (engine) => {
  it('waits for a key, with interrupts on', () => {
    const { strike, output, pc } = createTypist(0x10, { engine });
    expect(pc.halted).toBe(true);
    strike('KeyA');
    strike('Enter');
    strike('F12');
    expect(output()).toBe('1e61 1c0d 8600');
  });
});

describe('keys with shift keys', () => {
  it.each<[string, string[][], string]>([
    ['letters', [['KeyQ'], ['ShiftLeft', 'KeyQ'], ['ControlLeft', 'KeyQ'], ['AltLeft', 'KeyQ']], '1071 1051 1011 1000'],
    [
      'digits',
      [['Digit2'], ['ShiftRight', 'Digit2'], ['ControlLeft', 'Digit2'], ['AltLeft', 'Digit2']],
      '0332 0340 0300 7900',
    ],
    ['signs', [['Slash'], ['ShiftLeft', 'Slash'], ['ControlLeft', 'Slash'], ['Backslash']], '352f 353f 2b5c'],
    [
      'function keys',
      [['F1'], ['ShiftLeft', 'F1'], ['ControlLeft', 'F1'], ['AltLeft', 'F1'], ['F11'], ['AltLeft', 'F12']],
      '3b00 5400 5e00 6800 8500 8c00',
    ],
    [
      'Esc, Backspace, Tab',
      [['Escape'], ['Backspace'], ['ControlLeft', 'Backspace'], ['Tab'], ['ShiftLeft', 'Tab']],
      '011b 0e08 0e7f 0f09 0f00',
    ],
    ['grey keys', [['ArrowUp'], ['ControlLeft', 'Home'], ['AltLeft', 'Delete'], ['Insert']], '48e0 77e0 a300 52e0'],
    [
      'number pad',
      [['Numpad8'], ['ShiftLeft', 'Numpad8'], ['ControlRight', 'Numpad8'], ['NumpadEnter'], ['NumpadDivide']],
      '4800 4838 8d00 e00d e02f',
    ],
    [
      'Caps Lock',
      [['CapsLock'], ['KeyA'], ['ShiftLeft', 'KeyA'], ['Digit1'], ['CapsLock'], ['KeyA']],
      '1e41 1e61 0231 1e61',
    ],
    ['Num Lock', [['NumLock'], ['Numpad7'], ['ShiftLeft', 'Numpad7'], ['NumLock'], ['Numpad7']], '4737 4700 4700'],
    ['Print Screen with Ctrl', [['ControlLeft', 'PrintScreen']], '7200'],
  ])('%s', (_, strokes, expected) => {
    const { strike, output } = createTypist();
    for (const stroke of strokes) strike(...stroke);
    expect(output()).toBe(expected);
  });

  it('AH=00h gives keys as the 83-key keyboard had them, and none that it had not', () => {
    const { strike, output } = createTypist(0x00);
    for (const stroke of [['ArrowUp'], ['F11'], ['NumpadEnter'], ['NumpadDivide'], ['ControlLeft', 'Home'], ['KeyB']])
      strike(...stroke);
    expect(output()).toBe('4800 1c0d 352f 7700 3062');
  });

  it('Alt with digits of the number pad: a character by its number', () => {
    const { press, release, strike, output } = createTypist();
    press('AltLeft');
    for (const digit of ['Numpad2', 'Numpad2', 'Numpad5']) strike(digit);
    release('AltLeft');
    expect(output()).toBe('00e1');
  });

  it('the shift states and the lights of the keyboard', () => {
    const { press, release, strike, flags, pc } = createTypist();
    press('ShiftLeft', 'ControlRight', 'AltRight');
    expect([flags(BDA.KEYBOARD_FLAGS), flags(BDA.KEYBOARD_FLAGS_3) & 0x0c]).toEqual([0x0e, 0x0c]);
    release('ShiftLeft', 'ControlRight', 'AltRight');
    expect(flags(BDA.KEYBOARD_FLAGS)).toBe(0);
    strike('CapsLock');
    strike('NumLock');
    strike('Insert');
    expect(flags(BDA.KEYBOARD_FLAGS)).toBe(0xe0);
    expect(pc.keyboard.leds).toEqual({ capsLock: true, numLock: true, scrollLock: false });
    press('CapsLock', 'CapsLock'); // it repeats
    expect(flags(BDA.KEYBOARD_FLAGS)).toBe(0xa0);
  });
});

describe('typing ahead', () => {
  it('fifteen keys are kept; AH=11h looks, AH=05h stores, AH=12h tells shift states', () => {
    const machine = createTypist(0x10, {
      setUp: `sti
        wait: hlt
        cmp byte [0x600], 0
        je wait
        more: mov ah, 0x11
        int 0x16
        jz done
        mov ah, 0x10
        int 0x16
        call show
        jmp more
        done: mov ax, 0x500
        mov cx, 0x1234
        int 0x16
        call show
        mov ah, 1
        int 0x16
        call show
        mov ah, 0x12
        int 0x16
        call show
        mov ah, 9
        int 0x16
        call show
        cli
        hlt
        `,
    });
    for (let key = 0; key < 20; key++) machine.strike(key === 0 ? 'KeyA' : 'KeyB');
    machine.press('AltRight');
    machine.pc.memory.write(0x600, 1, 1);
    machine.wait(100);
    expect(machine.output()).toBe(`1e61 ${'3062 '.repeat(14)}0500 1234 0808 0930`);
  });
});

describe('deeds of keys', () => {
  /** INT `vector` shows a letter. */
  const hook = (vector: number, character: string, more = '') => `jmp set
    handler: push ax
    mov al, '${character}'
    out 0xe9, al
    pop ax
    ${more}
    iret
    set: mov word [${4 * vector}], handler
    mov word [${4 * vector + 2}], cs
    `;

  it('Ctrl+Break calls INT 1Bh, empties the buffer and says so at 40:71', () => {
    const { press, output, flags } = createTypist(0x10, { setUp: hook(0x1b, '!') });
    press('ControlLeft', 'Pause');
    expect(output()).toMatch(/^!/);
    expect(flags(BDA.BREAK)).toBe(0x80);
  });

  it('Print Screen calls INT 05h, Alt+Print Screen INT 15h with AH=85h', () => {
    const { strike, output } = createTypist(0x10, { setUp: hook(5, 'p') });
    strike('PrintScreen');
    expect(output()).toBe('p');
    const other = createTypist(0x10, {
      setUp: hook(0x15, 's', 'stc\nretf 2'),
    });
    other.press('AltLeft');
    const before = other.output().length;
    other.press('PrintScreen');
    expect(other.output().length).toBeGreaterThan(before + 1);
  });

  it('INT 15h, AH=4Fh may take a key away or make it another', () => {
    const filter = `jmp set
      handler: cmp al, 0x1e
      jne other
      clc
      retf 2
      other: cmp al, 0x30
      jne leave
      mov al, 0x2e
      leave: stc
      retf 2
      set: mov word [0x54], handler
      mov word [0x56], cs
      `;
    const { strike, output } = createTypist(0x10, { setUp: filter });
    for (const key of ['KeyA', 'KeyB', 'KeyD']) strike(key);
    expect(output()).toBe('2e63 2064');
  });

  it('Pause stops the program until another key is struck, which is lost', () => {
    const machine = createTypist(0x10, { setUp: 'sti\nspin: inc dword [0x600]\njmp spin\n' });
    const count = () => machine.pc.memory.read(0x600, 4);
    machine.press('Pause');
    const before = count();
    machine.wait(200);
    expect(count()).toBe(before);
    machine.strike('Space');
    machine.wait(5);
    expect(count()).toBeGreaterThan(before);
    expect(machine.pc.memory.read(0x41a, 2)).toBe(machine.pc.memory.read(0x41c, 2));
  });

  it('Ctrl+Alt+Del resets', () => {
    const { press, pc } = createTypist();
    pc.keyboard.press('ControlLeft');
    pc.keyboard.press('AltLeft');
    press();
    pc.keyboard.press('Delete');
    expect(pc.run({ instructions: 10_000_000 }).reason).toBe('reset');
    expect(pc.memory.read(0x472, 2)).toBe(0x1234);
  });
});
