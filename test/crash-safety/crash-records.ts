/**
 * Numbered records that a guest writes and acknowledges one by one: each is a function of its number, here and in the
 * guest's shell. A third of them is appended to a log, a third are files of their own, a third overwrites slots in place.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRandom } from '../support/random-transfers.ts';

export const SLOTS = 16;
export const SLOT_BYTES = 4096;
const PAYLOAD_LENGTH = 8192;
const FIRST_CHARACTERS = 4096;
const LONGEST = 3000;

const PAYLOAD = randomDigits(PAYLOAD_LENGTH);

type Kind = 'slot' | 'log' | 'file';
const kindOf = (number: number): Kind => (['slot', 'log', 'file'] as const)[number % 3];
const slotOf = (number: number): number => Math.floor(number / 3) % SLOTS;

function randomDigits(count: number): string {
  const random = createRandom(8);
  return Array.from({ length: count }, () => random.below(16).toString(16)).join('');
}

export function recordText(number: number): string {
  const start = (number * 7919) % FIRST_CHARACTERS;
  return `${number} ${PAYLOAD.slice(start, start + ((number * 131) % LONGEST))} ${number}\n`;
}

/** The same for the guest's shell: `put N` writes a record and returns when it is on stable storage. */
export const PUT_RECORD = `
payload=${PAYLOAD}
put() {
  start=$(($1 * 7919 % ${FIRST_CHARACTERS}))
  length=$(($1 * 131 % ${LONGEST}))
  text="$1 \${payload:$start:$length} $1"
  case $(($1 % 3)) in
    0) printf '%-${SLOT_BYTES - 1}s\\n' "$text" |
       dd of=slots bs=${SLOT_BYTES} iflag=fullblock seek=$(($1 / 3 % ${SLOTS})) conv=notrunc,fsync 2>/dev/null ;;
    1) echo "$text" >> log && dd if=/dev/null of=log conv=notrunc,fsync 2>/dev/null ;;
    2) echo "$text" > records/$1 && dd if=/dev/null of=records/$1 conv=notrunc,fsync 2>/dev/null ;;
  esac
}
`;

/** `found` lines by which the guest says what it reads of the records up to $first: see `expectedFindings`. */
export const PRINT_FINDINGS = `
echo "found: log $(head -c $bytes log | md5sum)"
echo "found: files $(for each in $(seq 2 3 $((first - 1))); do cat records/$each; done | md5sum)"
echo "found: slots $( (dd if=slots bs=${SLOT_BYTES} count=$hole; dd if=slots bs=${SLOT_BYTES} skip=$((hole + 1))) 2>/dev/null | md5sum)"
`;

/** What the guest is told about the records that it has acknowledged: those up to `last`. */
export function guestParameters(last: number): Record<'first' | 'bytes' | 'hole', number> {
  // The slot that may hold a later record, or parts of it.
  return { first: last + 1, bytes: logUpTo(last).length, hole: nextSlot(last) };
}

export function expectedFindings(last: number): string[] {
  const files = numbersOf('file', last).map(recordText).join('');
  const slots = slotsUpTo(last).filter((_, slot) => slot !== nextSlot(last));
  return [`log ${md5(logUpTo(last))}`, `files ${md5(files)}`, `slots ${md5(slots.join(''))}`];
}

/**
 * Looks for all acknowledged records in files that have been copied out of the guest's file system.
 * @returns those that are not there, or not whole; of those in slots, the latest of each counts
 */
export function lostRecords(folder: string, last: number): { checked: number; lost: number[] } {
  const lost: number[] = [];
  const log = read(join(folder, 'log'));
  let at = 0;
  for (const number of numbersOf('log', last)) {
    const text = recordText(number);
    if (log.slice(at, at + text.length) !== text) lost.push(number);
    at += text.length;
  }
  for (const number of numbersOf('file', last)) {
    if (read(join(folder, 'records', String(number))) !== recordText(number)) lost.push(number);
  }
  const slots = read(join(folder, 'slots'));
  const latest = new Map(numbersOf('slot', last).map((number) => [slotOf(number), number]));
  latest.delete(nextSlot(last));
  for (const [slot, number] of latest) {
    if (slots.slice(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES) !== slotText(number)) lost.push(number);
  }
  return {
    checked: numbersOf('log', last).length + numbersOf('file', last).length + latest.size,
    lost: lost.sort((a, b) => a - b),
  };
}

const numbersOf = (kind: Kind, last: number): number[] =>
  Array.from({ length: last }, (_, index) => index + 1).filter((number) => kindOf(number) === kind);

const logUpTo = (last: number): string => numbersOf('log', last).map(recordText).join('');

const slotText = (number: number): string =>
  `${recordText(number)
    .slice(0, -1)
    .padEnd(SLOT_BYTES - 1)}\n`;

function slotsUpTo(last: number): string[] {
  const slots = Array<string>(SLOTS).fill('\0'.repeat(SLOT_BYTES));
  for (const number of numbersOf('slot', last)) slots[slotOf(number)] = slotText(number);
  return slots;
}

/**
 * That of the first record behind `last` that goes to a slot. The guest may be ahead of what has arrived here of its words,
 * but not by the four records that it takes to reach the slot behind it.
 */
const nextSlot = (last: number): number => slotOf(last + 3 - (last % 3));

const md5 = (text: string): string => createHash('md5').update(text, 'latin1').digest('hex');

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
