/** The Gregorian calendar, as far as a clock chip needs it. */

export const SECONDS_PER_DAY = 86_400;
const MONTH_LENGTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/** Days of a month 1–12. Every fourth year is a leap year to the chip (it has two digits); an invalid month has 31. */
export function lengthOfMonth(year: number, month: number): number {
  return (MONTH_LENGTHS[month - 1] ?? 31) + (month === 2 && year % 4 === 0 ? 1 : 0);
}

const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);

/** The date of a moment given in seconds since 1 January 1970; Sunday is day of week 1. */
export function calendarAt(epochSeconds: number): { year: number; month: number; date: number; dayOfWeek: number } {
  let days = Math.floor(epochSeconds / SECONDS_PER_DAY);
  const dayOfWeek = ((days + 4) % 7) + 1; // 1 January 1970 was a Thursday
  let year = 1970;
  for (; days >= (isLeap(year) ? 366 : 365); year++) days -= isLeap(year) ? 366 : 365;
  let month = 1;
  const length = () => (MONTH_LENGTHS[month - 1] ?? 31) + (month === 2 && isLeap(year) ? 1 : 0);
  for (; days >= length(); month++) days -= length();
  return { year, month, date: days + 1, dayOfWeek };
}
