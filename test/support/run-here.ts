/** Runs the command `vetro` in this process, through the function that `main.ts` calls. */
import { expect, vi } from 'vitest';
import { vetro } from '../../src/cli/vetro.ts';
import type { Result } from './run-vetro.ts';

/** Runs a command line in this process. Nothing may start a guest: the signal that would stop it comes at once. */
export async function runHere(
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Result> {
  const output = { stdout: '', stderr: '' };
  const before = Object.keys(environment).map((name) => [name, process.env[name]] as const);
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation(((text: unknown, ...rest: unknown[]) => {
      output[name] += text;
      for (const done of rest) if (typeof done === 'function') done();
      return true;
    }) as typeof process.stdout.write),
  );
  Object.assign(process.env, environment);
  try {
    return { status: await vetro(words, AbortSignal.timeout(20_000)), ...output };
  } finally {
    for (const spy of spies) spy.mockRestore();
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/** Bad input: one line on standard error, and status 2. */
export function expectOneLine({ status, stdout, stderr }: Result, message: RegExp): void {
  expect(stderr).toMatch(/^vetro: [^\n]*\n$/);
  expect(stderr.slice('vetro: '.length, -1)).toMatch(message);
  expect(stderr).not.toMatch(/internal error|E[A-Z]{4,}:|\bat .*:\d+:\d+/);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
}
