/** The monitor behind Ctrl-A c: a terminal for the commands of `monitor-commands.ts`. */
import { createInterface } from 'node:readline/promises';
import chalk from 'chalk';
import type { PcGuest } from '../hypervisor/create-guest.ts';
import type { Answer, Monitor } from './monitor-commands.ts';
import { createProgress } from './progress.ts';

/**
 * Pauses the guest, takes commands until one leaves. The caller has put the terminal into cooked mode.
 *
 * Ctrl-C interrupts a command that moves the guest, else drops what is typed; Ctrl-D leaves as `c` does.
 * @param end aborted when everything ends, and the monitor with it
 */
export async function openMonitor(
  guest: PcGuest,
  monitor: Monitor,
  end: AbortSignal,
): Promise<NonNullable<Answer['leave']>> {
  guest.pause();
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: chalk.cyan('(vetro) ') });
  const progress = createProgress(process.stdout);
  let command: AbortController | undefined;
  const interrupt = (): void => {
    if (command) return command.abort();
    // As in a shell: the line is dropped, and a new prompt appears.
    terminal.write(null, { ctrl: true, name: 'e' });
    terminal.write(null, { ctrl: true, name: 'u' });
    process.stdout.write('^C\n');
    terminal.prompt();
  };
  const close = (): void => {
    command?.abort();
    terminal.close();
  };
  terminal.on('SIGINT', interrupt);
  end.addEventListener('abort', close);
  process.stdout.write(`\n${chalk.bold(guest.name)} is paused; h for help\n${monitor.here()}\n`);
  try {
    terminal.prompt();
    for await (const line of terminal) {
      command = new AbortController();
      const { text, leave } = await monitor.execute(line, {
        signal: command.signal,
        onProgress: (step, percent) => progress.show(step, percent),
      });
      command = undefined;
      if (leave !== undefined) return leave;
      progress.end();
      if (text !== '') process.stdout.write(`${text}\n`);
      if (end.aborted) break;
      terminal.prompt();
    }
    // Ctrl-D; or the terminal is gone.
    return process.stdin.readableEnded ? 'quit' : 'continue';
  } finally {
    end.removeEventListener('abort', close);
    terminal.close();
    process.stdin.resume();
  }
}
