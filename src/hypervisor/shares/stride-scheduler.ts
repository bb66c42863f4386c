/** Time, in the unit of charges (ms in a host), that an interactive member may be ahead of its share. */
const AHEAD = 20;

/**
 * Who runs next: stride scheduling. Each member has a pass value, the time it was given divided by its weight; the one with the lowest pass runs next. Over any stretch in which all are busy, shares follow the weights to
 * within one slice. Source: Waldspurger, Weihl, "Stride Scheduling: Deterministic Proportional-Share Resource
 * Management", MIT/LCS/TM-528, 1995.
 *
 * A member that slept starts again at the pass of those that did not: idleness earns no credit.
 *
 * An interactive member that wakes goes before all others, unless it is ahead of its share by more than `AHEAD`: it comes
 * to its turn at once, and over any longer stretch gets no more than it would otherwise.
 */
export class StrideScheduler<Member> {
  readonly #entries = new Map<Member, Entry>();
  /** Pass of the member chosen last: where one that wakes joins. */
  #currentPass = 0;

  /** Adds a member, asleep. `weight` is its share relative to the others. */
  add(member: Member, weight: number, { interactive = false } = {}): void {
    const entry = { weight: validWeight(weight), pass: this.#currentPass, awake: false, interactive, urgent: false };
    this.#entries.set(member, entry);
  }

  /** Whether any member is interactive. */
  get hasInteractive(): boolean {
    for (const { interactive } of this.#entries.values()) if (interactive) return true;
    return false;
  }

  remove(member: Member): void {
    this.#entries.delete(member);
  }

  setWeight(member: Member, weight: number): void {
    const entry = this.#entry(member);
    const valid = validWeight(weight);
    // What it is ahead, or owes, is time: at its new weight it is worth as much of that.
    entry.pass = this.#currentPass + ((entry.pass - this.#currentPass) * entry.weight) / valid;
    entry.weight = valid;
  }

  /** From now on the member wants to run. No effect on one that is awake. */
  wake(member: Member): void {
    const entry = this.#entry(member);
    if (!entry.awake) {
      entry.pass = Math.max(entry.pass, this.#currentPass);
      entry.urgent = entry.interactive;
    }
    entry.awake = true;
  }

  sleep(member: Member): void {
    this.#entry(member).awake = false;
  }

  /** The member to run next, undefined if all are asleep. Ties go to the one added first. */
  next(): Member | undefined {
    let best: [Member, Entry] | undefined;
    let urgent: [Member, Entry] | undefined;
    for (const candidate of this.#entries) {
      const [, entry] = candidate;
      if (!entry.awake) continue;
      if (!best || entry.pass < best[1].pass) best = candidate;
      if (!entry.urgent || (entry.pass - this.#currentPass) * entry.weight > AHEAD) continue;
      if (!urgent || entry.pass < urgent[1].pass) urgent = candidate;
    }
    // Of one that goes first, the others are not to wait longer than it has run.
    if (best) this.#currentPass = best[1].pass;
    return (urgent ?? best)?.[0];
  }

  /** The member ran for this long, in any unit that is the same for all. */
  charge(member: Member, time: number): void {
    const entry = this.#entries.get(member);
    if (entry) entry.pass += time / entry.weight;
  }

  #entry(member: Member): Entry {
    const entry = this.#entries.get(member);
    if (!entry) throw new Error('not a member of this scheduler');
    return entry;
  }
}

interface Entry {
  weight: number;
  pass: number;
  awake: boolean;
  readonly interactive: boolean;
  /** It has woken, and has not slept since. */
  urgent: boolean;
}

function validWeight(weight: number): number {
  if (!(weight > 0 && Number.isFinite(weight))) throw new RangeError(`weight ${weight} is not a positive number`);
  return weight;
}
