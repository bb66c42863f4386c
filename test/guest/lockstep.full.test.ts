/**
 * Debian's boot in lockstep, from power-on into user space: two engines, or one of them cut in two ways, are in the same
 * state at the same counts. `vetro difftest lockstep` does the same, and narrows down what differs.
 */
import { describe, expect, it } from 'vitest';
import { LockstepPc, type LockstepPcOptions } from '../../src/cli/lockstep-pc.ts';
import { Lockstep } from '../../src/difftest/lockstep/lockstep.ts';
import type { Ending } from '../../src/difftest/lockstep/lockstep-machine.ts';
import { PromptTypist } from '../../src/difftest/lockstep/prompt-typist.ts';
import { Random } from '../../src/difftest/random.ts';
import type { EngineName } from '../../src/engine/processor.ts';
import { debianBoot } from '../support/debian.ts';
import { sharedCode } from '../support/shared-code.ts';

/** The two fastest engines. Of two that are the same, the second is cut into other slices, too. */
const ENGINES: readonly [EngineName, EngineName] = ['interpreter', 'interpreter'];
/** More than the boot and the commands take. */
const INSTRUCTIONS = 5e9;
/** Processes, files, floating point. */
const LINES = ["ls -lR / | md5sum; seq 1 20000 | gzip | gunzip | wc -l; awk 'BEGIN { print atan2(1, 2) * sqrt(3) }'"];
const INTERVAL = 1e6;
/** The largest slice: most intervals are cut. */
const SLICE = 400_000;

const { boot, reason } = await debianBoot('debian-686');

class SlicedPc extends LockstepPc {
  readonly #slices = new Random(1);
  #at = 0;

  override runTo(instructions: number): Ending | undefined {
    let ending: Ending | undefined;
    while (this.#at < instructions && !ending) {
      this.#at = Math.min(this.#at + 1 + this.#slices.below(SLICE), instructions);
      ending = super.runTo(this.#at);
    }
    return ending;
  }
}

describe.skipIf(!boot)(`Debian's boot in lockstep${reason ? ` (${reason})` : ''}`, () => {
  it(`${ENGINES.join(' and ')} are in the same state at the same counts`, () => {
    const options = (engine: EngineName): LockstepPcOptions => ({
      boot: boot!,
      memory: 128,
      cpu: 'i686',
      engine,
      code: sharedCode(),
    });
    const operator = new PromptTypist({ prompt: '~ # ', lines: LINES });
    const lockstep = new Lockstep({
      create: (which) => new (which === 0 ? LockstepPc : SlicedPc)(options(ENGINES[which])),
      instructions: INSTRUCTIONS,
      interval: INTERVAL,
      intervalsPerHash: 100,
      operator,
    });
    const work = lockstep.run();
    let step = work.next();
    while (!step.done) step = work.next();
    expect(step.value).toMatchObject({ equal: true, ending: undefined });
    expect(operator.left).toBe(0);
    console.log(step.value);
  });
});
