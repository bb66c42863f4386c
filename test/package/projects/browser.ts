/** Bundled for browsers by browser.full.test.ts; runs in a page or a worker. What it finds out goes to `report`. */
import { Host, UserError } from 'vetro';
import image from './demo.img';

/** What a test asks for, in the address of the script. */
const scenario = new URL(import.meta.url).searchParams.get('scenario');
const SCENARIOS: Readonly<Record<string, () => Promise<object>>> = {
  demo: () => bootDemo('virtual'),
  'demo, host clock': () => bootDemo('host'),
  busy: timersWhileBusy,
  refused: refusedBy,
  'restore, auto': () => restoreSnapshot('auto'),
  'restore, interpreter': () => restoreSnapshot('interpreter'),
  threads: bootInThreads,
};

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The demo up to its prompt, a command, and power-off. */
async function bootDemo(clock: 'virtual' | 'host'): Promise<object> {
  const host = await Host.create();
  const guest = await host.createGuest({ boot: { image }, memory: 16, clock });
  let printed = '';
  let prompts = 0;
  guest.serial.on('data', (bytes) => {
    printed += new TextDecoder().decode(bytes);
    if (printed.split('\r\n> ').length - 1 <= prompts) return;
    guest.serial.write(bytesOf(prompts++ === 0 ? 'help\r' : 'halt\r'));
  });
  const { reason } = await guest.run();
  host.dispose();
  return { printed, reason };
}

/** Two demos up to their prompts, each in a thread; how far they are in the same state where they have executed as much. */
async function bootInThreads(): Promise<object> {
  const host = await Host.create({ threads: 2, worker: '/vetro-worker.js' });
  const guests = [1, 2].map(() => host.createGuest({ boot: { image }, memory: 16 }));
  const hashes: string[] = [];
  for (const guest of await Promise.all(guests)) {
    await guest.runTo(200_000);
    hashes.push(await guest.stateHash());
    void guest.run();
    await guest.serial.waitFor('> ');
  }
  host.dispose();
  const lost = await Host.create({ threads: 1, worker: '/nothing.js' });
  const error = await lost.createGuest({ boot: { image } }).catch((reason: Error) => reason);
  return { hashes, isUserError: error instanceof UserError };
}

/** How late timers are while a guest that never sleeps has the thread: the median of many, in ms. */
async function timersWhileBusy(): Promise<object> {
  const host = await Host.create();
  const guest = await host.createGuest({ boot: { image: new Uint8Array([0xeb, 0xfe]) }, memory: 1 }); // jmp $
  const ended = guest.run();
  const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  while (guest.instructions < 1_000_000) await sleep(10); // until its code is compiled
  const lateness: number[] = [];
  while (lateness.length < 50) {
    const start = performance.now();
    await sleep(10);
    lateness.push(performance.now() - start - 10);
  }
  const { instructions } = guest;
  host.dispose();
  await ended;
  return { late: lateness.sort((a, b) => a - b)[25], gained: instructions - 1_000_000 };
}

/** A guest that was saved elsewhere: its state here, and `more` instructions later; what it has printed by then. */
async function restoreSnapshot(engine: 'auto' | 'interpreter'): Promise<object> {
  const blob = await (await fetch('/guest.vetro')).blob();
  const more = Number(await (await fetch('/more')).text());
  const host = await Host.create();
  const guest = await host.restore(blob, { engine });
  let printed = '';
  guest.serial.on('data', (bytes) => {
    printed += new TextDecoder().decode(bytes);
  });
  const hashes = [guest.machine.stateHash()];
  await guest.runTo(guest.instructions + more);
  hashes.push(guest.machine.stateHash());
  host.dispose();
  return { hashes, printed };
}

/** Where WebAssembly is forbidden. */
async function refusedBy(): Promise<object> {
  const error = await Host.create().then(
    () => new Error('nothing was refused'),
    (reason: Error) => reason,
  );
  return { isUserError: error instanceof UserError, message: error.message };
}

declare global {
  /** Put into the page by the test. */
  var report: ((result: object) => void) | undefined;
}
const answer = globalThis.report ?? ((result: object) => self.postMessage(result));
SCENARIOS[scenario ?? '']().then(answer, (error: Error) => answer({ error: String(error.stack) }));
