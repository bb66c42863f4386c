/** What came for a guest when its state had been sent already: COMMIT has it. */
import { bytes, list, record, type TypeOf } from '../../snapshot/schema.ts';
import { MOST_STROKES, stroke } from '../snapshot/guest-head.ts';

export const lateInput = record({ strokes: list(stroke, MOST_STROKES), serial: bytes({ most: 2 ** 24 }) });
export type LateInput = TypeOf<typeof lateInput>;
