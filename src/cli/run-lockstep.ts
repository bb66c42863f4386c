/** What `vetro difftest lockstep` does: the same guest on two engines, and a report. */
import { UserError } from '../base/errors.ts';
import { Lockstep, type LockstepOutcome } from '../difftest/lockstep/lockstep.ts';
import { PromptTypist } from '../difftest/lockstep/prompt-typist.ts';
import type { EngineName } from '../engine/processor.ts';
import { createPlatform } from '../host/platform.ts';
import { createSharedCode } from '../machine/pc.ts';
import { describeDifference } from './describe-difference.ts';
import { EXIT } from './exit-status.ts';
import { findBoot } from './find-boot.ts';
import { LockstepPc } from './lockstep-pc.ts';
import { createProgress } from './progress.ts';
import type { BootArguments } from './run-arguments.ts';

export interface LockstepArguments extends BootArguments {
  engines: readonly [EngineName, EngineName];
  instructions: number;
  interval: number;
  type: string[];
  prompt?: string;
}

const INTERVALS_PER_HASH = 100;
/** Of Debian's shell. */
const PROMPT = '~ # ';

/** @returns the exit status. @throws UserError; the reason of `stop` if it is aborted */
export async function runLockstep(options: LockstepArguments, stop: AbortSignal): Promise<number> {
  const { engines, instructions, interval, memory, cpu, prompt, type } = options;
  const found = await findBoot(options, stop);
  const cd = 'drive' in found ? `${found.path} is ${found.what}` : found.cd && `${options.guest} is a CD`;
  if ('drive' in found || cd !== undefined) throw new UserError(`${cd}: here, only kernels and flat images boot`);
  const { boot } = found;
  const platform = createPlatform();
  // As the guests of a host do, the machines share compiled code, and those of closer looks find it ready.
  const code = createSharedCode({ compileLoop: (bytes) => platform.compile(Uint8Array.from(bytes)) });
  const typist =
    prompt !== undefined || type.length > 0 ? new PromptTypist({ prompt: prompt ?? PROMPT, lines: type }) : undefined;
  const lockstep = new Lockstep({
    create: (which) => new LockstepPc({ boot, memory, cpu, engine: engines[which], code }),
    instructions,
    interval,
    intervalsPerHash: INTERVALS_PER_HASH,
    operator: typist,
  });
  const outcome = await carriedOut(lockstep, engines.join(' and '), stop);
  if (!outcome.equal) {
    process.stdout.write(`${describeDifference(outcome, engines)}\n`);
    return EXIT.INTERNAL_ERROR;
  }
  const { ending } = outcome;
  const lines = [`${engines.join(' and ')} agree up to instruction ${grouped(outcome.instructions)}`];
  lines.push(`state hash ${outcome.stateHash}`);
  if (ending) lines.push(`both end there: ${ending.text}`);
  if (typist && typist.left > 0) lines.push(`not typed, for want of a prompt: ${typist.left} of ${type.length} lines`);
  process.stdout.write(`${lines.join('\n')}\n`);
  return ending?.isBug ? EXIT.INTERNAL_ERROR : EXIT.OK;
}

/** Does the work piece by piece, and lets signals and the terminal have their turn. */
async function carriedOut(lockstep: Lockstep, what: string, stop: AbortSignal): Promise<LockstepOutcome> {
  const progress = createProgress();
  const work = lockstep.run();
  try {
    for (;;) {
      const { done, value } = work.next();
      if (done) return value;
      progress.show(`${what}: ${value.phase}, ${Math.floor(value.instructions / 1e6)} million instructions`);
      await new Promise((resolve) => setImmediate(resolve));
      stop.throwIfAborted();
    }
  } finally {
    progress.end();
  }
}

const grouped = (value: number): string => value.toLocaleString('en');
