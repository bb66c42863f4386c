/** Errors on their way between threads. */
import { InternalError, StateError, UserError } from '../../base/errors.ts';
import type { PlainError } from './messages.ts';

export function toPlainError(error: unknown): PlainError {
  const { name, message, stack } = error instanceof Error ? error : new InternalError(String(error));
  return { name, message, stack };
}

/** An error of the class that it had, as far as it is one that crosses our borders; else an InternalError. */
export function fromPlainError({ name, message, stack }: PlainError): UserError | StateError | InternalError {
  const error =
    name === 'UserError'
      ? new UserError(message)
      : name === 'StateError'
        ? new StateError(message)
        : new InternalError(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
