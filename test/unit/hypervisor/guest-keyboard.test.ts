import { describe, expect, it } from 'vitest';
import { StateError, UserError } from '../../../src/base/errors.ts';
import { KEYS } from '../../../src/devices/scan-codes.ts';
import { Host } from '../../../src/hypervisor/host.ts';
import { keysOf } from '../../../src/hypervisor/us-layout.ts';
import { FakeMachine } from '../../support/fake-machine.ts';
import { FakePlatform } from '../../support/fake-platform.ts';

function createGuest(script?: ConstructorParameters<typeof FakeMachine>[0]) {
  const machine = new FakeMachine(script);
  const guest = new Host({ platform: new FakePlatform() }).adopt(machine, { name: 'guest' });
  return { machine, guest, strokes: machine.keyboard.strokes };
}

const settle = async () => {
  for (let turn = 0; turn < 200; turn++) await Promise.resolve();
};

describe('guest.keyboard', () => {
  it('hands a stroke over at once if the keyboard is free', () => {
    const { guest, strokes } = createGuest();
    guest.keyboard.press('KeyA');
    guest.keyboard.release('KeyA');
    expect(strokes).toEqual(['+KeyA', '-KeyA']);
  });

  it('otherwise strokes wait, in order, until it is', async () => {
    const { guest, machine, strokes } = createGuest();
    machine.keyboard.hasData = true;
    guest.keyboard.type('aB');
    expect([strokes, guest.keyboard.pending]).toEqual([[], 6]);
    machine.keyboard.hasData = false;
    void guest.run();
    await settle();
    expect(strokes).toEqual(['+KeyA', '-KeyA', '+ShiftLeft', '+KeyB', '-KeyB', '-ShiftLeft']);
    expect(guest.keyboard.pending).toBe(0);
    guest.stop();
  });

  it('wakes a guest that waits for input, and goes on while the guest waits for the next key', async () => {
    const { guest, strokes } = createGuest([
      { at: 100, event: 'idle' },
      { at: 200, event: 'idle' },
      { at: 300, event: 'halted' },
    ]);
    const end = guest.run();
    await settle();
    expect(guest.instructions).toBe(100);
    guest.keyboard.type('ab');
    expect(await end).toEqual({ reason: 'halted' });
    expect(strokes).toHaveLength(4);
  });

  it('a reset drops what waits', () => {
    const { guest, machine } = createGuest();
    machine.keyboard.hasData = true;
    guest.keyboard.type('a');
    guest.reset();
    expect(guest.keyboard.pending).toBe(0);
  });

  it.each([
    ['press', 'a', 'press: the keyboard has no key "a" (names are those of KeyboardEvent.code)'],
    ['release', '', 'release: the keyboard has no key "" (names are those of KeyboardEvent.code)'],
    ['press', undefined, 'press: code must be a string, not undefined'],
    ['release', 65, 'release: code must be a string, not 65'],
    ['type', 'aé', 'type: no key types "é"'],
    ['type', 'a\u0000', 'type: no key types "\\u0000"'],
    ['type', '😀', 'type: no key types "😀"'],
    ['type', null, 'type: text must be a string, not null'],
  ] as const)('L5: %s(%j) is refused, and nothing is typed', (method, value, message) => {
    const { guest, strokes } = createGuest();
    expect(() => guest.keyboard[method](value as string)).toThrow(new UserError(message));
    expect(strokes).toEqual([]);
  });

  it('on a disposed guest is a StateError', () => {
    const { guest } = createGuest();
    guest.dispose();
    expect(() => guest.keyboard.press('KeyA')).toThrow(StateError);
    expect(() => guest.keyboard.type('')).toThrow(StateError);
  });

  it('there is a key for every printable ASCII character, no two have the same, and the keyboard has it', () => {
    const combinations = Array.from({ length: 95 }, (_, index) => keysOf(String.fromCharCode(32 + index)));
    expect(new Set(combinations.map((keys) => JSON.stringify(keys))).size).toBe(95);
    expect(combinations.filter((keys) => !keys || !KEYS.includes(keys.code))).toEqual([]);
    expect(['\n', '\t', '\b', '\x1b'].map((character) => keysOf(character)?.code)).toEqual([
      ...['Enter', 'Tab', 'Backspace', 'Escape'],
    ]);
    expect([keysOf('!'), keysOf('?'), keysOf('"'), keysOf('~')]).toEqual([
      { code: 'Digit1', shift: true },
      { code: 'Slash', shift: true },
      { code: 'Quote', shift: true },
      { code: 'Backquote', shift: true },
    ]);
  });
});
