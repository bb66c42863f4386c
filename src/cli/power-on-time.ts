/** `--power-on-time`: what a guest's clock chip shows when it is switched on. */
import { UserError } from '../base/errors.ts';

const DATE = /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(:\d\d)?Z?)?$/;

/**
 * @param text a date and perhaps a time, UTC, in the form of ISO 8601; or `now`
 * @param now what that means, in ms since 1970
 * @returns ms since 1970
 * @throws UserError
 */
export function parsePowerOnTime(text: string, now: number): number {
  if (text === 'now') return now;
  const [, date, clock] = DATE.exec(text) ?? [];
  const time = Date.parse(clock === undefined || clock.endsWith('Z') ? text : `${text}Z`);
  // A day that a month does not have would be one of the next.
  if (date === undefined || !(time >= 0) || !new Date(time).toISOString().startsWith(date))
    throw new UserError(
      `--power-on-time ${text}: must be now, or a date from 1970 to 9999 in UTC, as 2026-11-28 or 2026-11-28T12:34:56`,
    );
  return time;
}
