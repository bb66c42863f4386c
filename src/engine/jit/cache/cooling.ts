/**
 * Pages whose code keeps changing: each time but the first that a translation there was for nothing, the code in the page
 * must be run twice as often as before until it is translated again. So what a guest writes anew all the time is interpreted.
 */
import { COOL } from '../../interpreter/block-index.ts';

/** Doublings at most. */
const MOST = 20;
/** Pages remembered at most; then all are forgotten. */
const MOST_PAGES = 1 << 16;

export class Cooling {
  readonly #changes = new Map<number, number>();

  /** Translated code of a physical page has changed. */
  changed(page: number): void {
    if (this.#changes.size >= MOST_PAGES) this.#changes.clear();
    this.#changes.set(page, Math.min(MOST, (this.#changes.get(page) ?? 0) + 1));
  }

  /** Pages whose translated code has changed, and those of them that must be hotter now to be translated again. */
  get figures(): { readonly changedPages: number; readonly cooledPages: number } {
    const cooled = [...this.#changes.values()].filter((changes) => changes > 1);
    return { changedPages: this.#changes.size, cooledPages: cooled.length };
  }

  /** Times that code of a page must run, where it is `threshold` for others. */
  threshold(page: number, threshold: number): number {
    return Math.min(COOL - 1, threshold * 2 ** Math.max(0, (this.#changes.get(page) ?? 0) - 1));
  }
}
