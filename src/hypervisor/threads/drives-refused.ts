/** What guests in threads cannot have yet. */
import { UserError } from '../../base/errors.ts';

export const drivesRefused = (guest: string): UserError =>
  new UserError(`${guest} has drives: a host with threads has no guests with drives yet`);
