/**
 * Swapped pages of all guests of a host, deflated, in a file or in memory. A page takes as many units of 256 bytes as it
 * needs: free units are kept by the length of their run, and joined when there is no run that is long enough.
 * @see `memory/page-source.ts`, whose interface this implements.
 */
import { PAGE_SIZE } from '../../base/address.ts';
import { InternalError } from '../../base/errors.ts';
import type { SwapSpace } from '../../memory/page-source.ts';
import type { SwapArea, SwapFiles } from './swap-files.ts';

const UNIT = 256;
const UNITS_A_PAGE = PAGE_SIZE / UNIT;
/** Zeros, which take no room. */
const ZEROS = 0;

/** Where a page is. */
interface Slot {
  /** First unit. */
  readonly at: number;
  /** Bytes. A page that does not become smaller is kept as it is. */
  readonly length: number;
  readonly check: number;
  holders: number;
}

interface Run {
  readonly at: number;
  readonly units: number;
}

export class SwapStore implements SwapSpace {
  readonly kind = 'swap';
  readonly #area: SwapArea;
  readonly #codec: SwapFiles['codec'];
  readonly #units: number;
  /** By number; the first is that of zeros. */
  readonly #slots: (Slot | undefined)[] = [undefined];
  readonly #freeSlots: number[] = [];
  /** First units of free runs, by length; longer ones than a page needs are in `#long`. */
  #free: number[][] = emptyLists();
  #long: Run[];
  #used = 0;
  /** Units that were freed since runs were joined. */
  #scattered = 0;
  /** Why it takes no more. */
  #failure: string | undefined;

  /** `limit`: bytes. The area becomes its own. */
  constructor(area: SwapArea, codec: SwapFiles['codec'], limit: number) {
    this.#area = area;
    this.#codec = codec;
    this.#units = Math.floor(limit / UNIT);
    this.#long = [{ at: 0, units: this.#units }];
  }

  /** Bytes that are taken, of those that it may take. */
  get bytesInUse(): number {
    return this.#used * UNIT;
  }

  /** One line on why nothing can be written into it any longer; undefined while it can. */
  get failure(): string | undefined {
    return this.#failure;
  }

  write(bytes: Uint8Array): number | undefined {
    if (this.#failure !== undefined) return undefined;
    // Not what lies in a pool: that may grow, and a codec may keep what it is given.
    const page = new Uint8Array(bytes);
    const check = checkOf(page);
    if (check === undefined) return ZEROS;
    const deflated = this.#codec.deflate(page);
    const stored = deflated.length < PAGE_SIZE ? deflated : page;
    const at = this.#allocate(unitsOf(stored.length));
    if (at === undefined) return undefined;
    try {
      this.#area.write(at * UNIT, stored);
    } catch (error) {
      this.#failure = (error as Error).message;
      this.#release(at, unitsOf(stored.length));
      return undefined;
    }
    const number = this.#freeSlots.pop() ?? this.#slots.length;
    this.#slots[number] = { at, length: stored.length, check, holders: 1 };
    return number;
  }

  read(number: number): Uint8Array {
    if (number === ZEROS) return new Uint8Array(PAGE_SIZE);
    const { at, length, check } = this.#slot(number);
    const stored = this.#area.read(at * UNIT, length);
    const page = length < PAGE_SIZE ? this.#codec.inflate(stored, PAGE_SIZE) : stored;
    if (checkOf(page) !== check) throw new InternalError('what was swapped out has changed');
    return page;
  }

  share(number: number): void {
    if (number !== ZEROS) this.#slot(number).holders++;
  }

  release(number: number): void {
    if (number === ZEROS) return;
    const slot = this.#slot(number);
    if (--slot.holders > 0) return;
    this.#slots[number] = undefined;
    this.#freeSlots.push(number);
    this.#release(slot.at, unitsOf(slot.length));
  }

  close(): void {
    this.#failure ??= 'it is closed';
    this.#area.close();
  }

  #slot(number: number): Slot {
    const slot = this.#slots[number];
    if (slot === undefined) throw new InternalError(`nothing is swapped out in slot ${number}`);
    return slot;
  }

  #allocate(units: number): number | undefined {
    const at = this.#take(units) ?? (this.#join() ? this.#take(units) : undefined);
    if (at !== undefined) this.#used += units;
    return at;
  }

  #take(units: number): number | undefined {
    const fitting = this.#free[units].pop();
    if (fitting !== undefined) return fitting;
    const long = this.#long.pop();
    if (long !== undefined) return this.#split(long, units);
    for (let length = units + 1; length <= UNITS_A_PAGE; length++) {
      const at = this.#free[length].pop();
      if (at !== undefined) return this.#split({ at, units: length }, units);
    }
    return undefined;
  }

  #split({ at, units }: Run, wanted: number): number {
    this.#keep({ at: at + wanted, units: units - wanted });
    return at;
  }

  #keep(run: Run): void {
    if (run.units > UNITS_A_PAGE) this.#long.push(run);
    else if (run.units > 0) this.#free[run.units].push(run.at);
  }

  #release(at: number, units: number): void {
    this.#used -= units;
    this.#scattered += units;
    this.#keep({ at, units });
  }

  /** Makes one of free runs that touch. Not each time that it is full: a guest may make that come often. @returns whether it did */
  #join(): boolean {
    if (this.#scattered < Math.max(UNITS_A_PAGE, this.#units / 16)) return false;
    const runs = [...this.#long];
    for (const [units, list] of this.#free.entries()) for (const at of list) runs.push({ at, units });
    runs.sort((one, other) => one.at - other.at);
    this.#free = emptyLists();
    this.#long = [];
    this.#scattered = 0;
    let joined: Run = { at: 0, units: 0 };
    for (const run of runs) {
      if (joined.at + joined.units === run.at) joined = { at: joined.at, units: joined.units + run.units };
      else {
        this.#keep(joined);
        joined = run;
      }
    }
    this.#keep(joined);
    return true;
  }
}

const emptyLists = (): number[][] => Array.from({ length: UNITS_A_PAGE + 1 }, () => []);
const unitsOf = (bytes: number): number => Math.ceil(bytes / UNIT);

/** Shows what a disk has changed; undefined for zeros. */
function checkOf(page: Uint8Array): number | undefined {
  const words = page.byteOffset % 4 === 0 ? new Uint32Array(page.buffer, page.byteOffset, PAGE_SIZE / 4) : undefined;
  if (words === undefined) return checkOf(new Uint8Array(page));
  let [check, any] = [0, 0];
  for (let index = 0; index < words.length; index++) {
    any |= words[index];
    check = Math.imul(check ^ words[index], 0x9e37_79b1);
    check = (check << 13) | (check >>> 19);
  }
  return any === 0 ? undefined : check;
}
