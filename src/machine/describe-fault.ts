/** A guest's fault in one line, for people: "#PF(2) at 00001234: page not present". */
import { type GuestFault, VECTOR } from '../cpu/fault.ts';

export function describeFault(fault: GuestFault | undefined): string {
  if (fault === undefined) return 'unknown';
  const { vector, errorCode, address, cause } = fault;
  const name = Object.entries(VECTOR).find(([, number]) => number === vector)?.[0] ?? String(vector);
  const code = errorCode === undefined ? '' : `(${errorCode.toString(16)})`;
  const place = address === undefined ? '' : ` at ${address.toString(16).padStart(8, '0')}`;
  return `#${name}${code}${place}: ${cause.check}`;
}
