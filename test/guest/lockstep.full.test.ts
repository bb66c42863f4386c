/**
 * Debian in lockstep, from power-on into user space, and every program of the bench: two engines, or one of them cut in
 * two ways, are in the same state at the same counts. `vetro difftest lockstep` does the same by hand.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildGuestImage } from '../../bench/guest-image.ts';
import { needsDisk, PROGRAMS, type Program, scaled } from '../../bench/programs.ts';
import { describeDifference } from '../../src/cli/describe-difference.ts';
import { fetchSystem } from '../../src/cli/fetch/debian.ts';
import { LockstepPc, type LockstepPcOptions } from '../../src/cli/lockstep-pc.ts';
import { Lockstep, type LockstepOutcome } from '../../src/difftest/lockstep/lockstep.ts';
import type { Ending } from '../../src/difftest/lockstep/lockstep-machine.ts';
import { PromptTypist } from '../../src/difftest/lockstep/prompt-typist.ts';
import { Random } from '../../src/difftest/random.ts';
import type { EngineName } from '../../src/engine/processor.ts';
import type { GuestBoot } from '../../src/index.ts';
import { COMMAND_LINE, debianBoot } from '../support/debian.ts';
import { sharedCode } from '../support/shared-code.ts';

/** The two fastest engines. If they are the same, the second machine is the one that is cut into other slices. */
const ENGINES: readonly [EngineName, EngineName] = ['auto', 'interpreter'];
/** More than any of these runs takes. */
const INSTRUCTIONS = 2e10;
const INTERVAL = 1e6;
/** The largest slice of the second machine: most intervals are cut. */
const SLICE = 400_000;
/** Of the work that the bench does. */
const SCALE = 0.2;

const folder = mkdtempSync(join(tmpdir(), 'vetro-lockstep-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

class SlicedPc extends LockstepPc {
  readonly #slices = new Random(1);
  #at = 0;

  override runTo(instructions: number): Ending | undefined {
    let ending: Ending | undefined;
    while (this.#at < instructions) {
      this.#at = Math.min(this.#at + 1 + this.#slices.below(SLICE), instructions);
      ending = super.runTo(this.#at);
    }
    return ending;
  }
}

interface Session {
  readonly boot: GuestBoot;
  readonly prompt: string;
  readonly lines: readonly string[];
}

/** Types the lines, up to the prompt behind the last. @returns what was sent */
function runInLockstep({ boot, prompt, lines }: Session): string {
  const options = (engine: EngineName): LockstepPcOptions => {
    return { boot, memory: 128, cpu: 'i686', engine, code: sharedCode() };
  };
  const typist = new PromptTypist({ prompt, lines });
  let transcript = '';
  const lockstep = new Lockstep({
    create: (which) => new (which === 0 ? LockstepPc : SlicedPc)(options(ENGINES[which])),
    instructions: INSTRUCTIONS,
    interval: INTERVAL,
    intervalsPerHash: 100,
    operator: {
      read(output) {
        transcript += new TextDecoder().decode(output);
        return typist.read(output);
      },
    },
  });
  const outcome = outcomeOf(lockstep);
  if (!outcome.equal) throw new Error(describeDifference(outcome, ['first', 'second']));
  expect({ ending: outcome.ending, left: typist.left }, transcript.slice(-500)).toEqual({ ending: undefined, left: 0 });
  expect(outcome.instructions).toBeLessThan(INSTRUCTIONS);
  return transcript;
}

function outcomeOf(lockstep: Lockstep): LockstepOutcome {
  const work = lockstep.run();
  let step = work.next();
  while (!step.done) step = work.next();
  return step.value;
}

const debian = await debianBoot('debian-686');

describe.skipIf(!debian.boot)(`Debian in lockstep${debian.reason ? ` (${debian.reason})` : ''}`, () => {
  it('is in the same state at the same counts: boot, processes, files, floating point', () => {
    const line = "ls -lR / 2>&1 | md5sum; seq 1 20000 | gzip | gunzip | wc -l; awk 'BEGIN { print 1/3 }'";
    const transcript = runInLockstep({ boot: debian.boot!, prompt: '~ # ', lines: [line] });
    expect(transcript).toMatch(/\b20000\r\n0\.333333\r\n/);
  });
});

const bench = await benchBoot();

describe.skipIf(!bench.boot)(`the bench in lockstep${bench.reason ? ` (${bench.reason})` : ''}`, () => {
  it('is in the same state at the same counts: every program', () => {
    // The guest has no SSE and no disk: what needs them would only be refused.
    const programs = PROGRAMS.filter((program) => program.needs === undefined && !needsDisk(program));
    const lines = programs.map(lineOf);
    const transcript = runInLockstep({ boot: bench.boot!, prompt: '@@ready', lines });
    const ended = [...transcript.matchAll(/@@ready ([\w-]+) 0\r/g)].map(([, name]) => name);
    expect(ended).toEqual(programs.map(({ name }) => name));
  });
});

/** What the guest's shell is given. It does not echo it. */
function lineOf(program: Program): string {
  const size = scaled(program, SCALE);
  const { name, command, before } = program;
  return `${before ? `${before(size)}; ` : ''}{ ${command(size)}; }; echo @@ready ${name} $?`;
}

async function benchBoot(): Promise<{ boot?: GuestBoot; reason?: string }> {
  try {
    const { kernel } = await fetchSystem('debian-686');
    const initrd = join(folder, 'initrd.cpio');
    buildGuestImage(readFileSync(join(dirname(kernel), 'busybox')), initrd, folder);
    return { boot: { kernel: readFileSync(kernel), initrd: readFileSync(initrd), commandLine: COMMAND_LINE } };
  } catch (error) {
    return { reason: (error as Error).message };
  }
}
