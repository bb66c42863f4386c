import { describe, expect, it } from 'vitest';
import { StateError, TimeoutError, UserError } from '../../../src/base/errors.ts';
import { createPlatform } from '../../../src/host/platform.ts';
import { Host } from '../../../src/hypervisor/host.ts';
import { OUTPUT_BOUND } from '../../../src/hypervisor/streams/guest-stream.ts';
import { FakeMachine } from '../../support/fake-machine.ts';
import { FakePlatform } from '../../support/fake-platform.ts';
import { processorTime } from '../../support/processor-time.ts';

const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

/** A guest whose output a test decides: `say` is what the machine sends at the end of a run. */
function createGuest(script?: ConstructorParameters<typeof FakeMachine>[0]) {
  const machine = new FakeMachine(script);
  const platform = new FakePlatform();
  const errors: string[] = [];
  const host = new Host({ platform, onListenerError: (error, source) => errors.push(`${source.event}: ${error}`) });
  const guest = host.adopt(machine, { name: 'guest' });
  const say = (data: string | readonly number[]) => {
    machine.serial.onOutput!(typeof data === 'string' ? new TextEncoder().encode(data) : Uint8Array.from(data));
  };
  const warnings: string[] = [];
  guest.on('warning', (line) => warnings.push(line));
  return { machine, platform, host, guest, serial: guest.serial, say, errors, warnings };
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error) => error,
  );

describe('output', () => {
  it('is kept for the first reader, who gets it soon, in order', async () => {
    const { serial, say } = createGuest();
    const seen: string[] = [];
    say('early ');
    serial.on('data', (bytes) => seen.push(text(bytes)));
    expect(seen).toEqual([]);
    await settle();
    say('late');
    expect(seen).toEqual(['early ', 'late']);
  });

  it('that comes before what was kept is handed over stands behind it', async () => {
    const { serial, say } = createGuest();
    const seen: string[] = [];
    say('1');
    serial.on('data', (bytes) => seen.push(text(bytes)));
    say('2');
    expect(seen.join('')).toBe('12');
    await settle();
    expect(seen.join('')).toBe('12');
  });

  it('goes to all listeners; one that joins gets what no other has had', async () => {
    const { serial, say } = createGuest();
    const seen: string[] = [];
    serial.on('data', (bytes) => seen.push(`a${text(bytes)}`));
    say('1');
    const off = serial.on('data', (bytes) => seen.push(`b${text(bytes)}`));
    await settle();
    say('2');
    off();
    say('3');
    expect(seen).toEqual(['a1', 'a2', 'b2', 'a3']);
  });

  it('waits while listeners are paused, also if one pauses in the middle', async () => {
    const { serial, say } = createGuest();
    const seen: string[] = [];
    serial.on('data', (bytes) => {
      seen.push(text(bytes));
      serial.pause();
    });
    say('1');
    say('2');
    expect(seen).toEqual(['1']);
    serial.resume();
    await settle();
    expect(seen).toEqual(['1', '2']);
  });

  it('waits when the last listener has gone', async () => {
    const { serial, say } = createGuest();
    const seen: string[] = [];
    const off = serial.on('data', (bytes) => seen.push(text(bytes)));
    say('1');
    off();
    off();
    say('2');
    serial.on('data', (bytes) => seen.push(text(bytes)));
    await settle();
    expect(seen).toEqual(['1', '2']);
  });

  it('comes in pieces of at most 64 KiB, and what a listener does to its array changes nothing', async () => {
    const { serial, say } = createGuest();
    const sizes: number[] = [];
    serial.on('data', (bytes) => {
      sizes.push(bytes.length);
      bytes.fill(0);
      structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] });
    });
    say('x'.repeat(150_000));
    expect(sizes).toEqual([65_536, 65_536, 18_928]);
    await expect(serial.waitFor('xxx', { timeout: 0 })).resolves.toMatchObject({ text: 'xxx' });
  });

  it('L7: a listener that throws loses nothing, and its error is reported', () => {
    const { serial, say, errors } = createGuest();
    const seen: string[] = [];
    serial.on('data', () => {
      throw 'planted';
    });
    serial.on('data', (bytes) => seen.push(text(bytes)));
    say('1');
    expect(seen).toEqual(['1']);
    expect(errors).toEqual(['serial.data: planted']);
  });
});

describe('output that nobody takes', () => {
  it('holds the guest at the bound, with a warning, until somebody reads: nothing is lost', async () => {
    const { machine, guest, serial, warnings } = createGuest();
    machine.output = 'x'.repeat(60_000);
    void guest.run();
    await settle();
    expect(serial.full).toBe(true);
    const { instructions } = guest;
    await settle();
    expect(guest.instructions).toBe(instructions);
    expect(guest.state).toBe('running');
    expect(warnings).toEqual(['guest is held: 1 MiB of output wait for a reader; read serial, or call its discard()']);
    expect(() => guest.step()).toThrow('guest is running');
    guest.pause();
    expect(() => guest.step()).toThrow('guest is held');
    let taken = 0;
    serial.on('data', (bytes) => {
      taken += bytes.length;
    });
    await settle();
    expect(taken).toBeGreaterThanOrEqual(OUTPUT_BOUND);
    expect(taken % 60_000).toBe(0);
    void guest.run();
    await settle();
    expect(guest.instructions).toBeGreaterThan(instructions);
    guest.stop();
  });

  it.each(['paused listener', 'slow iterator'] as const)('a %s holds it as well, and lets it go', async (kind) => {
    const { guest, serial, machine } = createGuest();
    machine.output = 'x'.repeat(60_000);
    serial.on('data', () => {});
    const iterator = serial[Symbol.asyncIterator]();
    if (kind === 'paused listener') {
      serial.pause();
      await iterator.return!();
    }
    void guest.run();
    await settle();
    expect(serial.full).toBe(true);
    const { instructions } = guest;
    if (kind === 'paused listener') serial.resume();
    else await iterator.return!();
    await settle();
    expect(serial.full).toBe(false);
    expect(guest.instructions).toBeGreaterThan(instructions);
    guest.stop();
  });

  it('the debug console holds it too', async () => {
    const { guest, machine } = createGuest();
    machine.debugConsole.onOutput!(new Uint8Array(OUTPUT_BOUND));
    void guest.run();
    await settle();
    expect(guest.instructions).toBe(0);
    guest.debugConsole.discard();
    await settle();
    expect(guest.instructions).toBeGreaterThan(0);
    guest.stop();
  });

  it('discard() drops it, and what comes; a later reader gets what comes then', async () => {
    const { guest, serial, say } = createGuest();
    say('x'.repeat(OUTPUT_BOUND));
    expect(serial.full).toBe(true);
    serial.discard();
    expect(serial.full).toBe(false);
    for (let round = 0; round < 3; round++) say('y'.repeat(OUTPUT_BOUND));
    expect(serial.full).toBe(false);
    const seen: string[] = [];
    serial.on('data', (bytes) => seen.push(text(bytes)));
    say('z');
    await settle();
    expect(seen).toEqual(['z']);
    guest.dispose();
  });

  it('small pieces cost no more than their bytes', () => {
    const { serial, say } = createGuest();
    for (let piece = 0; piece < 300_000; piece++) say([piece & 0xff]);
    expect(serial.full).toBe(false);
  });
});

describe('waitFor', () => {
  it('finds text that comes in pieces, cut within a character', async () => {
    const { serial, say } = createGuest();
    const found = serial.waitFor('né: ');
    const bytes = [...new TextEncoder().encode('… né: ok')];
    for (const byte of bytes) say([byte]);
    expect(await found).toEqual({ before: '… ', text: 'né: ', groups: [] });
  });

  it('finds what came before, from the start of what is kept', async () => {
    const { serial, say } = createGuest();
    say('login: ');
    expect(await serial.waitFor('login: ')).toMatchObject({ before: '' });
  });

  it('begins behind the previous match', async () => {
    const { serial, say } = createGuest();
    say('a# b# ');
    expect(await serial.waitFor('# ')).toMatchObject({ before: 'a' });
    expect(await serial.waitFor('# ')).toMatchObject({ before: 'b' });
    expect(await failure(serial.waitFor('# ', { timeout: 0 }))).toBeInstanceOf(TimeoutError);
  });

  it('sees the last 64 KiB of what listeners have had', async () => {
    const { serial, say } = createGuest();
    serial.on('data', () => {});
    say(`old${'x'.repeat(65_536)}`);
    say(`new${'x'.repeat(65_533)}`);
    expect(await failure(serial.waitFor('old', { timeout: 0 }))).toBeInstanceOf(TimeoutError);
    expect(await serial.waitFor('new', { timeout: 0 })).toMatchObject({ before: '' });
  });

  it('takes a RegExp: groups, its own lastIndex, ^ and $', async () => {
    const { serial, say, platform } = createGuest();
    const pattern = /(\d+)-(x)?/g;
    pattern.lastIndex = 5;
    say('12-');
    expect(await serial.waitFor(pattern)).toEqual({ before: '', text: '12-', groups: ['12', undefined] });
    expect(pattern.lastIndex).toBe(5);
    const prompt = serial.waitFor(/^# $/m);
    say('\nfoo\n');
    say('# ');
    platform.fire();
    expect(await prompt).toMatchObject({ text: '# ', before: '\nfoo\n' });
  });

  it('leaves what is behind the match to the next reader, byte for byte, characters and broken ones included', async () => {
    for (const before of ['', 'é€😀', '\xff']) {
      const { serial, say } = createGuest();
      const bytes = before === '\xff' ? [0xff, 0xe2, 0x82] : [...new TextEncoder().encode(before)];
      say([...bytes, 0x42, 0x45, 0x47, 0xc3, 0xa9, 0xff, 0x31]);
      await serial.waitFor('BEG');
      const { value } = await serial[Symbol.asyncIterator]().next();
      expect([...value!]).toEqual([0xc3, 0xa9, 0xff, 0x31]);
    }
  });

  it('alone, does not hold the guest, and keeps no more than the bound', async () => {
    const { serial, say } = createGuest();
    const found = serial.waitFor('needle');
    for (let round = 0; round < 40; round++) say('x'.repeat(100_000));
    expect(serial.full).toBe(false);
    say('nee');
    say('dle');
    expect((await found).before).toBe('x'.repeat(65_533));
  });

  it('finds a match that spans pieces at the edge of what is searched', async () => {
    const { serial, say } = createGuest();
    for (const lead of [65_534, 65_535, 65_536, 131_071]) {
      const found = serial.waitFor('€end');
      say(`${'x'.repeat(lead)}€end`);
      await found;
    }
  });

  it('several wait at once, each for itself', async () => {
    const { serial, say } = createGuest();
    const [second, first] = [serial.waitFor('b'), serial.waitFor('a')];
    say('a');
    expect(await first).toMatchObject({ text: 'a' });
    say('b');
    expect(await second).toMatchObject({ text: 'b', before: 'a' });
  });

  it('rejects after the timeout, and forgets its timer when it is over', async () => {
    const { serial, say, platform } = createGuest();
    const late = failure(serial.waitFor('x', { timeout: 50 }));
    expect(platform.timers).toHaveLength(1);
    platform.fire();
    expect(await late).toEqual(new TimeoutError('serial of guest: "x" did not come within 50 ms'));
    const found = serial.waitFor('x', { timeout: 50 });
    say('x');
    await found;
    expect(platform.timers).toEqual([]);
  });

  it('rejects with the reason of its signal', async () => {
    const { serial, say } = createGuest();
    const controller = new AbortController();
    const waiting = failure(serial.waitFor('x', { signal: controller.signal }));
    controller.abort('enough');
    expect(await waiting).toBe('enough');
    say('x');
    expect(await failure(serial.waitFor('x', { signal: controller.signal }))).toBe('enough');
    expect(await serial.waitFor('x', { timeout: 0 })).toMatchObject({ text: 'x' });
  });

  it('rejects when the guest stops or is disposed, but finds what it said before', async () => {
    const { serial, say, guest } = createGuest();
    const waiting = failure(serial.waitFor('x'));
    say('y');
    guest.stop();
    expect(await waiting).toBeInstanceOf(StateError);
    expect(await serial.waitFor('y')).toMatchObject({ text: 'y' });
    expect(await failure(serial.waitFor(/z/))).toEqual(
      new StateError('serial of guest: the guest has stopped (stopped) before /z/ came'),
    );
    guest.dispose();
    expect(await failure(serial.waitFor('y'))).toEqual(new StateError('guest is disposed'));
  });

  it('after a reset it goes on', async () => {
    const { serial, say, guest } = createGuest();
    const waiting = serial.waitFor('x');
    guest.reset();
    say('x');
    await waiting;
  });

  it.each([
    [[''], 'waitFor: the text is empty'],
    [['x'.repeat(70_000)], 'waitFor: the text is longer than 65536 characters'],
    [[undefined], 'waitFor: text or a RegExp is needed, not undefined'],
    [[{ source: 'x', flags: '' }], 'waitFor: text or a RegExp is needed, not an object'],
    [['x', null], 'waitFor: options must be an object, not null'],
    [['x', 5], 'waitFor: options must be an object, not 5'],
    [['x', { timout: 5 }], 'waitFor: options: there is no option "timout"; there is timeout, signal'],
    [['x', { timeout: -1 }], 'waitFor: timeout must be a number of ms from 0 to 2147483647, not -1'],
    [['x', { timeout: Number.NaN }], 'waitFor: timeout must be a number of ms from 0 to 2147483647, not NaN'],
    [['x', { timeout: 1e12 }], 'waitFor: timeout must be a number of ms from 0 to 2147483647, not 1000000000000'],
    [['x', { timeout: '5' }], 'waitFor: timeout must be a number of ms from 0 to 2147483647, not "5"'],
    [['x', { signal: {} }], 'waitFor: signal must be an AbortSignal, not an object'],
    [['x', { signal: null }], 'waitFor: signal must be an AbortSignal, not null'],
  ])('L5: refuses %j', async (args, message) => {
    const { serial } = createGuest();
    expect(await failure(serial.waitFor(...(args as [string])))).toEqual(new UserError(message));
  });
});

describe('waitFor with an expression', () => {
  /** Quadratic on what the guest sends. */
  const QUADRATIC = /^(\d+\.\d+\S*)\r$/m;
  const FLOOD = `1.${'1'.repeat(65_534)}`;

  /** Gives the world its turn until nothing waits for it. @returns how often */
  const turns = (platform: FakePlatform): number => {
    let count = 0;
    while (platform.timers.length > 0 && count < 10_000) {
      platform.fire();
      count++;
    }
    return count;
  };

  it('leaves the world its turn behind each window, so that a timeout comes in time', async () => {
    const host = new Host({ platform: createPlatform() });
    const machine = new FakeMachine();
    const { serial } = host.adopt(machine, { name: 'guest' });
    for (let round = 0; round < 16; round++) machine.serial.onOutput!(new TextEncoder().encode(FLOOD));
    const start = processorTime();
    expect(await failure(serial.waitFor(QUADRATIC, { timeout: 100 }))).toBeInstanceOf(TimeoutError);
    // One window of 16 KiB takes up to a second; all that is kept took a minute.
    expect(processorTime() - start).toBeLessThan(5000);
    host.dispose();
  }, 120_000);

  it('is tried no more than once a turn, however many pieces come', () => {
    const { serial, say } = createGuest();
    const waiting = failure(serial.waitFor(QUADRATIC));
    const start = processorTime();
    for (let piece = 0; piece < 1000; piece++) say(piece === 0 ? '1.' : '1'.repeat(60));
    expect(processorTime() - start).toBeLessThan(5000);
    void waiting;
  }, 120_000);

  it('between windows an abort counts, and the end of the guest once all it said was tried', async () => {
    const { serial, say, platform, guest } = createGuest();
    const controller = new AbortController();
    say('x'.repeat(100_000));
    const aborted = failure(serial.waitFor(/never/, { signal: controller.signal }));
    const ended = failure(serial.waitFor(/never/));
    const found = serial.waitFor(/last words/);
    controller.abort('enough');
    expect(await aborted).toBe('enough');
    say('last words');
    guest.stop();
    turns(platform);
    expect(await ended).toEqual(new StateError('serial of guest: the guest has stopped (stopped) before /never/ came'));
    expect((await found).text).toBe('last words');
    expect(platform.timers).toEqual([]);
  });

  it('nobody looks any further once the guest is disposed', async () => {
    const { serial, say, platform, guest } = createGuest();
    say('x'.repeat(100_000));
    const waiting = failure(serial.waitFor(/never/));
    guest.dispose();
    expect(await waiting).toBeInstanceOf(StateError);
    expect(platform.timers).toEqual([]);
  });

  it('one that cannot keep up holds the guest, and lets it go', async () => {
    const { serial, say, platform } = createGuest();
    const found = serial.waitFor(/end/);
    for (let round = 0; round < 10; round++) say('x'.repeat(65_536));
    expect(serial.full).toBe(false);
    for (let round = 0; round < 10; round++) say('x'.repeat(65_536));
    expect(serial.full).toBe(true);
    turns(platform);
    expect(serial.full).toBe(false);
    say('end');
    turns(platform);
    expect((await found).before).toBe('x'.repeat(65_536));
  });

  it('finds a match of up to 8 KiB wherever it lies, and timeout 0 tries all that has come', async () => {
    for (const lead of [0, 1, 8_191, 8_192, 16_383, 16_384, 30_000, 100_001]) {
      const { serial, say, platform } = createGuest();
      say(`${'é'.repeat(lead)}<${'y'.repeat(8_190)}>#`);
      const found = serial.waitFor(/<(y+)>/, { timeout: 0 });
      for (let turn = 0; turn < 100 && platform.timers.length > 0; turn++) {
        platform.timers.sort((one, other) => one.at - other.at);
        platform.fire();
      }
      const { groups, before } = await found;
      expect(groups[0]).toHaveLength(8_190);
      if (lead < 32_768) expect(before).toHaveLength(lead);
      const { value } = await serial[Symbol.asyncIterator]().next();
      expect(text(value!)).toBe('#');
    }
  });

  it('^ stands where a line or the search begins, not where a window does', async () => {
    const { serial, say, platform, guest } = createGuest();
    const first = failure(serial.waitFor(/^x/));
    const line = serial.waitFor(/^x+$/m);
    say(`-${'x'.repeat(100_000)}`);
    turns(platform);
    say('\n-');
    turns(platform);
    say('\nxx');
    turns(platform);
    expect(await line).toMatchObject({ text: 'xx' });
    guest.stop();
    expect(await first).toBeInstanceOf(StateError);
  });
});

describe('iteration', () => {
  it('gives everything, and ends when the guest stops', async () => {
    const { serial, say, guest } = createGuest();
    say('early');
    const seen: string[] = [];
    const reading = (async () => {
      for await (const bytes of serial) seen.push(text(bytes));
    })();
    await settle();
    say('late');
    say('st');
    guest.stop();
    await reading;
    expect(seen.join('')).toBe('earlylatest');
  });

  it('ends when the guest is disposed, with what it said before', async () => {
    const { serial, say, guest } = createGuest();
    const iterator = serial[Symbol.asyncIterator]();
    say('last');
    guest.dispose();
    expect(text((await iterator.next()).value!)).toBe('last');
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  it('on a guest that has stopped gives what is kept and ends; after a reset a new one goes on', async () => {
    const { serial, say, guest } = createGuest();
    say('kept');
    guest.stop();
    const seen: string[] = [];
    for await (const bytes of serial) seen.push(text(bytes));
    guest.reset();
    const next = serial[Symbol.asyncIterator]().next();
    say('again');
    expect(text((await next).value!)).toBe('again');
    expect(seen).toEqual(['kept']);
  });

  it('answers several calls of next() in order, and those that wait when it is left', async () => {
    const { serial, say } = createGuest();
    const iterator = serial[Symbol.asyncIterator]();
    const answers = [iterator.next(), iterator.next(), iterator.next()];
    say('1');
    say('2');
    await iterator.return!();
    const results = await Promise.all(answers);
    expect(results.map(({ done, value }) => (done ? 'done' : text(value)))).toEqual(['1', '2', 'done']);
  });

  it('two iterations get the same', async () => {
    const { serial, say } = createGuest();
    const iterators = [serial[Symbol.asyncIterator](), serial[Symbol.asyncIterator]()];
    say('both');
    const results = await Promise.all(iterators.map((iterator) => iterator.next()));
    expect(results.map(({ value }) => text(value!))).toEqual(['both', 'both']);
  });
});

describe('write', () => {
  it('takes bytes, of which it keeps a copy, and text', () => {
    const { serial, machine } = createGuest();
    serial.write('é');
    serial.write(Uint8Array.of(1, 2));
    serial.write(new Uint8Array(new SharedArrayBuffer(1)));
    expect(machine.serial.sent).toEqual([0xc3, 0xa9, 1, 2, 0]);
  });

  it('L5: refuses an array whose buffer was transferred, takes one that its buffer has shrunk away from', () => {
    const { serial, machine } = createGuest();
    const detached = new Uint8Array(4);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    expect(() => serial.write(detached)).toThrow(
      new UserError('write: what is no string: its buffer is detached (it was transferred to somebody else)'),
    );
    const buffer = new ArrayBuffer(8, { maxByteLength: 8 });
    const beyond = new Uint8Array(buffer, 4, 4);
    buffer.resize(2);
    serial.write(beyond);
    serial.write(new Uint8Array(buffer));
    expect(machine.serial.sent).toEqual([0, 0]);
  });

  it.each([[undefined], [5], [[1, 2]], [new Uint16Array(1)], [new DataView(new ArrayBuffer(1))], [{}]])(
    'L5: refuses %j',
    (data) => {
      const { serial } = createGuest();
      expect(() => serial.write(data as never)).toThrow(UserError);
    },
  );

  it('to the debug console, which takes no input, is a StateError', () => {
    const { guest, machine } = createGuest();
    expect(() => guest.debugConsole.write('x')).toThrow(
      new StateError('debugConsole of guest takes no input: the guest can only write to it'),
    );
    expect(() => guest.debugConsole.write(5 as never)).toThrow(UserError);
    expect(machine.debugConsole.sent).toEqual([]);
  });

  it('on a disposed guest is a StateError, as is on(); nothing is pending', () => {
    const { serial, guest, machine } = createGuest();
    machine.serial.pending = 5;
    machine.keyboard.hasData = true;
    guest.keyboard.type('a');
    expect([serial.pending, guest.keyboard.pending]).toEqual([5, 2]);
    guest.dispose();
    expect([serial.pending, guest.keyboard.pending]).toEqual([0, 0]);
    expect(() => serial.write('x')).toThrow(StateError);
    expect(() => serial.on('data', () => {})).toThrow(StateError);
    serial.pause();
    serial.resume();
    serial.discard();
  });
});
