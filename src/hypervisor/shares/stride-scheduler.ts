/** Time, in the unit of charges (ms in a host), that an interactive member may be ahead of its share. */
const AHEAD = 20;
/** Longest turns that one that runs may be behind those that wait. */
const TURNS = 2;

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
    const [pass, stride] = [this.#currentPass, 0];
    const entry = { weight: validWeight(weight), pass, stride, awake: false, interactive, urgent: false };
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

  /**
   * The member to run next, undefined if all are asleep. Ties go to the one added first. Where several run at once:
   * `mayRun` says which can now, as it runs already, or must not beside one that does.
   */
  next(mayRun?: (member: Member) => boolean): Member | undefined {
    let best: [Member, Entry] | undefined;
    let urgent: [Member, Entry] | undefined;
    for (const candidate of this.#entries) {
      const [, entry] = candidate;
      if (!entry.awake || mayRun?.(candidate[0]) === false) continue;
      if (!best || entry.pass < best[1].pass) best = candidate;
      if (!entry.urgent || (entry.pass - this.#currentPass) * entry.weight > AHEAD) continue;
      if (!urgent || entry.pass < urgent[1].pass) urgent = candidate;
    }
    // Of one that goes first, the others are not to wait longer than it has run.
    if (best) this.#currentPass = best[1].pass;
    if (best && mayRun) this.#forgive(best[1].pass, mayRun);
    return (urgent ?? best)?.[0];
  }

  /** The member ran for this long, in any unit that is the same for all. */
  charge(member: Member, time: number): void {
    const entry = this.#entries.get(member);
    if (!entry) return;
    entry.stride = time / entry.weight;
    entry.pass += entry.stride;
  }

  /**
   * Who runs all the time, and by its weight should have even more than that, gets no further behind than turns bring with
   * them: else it would pay nothing for long when others come to want what it has.
   */
  #forgive(pass: number, mayRun: (member: Member) => boolean): void {
    let stride = 0;
    for (const entry of this.#entries.values()) if (entry.awake) stride = Math.max(stride, entry.stride);
    for (const [member, entry] of this.#entries) {
      if (entry.awake && !mayRun(member)) entry.pass = Math.max(entry.pass, pass - TURNS * stride);
    }
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
  /** What its last turn added to that. */
  stride: number;
  awake: boolean;
  readonly interactive: boolean;
  /** It has woken, and has not slept since. */
  urgent: boolean;
}

function validWeight(weight: number): number {
  if (!(weight > 0 && Number.isFinite(weight))) throw new RangeError(`weight ${weight} is not a positive number`);
  return weight;
}
