import { InternalError } from '../base/errors.ts';

/** A pool holds as much as it may. */
export class PoolFullError extends InternalError {}
