/**
 * What an embedder's project may hold: compiled there, against the packed declarations, by install.full.test.ts. No
 * types of Node or of browsers, so that it compiles without them.
 */
import {
  type ClockMode,
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
  type Platform,
  UserError,
} from 'vetro';

/** Boots the demo, sees its prompt and lets it power off. @returns what it printed */
export async function bootDemo(image: Uint8Array): Promise<string> {
  const hostOptions: Partial<HostOptions> = { sliceMilliseconds: 2 };
  const host: Host = await Host.create(hostOptions);
  const boot: GuestBoot = { image };
  const clock: ClockMode = 'virtual';
  const options: GuestOptions = { boot, clock, memory: 16, name: 'demo', weight: 1, powerOnTime: 0, onReset: 'stop' };
  const guest: Guest = await host.createGuest(options);
  const serial: GuestStream = guest.serial;
  let printed = '';
  const off: () => void = serial.on('data', (bytes: Uint8Array) => {
    for (const byte of bytes) printed += String.fromCharCode(byte);
    if (printed.endsWith('> ')) serial.write('halt\r');
  });
  const resets: GuestEvents['reset'][] = [];
  guest.on('reset', (...event) => resets.push(event));
  const exit: GuestExit = await guest.run();
  const state: GuestState = guest.state;
  off();
  if (exit.reason !== 'halted' || state !== 'stopped' || resets.length > 0) throw new Error(`${state}: ${exit.reason}`);
  const refused: unknown = await host.createGuest({ boot, memory: 0 }).catch((error: unknown) => error);
  if (!(refused instanceof UserError) || refused instanceof InternalError) throw new Error('not refused');
  host.dispose();
  return printed;
}

/** A platform of one's own needs no types of Node or of browsers. */
export function slowPlatform(now: () => number): Platform {
  return { now, yield: () => Promise.resolve(), delay: () => () => {} };
}

/** What the types refuse: each of these would compile if they were `any`. */
export async function mistakes(host: Host, guest: Guest): Promise<void> {
  // @ts-expect-error: there is no such clock
  await host.createGuest({ boot: { image: new Uint8Array(1) }, clock: 'sundial' });
  // @ts-expect-error: a guest boots from something
  await host.createGuest({});
  // @ts-expect-error: no such event
  guest.on('explosion', () => {});
  // @ts-expect-error: read only
  guest.state = 'running';
  const exit = await guest.run();
  // @ts-expect-error: only a debug exit has a status
  exit.status;
}
