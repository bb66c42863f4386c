/** What has been changed by somebody and is to become a guest: it is refused with a reason, or the guest runs; nothing else. */
import { type Guest, type Host, UserError } from '../../src/index.ts';

export interface ChangedGuestReport {
  readonly refused: number;
  readonly ran: number;
  /** Reasons, without the numbers in them. */
  readonly reasons: ReadonlyMap<string, number>;
  /** What must not be: one line each. */
  readonly faults: readonly string[];
  /** The longest attempt, in ms of processor time; and the most that one attempt added to the process's memory, in MiB. */
  readonly slowest: number;
  readonly largest: number;
}

interface Attempt {
  /** What was changed. */
  readonly what: string;
  begin(): Promise<Guest>;
}

/** Instructions that a guest runs which was not refused. */
const FEW = 2_000;

export async function fuzzChangedGuests(
  host: Host,
  rounds: number,
  prepare: (round: number) => Attempt | Promise<Attempt>,
): Promise<ChangedGuestReport> {
  const reasons = new Map<string, number>();
  const faults: string[] = [];
  let [refused, ran, slowest, largest] = [0, 0, 0, 0];
  for (let round = 0; round < rounds; round++) {
    const { what, begin } = await prepare(round);
    const [before, room] = [process.cpuUsage(), process.memoryUsage().rss];
    try {
      const guest = await begin();
      guest.serial.discard();
      guest.debugConsole.discard();
      await guest.runTo(guest.instructions + FEW).catch((error: unknown) => {
        if (!(error instanceof UserError) && (error as Error).name !== 'StateError') throw error;
      });
      ran++;
      guest.dispose();
    } catch (error) {
      refused++;
      if (!(error instanceof UserError)) faults.push(`round ${round}, ${what}: ${(error as Error).stack}`);
      else if (/nothing has come/.test(error.message)) faults.push(`round ${round}, ${what}: it hung`);
      else reasons.set(kindOf(error.message), (reasons.get(kindOf(error.message)) ?? 0) + 1);
    }
    const { user, system } = process.cpuUsage(before);
    slowest = Math.max(slowest, (user + system) / 1000);
    largest = Math.max(largest, (process.memoryUsage().rss - room) / 2 ** 20);
    if (host.guests.length > 0) faults.push(`round ${round}, ${what}: a guest is left`);
  }
  return { refused, ran, reasons, faults, slowest, largest };
}

const kindOf = (message: string): string => message.replace(/\d+/g, 'N').slice(0, 60);
