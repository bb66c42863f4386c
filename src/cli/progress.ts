/** Progress of a long step: one line that is rewritten on a terminal; nothing in a pipe. */
import chalk from 'chalk';

export interface Progress {
  show(step: string, percent?: number): void;
  /** Clears the line. */
  end(): void;
}

const CLEAR_LINE = '\r\x1b[K';

export function createProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  if (!stream.isTTY) return { show: () => {}, end: () => {} };
  return {
    show(step, percent) {
      const amount = percent === undefined ? '' : ` ${chalk.bold(`${Math.floor(percent)} %`)}`;
      stream.write(`${CLEAR_LINE}${chalk.cyan('vetro:')} ${step}${amount}`);
    },
    end: () => stream.write(CLEAR_LINE),
  };
}
