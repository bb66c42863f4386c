/** A hostile guest and a victim side by side on one host: what the victim gets of the core, and whether it is the same. */
import { createPlatform } from '../../src/host/platform.ts';
import type { Guest } from '../../src/hypervisor/guest.ts';
import { Host } from '../../src/hypervisor/host.ts';
import type { Platform } from '../../src/hypervisor/platform.ts';
import type { Pc } from '../../src/machine/pc.ts';
import { createCode, createHostilePc } from './machine.ts';
import { type HostileProgram, staged } from './program.ts';

/** A guest that computes: calls, memory, branches, at level 3 with paging. */
const VICTIM = staged('', 'victim', {
  body: `
    mov ecx, 1000
    step: mov eax, [0x20000 + ebx * 4]
    imul eax, eax, 69069
    add eax, ecx
    mov [0x20000 + ebx * 4], eax
    call mix
    loop step`,
  data: 'mix: add ebx, eax\nror ebx, 3\ntest ebx, 1\njz even\nadd ebx, 5\neven: and ebx, 0x3fff\nret',
  level: 3,
  paging: true,
});
/** Where the victim's state is compared. */
const COMPARED_AT = 400_000;
/** Shares may be this far below what the weights say: as 45 % is below 50 %. */
const TOLERANCE = 0.9;
const ATTEMPTS = 3;

export interface Weights {
  readonly victim: number;
  readonly storm: number;
}

export interface NeighbourFigures {
  /** The victim's processor time as a share of all that passed, host included. */
  readonly time: number;
  /** Its instructions, as a share of what it does alone in the same processor time. */
  readonly instructions: number;
}

/**
 * Time is the processor time of this process: how busy the rest of the machine is does not matter, nor what the host
 * leaves unused.
 */
function processorClock(): Platform {
  const platform = createPlatform();
  return {
    ...platform,
    now() {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    },
  };
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

export class Neighbours {
  readonly #platform = processorClock();
  readonly #code = createCode();
  readonly #milliseconds: number;
  #aloneHash = '';

  /** @param milliseconds of processor time that each measurement takes */
  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
  }

  /** The best of some attempts, since others use the machine too. @returns what the victim got, and what was wrong */
  async measure(storm: HostileProgram, weights: Weights): Promise<NeighbourFigures & { findings: string[] }> {
    let best = await this.#measureOnce(storm, weights);
    for (let attempt = 1; attempt < ATTEMPTS && best.findings.length > 0; attempt++) {
      const next = await this.#measureOnce(storm, weights);
      if (next.time > best.time) best = next;
    }
    return best;
  }

  async #measureOnce(storm: HostileProgram, weights: Weights): Promise<NeighbourFigures & { findings: string[] }> {
    const alone = await this.#alone();
    const host = new Host({ platform: this.#platform });
    try {
      const findings: string[] = [];
      const victim = this.#adopt(host, VICTIM, weights.victim);
      const hostile = this.#adopt(host, storm, weights.storm);
      hostile.on('exit', (exit) => {
        if (exit.reason === 'error') findings.push(`${storm.name}: ${exit.error.message}`);
      });
      void hostile.run();
      await victim.runTo(COMPARED_AT);
      if (victim.machine.stateHash() !== this.#aloneHash)
        findings.push(`beside "${storm.name}" the victim is not as it is alone`);
      void victim.run();
      // The scheduler gets to know both.
      await this.#pass(this.#milliseconds / 5);
      const from = { now: this.#platform.now(), time: victim.processorTime, instructions: victim.instructions };
      await this.#pass(this.#milliseconds);
      const elapsed = this.#platform.now() - from.now;
      const time = (victim.processorTime - from.time) / elapsed;
      const instructions = (victim.instructions - from.instructions) / elapsed / alone;
      const least = (TOLERANCE * weights.victim) / (weights.victim + weights.storm);
      if (time < least)
        findings.push(`beside "${storm.name}" the victim gets ${percent(time)} of the core, not ${percent(least)}`);
      return { time, instructions, findings };
    } finally {
      host.dispose();
    }
  }

  /** Instructions per ms of a victim alone; measured anew each time, as the machine is now. */
  async #alone(): Promise<number> {
    const host = new Host({ platform: this.#platform });
    const victim = this.#adopt(host, VICTIM, 1);
    await victim.runTo(COMPARED_AT);
    this.#aloneHash ||= victim.machine.stateHash();
    void victim.run();
    const from = { now: this.#platform.now(), instructions: victim.instructions };
    await this.#pass(this.#milliseconds / 4);
    const rate = (victim.instructions - from.instructions) / (this.#platform.now() - from.now);
    host.dispose();
    return rate;
  }

  #adopt(host: Host, program: HostileProgram, weight: number): Guest<Pc> {
    const pc = createHostilePc({ program, stage: program.build() }, { engine: 'interpreter', code: this.#code });
    const guest = host.adopt(pc, { name: program.name.slice(0, 100), weight });
    // Somebody reads what it says, so that it can go on.
    guest.serial.on('data', () => {});
    guest.debugConsole.on('data', () => {});
    return guest;
  }

  /** Until so much processor time has passed. */
  async #pass(milliseconds: number): Promise<void> {
    const end = this.#platform.now() + milliseconds;
    while (this.#platform.now() < end) await nextTurn();
  }
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Up to two programs of each kind, and all that reset. */
export function representatives(programs: readonly HostileProgram[]): HostileProgram[] {
  const taken = new Map<string, number>();
  return programs.filter(({ kind }) => {
    const count = taken.get(kind) ?? 0;
    taken.set(kind, count + 1);
    return kind === 'resets' || count < 2;
  });
}
