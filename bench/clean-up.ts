/** What must not outlive the benchmark, however it ends: emulators, temporary folders, a worktree. */
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

export class CleanUp {
  readonly #actions = new Set<() => void>();

  /** @returns a function that does it now, once */
  add(action: () => void): () => void {
    const once = (): void => {
      if (this.#actions.delete(once)) action();
    };
    this.#actions.add(once);
    return once;
  }

  /** The latest first. One that fails does not keep the others from their turn. */
  all(): void {
    for (const action of [...this.#actions].reverse()) {
      try {
        action();
      } catch (error) {
        console.error(`bench: ${error instanceof Error ? error.message : error}`);
      }
    }
  }

  temporaryFolder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'vetro-bench-'));
    this.add(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  }

  /** Everything is done when this process ends, by itself or by a signal. */
  atExit(): void {
    process.once('exit', () => this.all());
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => process.exit(128 + constants.signals[signal]));
    }
  }
}
