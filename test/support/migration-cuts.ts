/** Migrations whose stream is cut somewhere: who has the guest afterwards. */
import { type Guest, Host, StateError, UserError } from '../../src/index.ts';
import { createDuplex, type WayOptions } from './duplex.ts';

export interface Cut {
  /** Which way is cut, behind so many bytes. */
  readonly way: 'forth' | 'back';
  readonly at: number;
  readonly by: 'end' | 'error';
  /** The other way is cut at the same moment. */
  readonly both: boolean;
}

export type Outcome = 'there' | 'here' | 'held, there' | 'held, nowhere else' | 'two' | 'none';

/** Positions where messages begin, in what passed; the last one is its length. */
export function messageBorders(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const borders = [0];
  for (let at = 16; at + 8 <= bytes.length; at += 8 + view.getUint32(at + 4, true)) borders.push(at);
  return [...borders, bytes.length];
}

export class CutBench {
  readonly #snapshot: Uint8Array;
  readonly #here: Host;
  readonly #there: Host;

  static async create(make: (host: Host) => Promise<Guest>): Promise<CutBench> {
    const here = await Host.create();
    const guest = await make(here);
    const { bytes } = await guest.snapshot();
    guest.dispose();
    return new CutBench(bytes!, here, await Host.create());
  }

  private constructor(snapshot: Uint8Array, here: Host, there: Host) {
    this.#snapshot = snapshot;
    this.#here = here;
    this.#there = there;
  }

  dispose(): void {
    this.#here.dispose();
    this.#there.dispose();
  }

  /** What passes both ways when nothing is cut. */
  async record(): Promise<{ forth: Uint8Array; back: Uint8Array; hash: string }> {
    const parts: Record<'forth' | 'back', Uint8Array[]> = { forth: [], back: [] };
    const listen = (way: 'forth' | 'back'): WayOptions => ({
      pass(bytes) {
        parts[way].push(bytes);
        return bytes;
      },
    });
    const guest = await this.#restored();
    const { source, destination } = createDuplex({ forth: listen('forth'), back: listen('back') });
    const [moved] = await Promise.all([this.#there.receive(destination, RESTORE), guest.migrate(source)]);
    const hash = await hashLater(moved);
    for (const each of [moved, guest]) each.dispose();
    return { forth: Buffer.concat(parts.forth), back: Buffer.concat(parts.back), hash };
  }

  /** `hash`: of the guest, a while later, wherever it is. @throws for anything but the documented errors */
  async cut({ way, at, by, both }: Cut, hash: string): Promise<{ outcome: Outcome; passed: Uint8Array }> {
    const guest = await this.#restored();
    let cutAll = (): void => {};
    const parts: Uint8Array[] = [];
    const options: WayOptions = {
      ...{ cutAt: at, cutBy: by, onCut: () => both && cutAll() },
      pass(bytes) {
        parts.push(bytes);
        return bytes;
      },
    };
    const ends = createDuplex({ [way]: options });
    cutAll = ends.cut;
    if (both && at === 0) ends.cut();
    const { source, destination } = ends;
    const [received, sent] = await Promise.allSettled([
      this.#there.receive(destination, RESTORE),
      guest.migrate(source, { patience: 2_000 }),
    ]);
    if (received.status === 'rejected' && !(received.reason instanceof UserError)) throw received.reason;
    const moved = received.status === 'fulfilled' ? received.value : undefined;
    if (sent.status === 'rejected' && !isExpected(sent.reason)) throw sent.reason;
    const held = sent.status === 'rejected' && sent.reason instanceof StateError;
    const outcome = await outcomeOf(guest, moved, { held, hash });
    for (const each of [moved, guest]) each?.dispose();
    if (this.#there.guests.length > 0) throw new Error('a guest is left at the destination');
    return { outcome, passed: Buffer.concat(parts).subarray(0, at) };
  }

  #restored(): Promise<Guest> {
    return this.#here.restore(this.#snapshot, RESTORE);
  }
}

const RESTORE = { engine: 'interpreter' } as const;
const LATER = 3_000;

const isExpected = (error: unknown): boolean => error instanceof UserError || error instanceof StateError;

async function outcomeOf(
  guest: Guest,
  moved: Guest | undefined,
  { held, hash }: { held: boolean; hash: string },
): Promise<Outcome> {
  const runs = async (each: Guest): Promise<boolean> => {
    const later = await hashLater(each).catch((error: unknown) => {
      if (!(error instanceof StateError)) throw error;
    });
    if (later !== undefined && later !== hash) throw new Error('the guest is not what it was');
    return later !== undefined;
  };
  const there = moved !== undefined && (await runs(moved));
  if (!held) {
    const here = await runs(guest);
    return here ? (there ? 'two' : 'here') : there ? 'there' : 'none';
  }
  if (await runs(guest)) return there ? 'two' : 'here';
  guest.resolveMigration(there ? 'moved' : 'stayed');
  if ((await runs(guest)) === there) return 'two';
  return there ? 'held, there' : 'held, nowhere else';
}

async function hashLater(guest: Guest): Promise<string> {
  await guest.runTo(guest.instructions + LATER);
  return guest.machine.stateHash();
}
