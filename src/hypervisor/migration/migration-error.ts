/** Why a guest could not be moved: one line for its owner. */
import { UserError } from '../../base/errors.ts';

export const broken = (what: string): UserError => new UserError(`the migration was broken off: ${what}`);

export const wrongStream = (what: string): UserError => new UserError(`this is no migration, or damaged: ${what}`);

/** The other side has thrown all away, and says why. */
export class Refusal extends UserError {}
