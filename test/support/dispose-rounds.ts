/**
 * Creates guests, boots each to its prompt and disposes of them, round after round, in a process of its own.
 * Arguments: demo or a system's name, guests at a time, rounds, `keep` or `drop` (the handles of disposed guests).
 * Prints one line of JSON for each round.
 */
import { assembleDemo } from '../../src/cli/demo.ts';
import { type Guest, type GuestBoot, Host } from '../../src/index.ts';
import { debianBoot } from './debian.ts';

export interface Round {
  /** Resident memory in MiB, guests at their prompt and after they were disposed. */
  readonly up: number;
  readonly rss: number;
  /** What V8 knows of memory outside its heap, in MiB: WebAssembly memories are in it. */
  readonly external: number;
}

const [what, count, rounds, handles] = process.argv.slice(2) as [string, string, string, string];
const collectGarbage = (globalThis as { gc?: () => void }).gc!;
const PROMPTS: Record<string, string> = { demo: '\n> ' };
const prompt = PROMPTS[what] ?? ' # \x1b[6n';

const mebibytes = (bytes: number): number => Math.round((bytes / 2 ** 20) * 10) / 10;

async function bootOf(name: string): Promise<GuestBoot> {
  if (name === 'demo') return { image: assembleDemo() };
  const { boot, reason } = await debianBoot(name as 'debian-686');
  if (!boot) throw new Error(reason);
  return boot;
}

/** Resolves when the guest has come to its prompt. */
function prompted(guest: Guest): Promise<void> {
  return new Promise((resolve) => {
    let tail = '';
    guest.serial.on('data', (bytes) => {
      tail = (tail + new TextDecoder('latin1').decode(bytes)).slice(-64);
      if (tail.includes(prompt)) resolve();
    });
    void guest.run();
  });
}

async function oneRound(host: Host, boot: GuestBoot): Promise<{ up: number; guests: Guest[] }> {
  const guests: Guest[] = [];
  for (let index = 0; index < Number(count); index++) guests.push(await host.createGuest({ boot }));
  await Promise.all(guests.map(prompted));
  const up = mebibytes(process.memoryUsage.rss());
  for (const guest of guests) guest.dispose();
  return { up, guests };
}

const host = await Host.create();
const boot = await bootOf(what);
const kept: Guest[] = [];
for (let round = 0; round < Number(rounds); round++) {
  const { up, guests } = await oneRound(host, boot);
  if (handles === 'keep') kept.push(...guests);
  guests.length = 0;
  for (let time = 0; time < 3; time++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    collectGarbage();
  }
  const { rss, external } = process.memoryUsage();
  console.log(JSON.stringify({ up, rss: mebibytes(rss), external: mebibytes(external) } satisfies Round));
}
