/** What is wrong with a snapshot: it is damaged, of another kind, or of a version that is not known. One line for its owner. */
import { UserError } from '../base/errors.ts';

export const damaged = (what: string): UserError => new UserError(`the snapshot is damaged: ${what}`);

export const isLater = (what: string, version: unknown, known: number): UserError =>
  new UserError(`the snapshot's ${what} has version ${String(version)}: this program knows version ${known}`);
