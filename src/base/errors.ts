/** The errors that cross Vetro's own borders. Guest faults are not among them: they are architectural and stay inside `cpu`. */

/** The user asked for something that cannot be: one clear line, exit status 2, no stack trace. */
export class UserError extends Error {
  override readonly name = 'UserError';
}

/** A call that the state of a guest or host does not allow: it runs already, has stopped, is disposed. */
export class StateError extends Error {
  override readonly name = 'StateError';
}

/** What was waited for did not come in the time given. */
export class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
}

/** A bug of ours, met while a guest ran: it stops that guest only. The message names guest, instruction pointer and bytes. */
export class InternalError extends Error {
  override readonly name = 'InternalError';
}
