/** Waiting that an AbortSignal can end. */

import { shown } from './argument-check.ts';
import { UserError } from './errors.ts';

/** As much of an AbortSignal as is used, so that nobody needs the DOM's types. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** @throws UserError for what is neither undefined nor an AbortSignal */
export function checkSignal(what: string, value: unknown): AbortSignalLike | undefined {
  if (value === undefined) return undefined;
  const signal = value as Partial<AbortSignalLike> | null;
  const complete =
    typeof signal === 'object' &&
    signal !== null &&
    typeof signal.aborted === 'boolean' &&
    typeof signal.addEventListener === 'function' &&
    typeof signal.removeEventListener === 'function';
  if (!complete) throw new UserError(`${what} must be an AbortSignal, not ${shown(value)}`);
  return signal as AbortSignalLike;
}

export function throwIfAborted(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted) throw reasonOf(signal);
}

export interface Settle<Value> {
  resolve(value: Value): void;
  reject(error: unknown): void;
}

/**
 * A promise that is settled by what `start` is given, later, or rejected with the signal's reason. `start` returns what
 * to do when it is settled either way; `onAbort` is called behind that.
 */
export function settledOrAborted<Value>(
  signal: AbortSignalLike | undefined,
  start: (settle: Settle<Value>) => () => void,
  onAbort: () => void = () => {},
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      finish(() => reject(reasonOf(signal!)));
      onAbort();
    };
    const finish = (settle: () => void) => {
      settle();
      clean();
      signal?.removeEventListener('abort', abort);
    };
    // First: a signal that only looks like one may throw, and then nothing has begun.
    signal?.addEventListener('abort', abort);
    const clean = start({
      resolve: (value) => finish(() => resolve(value)),
      reject: (error) => finish(() => reject(error)),
    });
  });
}

function reasonOf(signal: AbortSignalLike): unknown {
  return signal.reason ?? Object.assign(new Error('This operation was aborted'), { name: 'AbortError' });
}
