/** Helpers that rows of segment and descriptor table instructions call. */
import type { Helper } from './helper.ts';
import {
  loadAccessRights,
  loadLdtr,
  loadSegment,
  loadSegmentLimit,
  loadTaskRegister,
  moveToSegment,
  verifyRead,
  verifyWrite,
} from './segment-load.ts';

export const SEGMENT_HELPERS = {
  loadSegment,
  moveToSegment,
  loadLdtr,
  loadTaskRegister,
  loadAccessRights,
  loadSegmentLimit,
  verifyRead,
  verifyWrite,
} as const satisfies Record<string, Helper>;
