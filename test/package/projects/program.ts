/**
 * What an embedder's project may hold: compiled there, against the packed declarations, by install.full.test.ts. No
 * types of Node or of browsers, so that it compiles without them.
 */
import {
  type AbortSignalLike,
  type ClockMode,
  type EngineName,
  type Guest,
  type GuestBoot,
  type GuestEvents,
  type GuestExit,
  type GuestOptions,
  type GuestState,
  type GuestStream,
  Host,
  type HostOptions,
  InternalError,
  type Keyboard,
  type ListenerErrorSource,
  type MachineView,
  type Platform,
  type Registers,
  type ResetCause,
  type RunOptions,
  type RunToResult,
  type SegmentRegister,
  StateError,
  type TextMatch,
  TimeoutError,
  UserError,
  type WaitOptions,
} from 'vetro';

const BOOT_SECTOR = 0x7c00;
const PROMPT = '\r\n> ';

/** Boots the demo to its prompt, types, and lets it power off. @returns what it printed */
export async function bootDemo(image: Uint8Array): Promise<string> {
  const strays: [unknown, ListenerErrorSource][] = [];
  const hostOptions: HostOptions = {
    sliceMilliseconds: 2,
    onListenerError: (error, source) => strays.push([error, source]),
  };
  await using host: Host = await Host.create(hostOptions);
  const boot: GuestBoot = { image };
  const clock: ClockMode = 'virtual';
  const engine: EngineName = 'interpreter';
  const options: GuestOptions = { boot, clock, engine, memory: 16, name: 'demo', weight: 1, onReset: 'stop' };
  const guest: Guest = await host.createGuest(options);
  expect(host.guests.length, 1);

  const resets: ResetCause[] = [];
  const off: () => void = guest.on('reset', (cause) => resets.push(cause));
  const warnings: GuestEvents['warning'][] = [];
  guest.on('warning', (...event) => warnings.push(event));
  const reached: RunToResult = await guest.runTo(1000);
  expect(reached, 'reached');
  expect(guest.instructions, 1000);
  lookAt(guest.machine);
  guest.step();
  off();

  const serial: GuestStream = guest.serial;
  const printed = readAll(serial);
  const end: Promise<GuestExit> = guest.run();
  await refused(guest.run(), StateError);
  const wait: WaitOptions = { timeout: 60_000 };
  const match: TextMatch = await serial.waitFor(PROMPT, wait);
  expect(match.text, PROMPT);
  await refused(serial.waitFor(/never/, { timeout: 1 }), TimeoutError);
  const keyboard: Keyboard = guest.keyboard;
  keyboard.press('ShiftLeft');
  keyboard.release('ShiftLeft');
  serial.write('help\r');
  await serial.waitFor(PROMPT, wait);
  serial.write(Uint8Array.of(...[...'halt\r'].map((character) => character.charCodeAt(0))));
  const exit = await end;
  const state: GuestState = guest.state;
  expect(exit.reason, 'halted');
  expect(state, 'stopped');
  await refused(host.createGuest({ boot, memory: 0 }), UserError);
  await abort(host, boot);
  expect(resets.length + warnings.length + strays.length, 0);
  return printed;
}

function lookAt(machine: MachineView): void {
  const registers: Registers = machine.registers();
  const cs: SegmentRegister = registers.cs;
  expect(cs.base + registers.eip > 0, true);
  expect(machine.peekPhysical(BOOT_SECTOR, 16).length, 16);
  expect(machine.screen().length, 25);
  expect(machine.stateHash(), machine.stateHash());
}

async function abort(host: Host, boot: GuestBoot): Promise<void> {
  const listeners = new Set<() => void>();
  const signal: AbortSignalLike = {
    aborted: false,
    reason: new RangeError('enough'),
    addEventListener: (_type, listener) => listeners.add(listener),
    removeEventListener: (_type, listener) => listeners.delete(listener),
  };
  await using guest = await host.createGuest({ boot });
  const options: RunOptions = { signal };
  const run = guest.run(options);
  for (const listener of listeners) listener();
  await refused(run, RangeError);
  expect(guest.state, 'paused');
}

async function readAll(stream: GuestStream): Promise<string> {
  let text = '';
  for await (const bytes of stream) for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

async function refused(call: Promise<unknown>, kind: new (message: string) => Error): Promise<void> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof kind) || error instanceof InternalError) throw new Error(`not refused: ${String(error)}`);
}

function expect<Value>(found: Value, wanted: Value): void {
  if (found !== wanted) throw new Error(`${String(found)} instead of ${String(wanted)}`);
}

/** A platform of one's own. */
export function slowPlatform(now: () => number): Platform {
  return { now, yield: () => Promise.resolve(), delay: () => () => {} };
}

/** What the types refuse: each of these would compile if they were `any`. */
export async function mistakes(host: Host, guest: Guest): Promise<void> {
  // @ts-expect-error: there is no such clock
  await host.createGuest({ boot: { image: new Uint8Array(1) }, clock: 'sundial' });
  // @ts-expect-error: a guest boots from something
  await host.createGuest({ boot: {} });
  // @ts-expect-error: no such event
  guest.on('explosion', () => {});
  // @ts-expect-error: read only
  guest.state = 'running';
  // @ts-expect-error: internals are no one's business
  guest.runSlice(1, 1);
  const exit = await guest.run();
  // @ts-expect-error: only a debug exit has a status
  exit.status;
}
