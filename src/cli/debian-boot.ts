/** What `vetro run` boots by default: Debian from the user's cache; without a cache or a network, what there is instead. */
import { UserError } from '../base/errors.ts';
import type { GuestBoot } from '../index.ts';
import { assembleDemo } from './demo.ts';
import { loadSystem, type SystemName } from './fetch/debian.ts';
import { loadSomewhere } from './fetch/load-somewhere.ts';
import { createProgress } from './progress.ts';

export interface DebianBootOptions {
  readonly commandLine: string;
  /** Aborted, it rejects with the signal's reason, and leaves nothing behind. */
  readonly signal: AbortSignal;
}

/** What could not be had is said in one line on standard error. */
export async function bootDebian(system: SystemName, { commandLine, signal }: DebianBootOptions): Promise<GuestBoot> {
  const progress = createProgress();
  const onNotice = (line: string): void => {
    progress.end();
    process.stderr.write(`vetro: ${line}\n`);
  };
  try {
    const loaded = await loadSomewhere((options) => loadSystem(system, options), {
      onProgress: progress.show,
      onNotice,
      signal,
    });
    return { ...loaded, commandLine };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    onNotice(
      `no ${system} (${error.message}); booting the embedded demo instead. ` +
        'To give a kernel: vetro run --kernel <bzImage> --initrd <file>',
    );
    return { image: assembleDemo() };
  } finally {
    progress.end();
  }
}
